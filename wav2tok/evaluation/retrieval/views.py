"""Changed copies of a recording, made in the waveform: faster, in another key, or among other voices.

python-stretch (Signalsmith Stretch, MIT) changes one and leaves the other; it compensates its own latency, takes 15 ms
for 6 s of audio and holds the interpreter's lock, so threads don't help. Its seed is fixed: a view is always the same.

The noise is babble: other people's recordings, summed. It is made of training recordings alone, so that no answer to a
query is ever heard behind it.
"""

from collections.abc import Sequence

import numpy as np

from wav2tok.errors import UserError
from wav2tok.evaluation.retrieval.protocol import View

VOICES = 6


def make(waveform: np.ndarray, view: View, sample_rate: int, noise: np.ndarray | None = None) -> np.ndarray:
    """float32 [N] as ``view`` says; a tempo of 1.25 gives round(N / 1.25) samples at the same pitch.

    Args:
        noise: float32 [N], what an SNR view is mixed with; no other reads it.
    """
    if view.kind == "V":
        return waveform
    if view.kind == "SNR":
        if noise is None:
            raise ValueError("an SNR view needs a noise")
        return mix(waveform, noise, view.factor)
    from python_stretch.Signalsmith import Stretch

    stretch = Stretch(0)
    stretch.preset(1, sample_rate)
    if view.kind == "TS":
        stretch.setTimeFactor(view.factor)
    else:
        stretch.setTransposeSemitones(view.factor)
    changed = np.asarray(stretch.process(np.ascontiguousarray(waveform[None], dtype=np.float32)))
    return np.ascontiguousarray(changed[0])


def mix(waveform: np.ndarray, noise: np.ndarray, snr_db: float) -> np.ndarray:
    """``waveform`` plus ``noise`` (float32 [N] both), scaled so that the ratio of their RMS is ``snr_db`` decibels.

    Silence has no ratio and stays as it is.
    """
    gain = _rms(waveform) / _rms(noise) * 10 ** (-snr_db / 20)
    return (waveform + gain * noise.astype(np.float64)).astype(np.float32)


def sounding(waveforms: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Those that babble can be made of: all but the silent ones.

    Raises:
        UserError: none is left.
    """
    found = [waveform for waveform in waveforms if waveform.any()]
    if not found:
        raise UserError("All training recordings are silent, so no noise can be made of them; look at the data.")
    return found


def babble(voices: Sequence[np.ndarray], samples: int, generator: np.random.Generator) -> np.ndarray:
    """Several people at once: `VOICES` of ``voices`` (all, where there are fewer), drawn, and summed.

    Each is brought to unit RMS, begins at a random place that is not silent and is repeated to the length.

    Args:
        voices: float32 [n] each, as `sounding` gives them.
        samples: N, the length to make.
        generator: decides the voices and where they begin.

    Returns:
        float32 [N].
    """
    total = np.zeros(samples)
    for index in generator.choice(len(voices), min(VOICES, len(voices)), replace=False):
        voice = voices[index] / _rms(voices[index])
        start = generator.choice(np.flatnonzero(voice))
        total += np.resize(np.roll(voice, -start), samples)
    return total.astype(np.float32)


def _rms(waveform: np.ndarray) -> float:
    """Root of the mean square, in double precision."""
    return float(np.sqrt(np.mean(np.square(waveform, dtype=np.float64))))
