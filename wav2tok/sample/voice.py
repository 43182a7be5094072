"""From pitch and loudness to a waveform: harmonics shaped by the resonances of the mouth, and breath."""

import numpy as np

from wav2tok.sample.noise import shaped
from wav2tok.sample.performance import Performance
from wav2tok.sample.singers import Voice

_AUDIBLE_DB = -75.0  # weaker harmonics are inaudible in any background
_HUM_PEAKS = ((1.0, 0.0, 90.0), (3.9, -24.0, 200.0), (8.5, -33.0, 350.0))  # x nasal_hz, dB, bandwidth in Hz


def control_rate(sample_rate: int) -> float:
    """A frame rate near 500 Hz for which a frame is a whole number of samples."""
    return sample_rate / round(sample_rate / 500)


def envelope_db(voice: Voice, frequency: np.ndarray, openness: np.ndarray | float) -> np.ndarray:
    """The level in dB of a partial at ``frequency`` (Hz, any shape) for a mouth open by 0 .. 1 (broadcast)."""
    octaves = np.log2(np.maximum(frequency, 50.0) / 100.0)

    def peaks(hertz: np.ndarray, db: np.ndarray, width: np.ndarray, floor_db: float) -> np.ndarray:
        power = np.full(np.shape(frequency), 10 ** (floor_db / 10))
        for f, g, b in zip(hertz, db, width, strict=True):
            power += 10 ** (g / 10) / (1 + ((frequency - f) / b) ** 2)
        return 10 * np.log10(power)

    formants = np.array(voice.formants_hz)
    opened = peaks(formants, np.zeros(len(formants)), np.array(voice.bandwidths_hz), -22.0) - voice.tilt_db * octaves
    ratio, db, width = np.array(_HUM_PEAKS).T
    # Lips and soft tissue absorb the high frequencies of a hum.
    hummed = peaks(ratio * voice.nasal_hz, db, width, -34.0) - (voice.tilt_db + 2) * octaves
    return hummed + openness * (opened - hummed)


def _stretch(curve: np.ndarray, hop: int) -> np.ndarray:
    """``curve`` [F] interpolated linearly to [(F - 1) * hop]."""
    ramp = np.arange(hop) / hop
    return (curve[:-1, None] + np.diff(curve)[:, None] * ramp).reshape(-1)


def sing(performance: Performance, voice: Voice, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """Render a performance without a room and its noise.

    Harmonics fade out towards the Nyquist frequency, so there is no aliasing.

    Args:
        performance: curves [F] at `control_rate` (``sample_rate``).
        sample_rate: Hz.
        rng: for the breath only.

    Returns:
        float64 [N], N = (F - 1) * samples per frame; the RMS of its voiced parts is near 1.
    """
    hop = round(sample_rate / performance.rate)
    f0, nyquist = performance.f0_hz, sample_rate / 2
    openness = voice.openness * (1 - performance.closure)
    count = max(int(0.98 * nyquist / f0.min()), 1)
    frequency = np.arange(1, count + 1)[:, None] * f0  # [K, F]
    level = envelope_db(voice, frequency, openness)
    fade = np.clip((0.98 - frequency / nyquist) / 0.08, 0, 1)
    amplitudes = 10 ** (level / 20) * fade
    audible = np.flatnonzero(amplitudes.max(axis=1) > amplitudes.max() * 10 ** (_AUDIBLE_DB / 20))
    # Humming and singing are equally loud: only the loudness curve decides.
    amplitudes *= performance.amplitude * np.sqrt(2) / np.sqrt((amplitudes**2).sum(axis=0).mean())

    phase = 2 * np.pi * np.cumsum(_stretch(f0, hop)) / sample_rate
    # sin((k + 1) x) = 2 cos(x) sin(k x) - sin((k - 1) x): two operations per harmonic instead of a sine.
    twice_cos, before, sine = 2 * np.cos(phase), np.zeros(len(phase)), np.sin(phase)
    pulse = 1 + 0.5 * np.cos(phase)  # breath escapes as the glottis opens
    wave = np.zeros(len(phase))
    for k in range(int(audible.max()) + 1):
        wave += _stretch(amplitudes[k], hop) * sine
        before, sine = sine, twice_cos * sine - before

    # Breath passes through the same mouth, but without the spectral tilt of the voice.
    def tract(f: np.ndarray) -> np.ndarray:
        flat = 0.9 * voice.tilt_db * np.log2(np.maximum(f, 50.0) / 100.0)
        return 10 ** ((envelope_db(voice, f, 0.6) + flat) / 20)

    hiss = shaped(rng, len(wave), sample_rate, tract)
    aspiration = 10 ** (voice.aspiration_db / 20) * _stretch(performance.amplitude, hop) * pulse
    return wave + hiss * (aspiration + _stretch(performance.breath, hop))
