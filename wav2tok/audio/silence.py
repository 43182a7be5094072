"""Silence around a recording."""

import numpy as np

FLOOR = 1e-3
"""Samples below this share of the loudest are silent: 60 dB below it."""
LONGEST = 0.5
"""Seconds of silence before or after the sound that a recording may keep."""


def sounding(waveform: np.ndarray, sample_rate: int) -> slice:
    """A waveform's part, float [N], without the silence around it, if there is more than `LONGEST` of it on a side.

    Models normalise a recording by its own mean and variance, so seconds of silence change all of its tokens. It is cut
    to the first and last loud sample: a recording that begins and ends with sound, and the same one with silence around
    it, give the same samples.

    Args:
        sample_rate: Hz.

    Returns:
        All of it if it is silent throughout.

    >>> sounding(np.array([0.0, 0.0, 0.5, -0.5, 0.0]), sample_rate=2)
    slice(2, 4, None)
    """
    every = slice(0, len(waveform))
    loud = np.flatnonzero(np.abs(waveform) > FLOOR * np.abs(waveform).max(initial=0.0))
    if not len(loud):
        return every
    first, last = int(loud[0]), int(loud[-1]) + 1
    if max(first, len(waveform) - last) <= LONGEST * sample_rate:
        return every
    return slice(first, last)
