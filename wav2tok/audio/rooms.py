"""Where people record: rooms, and other people who talk.

Babble is the sum of other people's recordings. A room is a synthetic impulse response: the direct sound, and noise that
decays.
"""

from collections.abc import Sequence

import numpy as np

from wav2tok.errors import UserError

VOICES = 6
DECAY_SECONDS = (0.3, 0.6)
"""A room's reverberation falls by 60 dB within a time drawn from this range."""
_FIRST_ECHO = 0.004
"""Seconds: the nearest wall is 70 cm away."""


def mix(waveform: np.ndarray, noise: np.ndarray, snr_db: float) -> np.ndarray:
    """``waveform`` plus ``noise`` (float32 [N] both), scaled so that the ratio of their RMS is ``snr_db`` decibels.

    Silence is returned unchanged, because it has no such ratio.
    """
    gain = _rms(waveform) / _rms(noise) * 10 ** (-snr_db / 20)
    return (waveform + gain * noise.astype(np.float64)).astype(np.float32)


def impulse_response(sample_rate: int, generator: np.random.Generator) -> np.ndarray:
    """The impulse response of a random room, float64 [n]: the direct sound, and reverberation of the same energy."""
    decay = generator.uniform(*DECAY_SECONDS)
    time = np.arange(round(1.2 * decay * sample_rate)) / sample_rate
    tail = generator.standard_normal(len(time)) * 10 ** (-3 * time / decay)
    tail[time < _FIRST_ECHO] = 0.0
    response = tail / np.sqrt(np.square(tail).sum())
    response[0] = 1.0
    return response


def reverberate(waveform: np.ndarray, response: np.ndarray) -> np.ndarray:
    """``waveform`` (float32 [N]) in the room of ``response`` ([n]), at the same RMS; what sounds later is cut."""
    size = 1 << (len(waveform) + len(response) - 1).bit_length()
    wet = np.fft.irfft(np.fft.rfft(waveform.astype(np.float64), size) * np.fft.rfft(response, size), size)
    wet = wet[: len(waveform)]
    level = _rms(wet)
    return (wet * (_rms(waveform) / level if level else 1.0)).astype(np.float32)


def sounding(waveforms: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The waveforms that babble can be mixed from: all but the silent ones.

    Raises:
        UserError: all are silent.
    """
    voices = [waveform for waveform in waveforms if waveform.any()]
    if not voices:
        raise UserError("All training recordings are silent, so no babble can be mixed from them; check the data.")
    return voices


def babble(voices: Sequence[np.ndarray], samples: int, generator: np.random.Generator) -> np.ndarray:
    """The sum of `VOICES` randomly chosen ``voices``, or of all if there are fewer.

    Each is scaled to unit RMS, starts at a random non-silent sample and is repeated to the length.

    Args:
        voices: float32 [n] each, as `sounding` returns them.
        samples: N, the length of the result.
        generator: chooses the voices and where they start.

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
