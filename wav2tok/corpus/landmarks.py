"""Landmarks of a recording: pairs of peaks in its spectrogram, which a copy has too, wherever it was cut.

Two recordings of the same melody or word have few landmarks in common at one distance in time; two windows of one
recording have many, also when one of them is louder or noisier. Silence has none, and a steady tone only at its ends.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

RATE = 8000
"""Hz at which recordings are compared, so that copies at other sampling rates match as well."""
HOP = 128
"""Samples between frames: 16 ms."""
_WINDOW = 512
_LOWEST, _HIGHEST = 6, 224
"""Bins of the spectrum that are read: 94 to 3500 Hz."""
_APART = 10
"""A peak is the largest value within this many frames and bins around it."""
_FLOOR = 1e-7
"""Power of a bin below which there is silence: what 16 bits round away."""
_PARTNERS, _NEAR, _FAR = 4, 2, 63
"""A peak is paired with the next `_PARTNERS` peaks that lie `_NEAR` to `_FAR` frames later."""


class Landmarks(NamedTuple):
    """The landmarks of a recording: what they are (uint32 [n]) and in which frame (int32 [n])."""

    kinds: np.ndarray
    frames: np.ndarray


def landmarks(blocks: Iterable[np.ndarray]) -> Landmarks:
    """The landmarks of a recording, in order of time.

    A pair of peaks in two blocks is not found, so that a recording of any length needs the memory of one block.

    Args:
        blocks: float32 [n] each, at `RATE`.
    """
    found: list[Landmarks] = []
    rest, at = np.zeros(0, np.float32), 0
    for block in blocks:
        wave = np.concatenate([rest, block])
        count = max(0, 1 + (len(wave) - _WINDOW) // HOP)
        if count:
            kinds, frames = _pairs(*_peaks(wave[: (count - 1) * HOP + _WINDOW]))
            found.append(Landmarks(kinds, (frames + at).astype(np.int32)))
        rest, at = wave[count * HOP :], at + count
    if not found:
        return Landmarks(np.zeros(0, np.uint32), np.zeros(0, np.int32))
    return Landmarks(*(np.concatenate(column) for column in zip(*found, strict=True)))


def _peaks(wave: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The frames and bins of the peaks of the spectrogram, int [n] each, in order of time."""
    from scipy.ndimage import maximum_filter

    framed = np.lib.stride_tricks.sliding_window_view(wave, _WINDOW)[::HOP]
    spectrum = np.fft.rfft(framed * np.hanning(_WINDOW).astype(np.float32), axis=1)[:, _LOWEST:_HIGHEST]
    power = np.square(np.abs(spectrum)).astype(np.float32) / _WINDOW
    largest = maximum_filter(power, 2 * _APART + 1, mode="constant")
    # The first and last frames have no neighbours on one side, so they would have peaks that a longer window lacks.
    inner = np.zeros_like(power, dtype=bool)
    inner[1:-1] = True
    frames, bins = np.nonzero((power == largest) & (power > _FLOOR) & inner)
    return frames, bins + _LOWEST


def _pairs(frames: np.ndarray, bins: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each peak with some of those that follow: the kinds and frames of the landmarks."""
    kinds, times = [], []
    # Peaks in the same or the next frame are no partners, so those after them are tried as well.
    for step in range(1, 2 * _PARTNERS + 1):
        apart = frames[step:] - frames[:-step]
        good = (apart >= _NEAR) & (apart <= _FAR)
        kind = (bins[:-step].astype(np.uint32) << 14) | (bins[step:].astype(np.uint32) << 6) | apart.astype(np.uint32)
        kinds.append(kind[good])
        times.append(frames[:-step][good])
    return np.concatenate(kinds), np.concatenate(times)
