"""From a voice to a recording: the room, its noise, the microphone, the level."""

import numpy as np

from wav2tok.sample.noise import shaped
from wav2tok.sample.singers import Room


def impulse_response(room: Room, sample_rate: int) -> np.ndarray:
    """Direct sound, then noise that decays by 60 dB in ``decay_s``; float64 [N] at ``sample_rate`` (Hz)."""
    rng = np.random.default_rng(room.seed)
    time = np.arange(int(1.2 * room.decay_s * sample_rate)) / sample_rate
    tail = rng.standard_normal(len(time)) * 10 ** (-3 * time / room.decay_s)
    tail[: int(0.004 * sample_rate)] = 0.0  # the nearest wall is 70 cm away
    # Walls absorb high frequencies first: a mild low-pass, by averaging neighbours.
    tail = np.convolve(tail, [0.25, 0.5, 0.25], mode="same")
    tail *= 10 ** (room.wet_db / 20) / np.sqrt((tail**2).sum())
    tail[0] += 1.0
    return tail


def microphone(room: Room, frequency: np.ndarray) -> np.ndarray:
    """The microphone's gain (amplitude) at ``frequency`` [F] in Hz: a low cut, a high cut and one broad peak."""
    f = np.maximum(frequency, 1.0)
    low = 1 / np.sqrt(1 + (room.low_cut_hz / f) ** 4)
    high = 1 / np.sqrt(1 + (f / room.high_cut_hz) ** 6)
    peak = 10 ** (room.peak_db / 20 * np.exp(-((np.log2(f / room.peak_hz) / 0.7) ** 2)))
    return low * high * peak


def active_rms(wave: np.ndarray, sample_rate: int) -> float:
    """RMS of the louder half of ``wave`` [N], in windows of 50 ms: the level of the voice without its pauses."""
    size = max(sample_rate // 20, 1)
    power = (wave[: len(wave) // size * size].reshape(-1, size) ** 2).mean(axis=1)
    return float(np.sqrt(power[power >= np.median(power)].mean()))


def record(dry: np.ndarray, room: Room, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """Put a dry voice [N] in a room, add the room's noise at ``snr_db``, and pick it up at ``level_dbfs``.

    Args:
        sample_rate: Hz.
        rng: for the background noise and the level.

    Returns:
        float64 [N] with peaks below 0.95.
    """
    response = impulse_response(room, sample_rate)
    size = 1 << (len(dry) + len(response) - 1).bit_length()
    spectrum = np.fft.rfft(dry, size) * np.fft.rfft(response, size)
    spectrum *= microphone(room, np.fft.rfftfreq(size, 1 / sample_rate))
    wet = np.fft.irfft(spectrum, size)[: len(dry)]

    def colour(f: np.ndarray) -> np.ndarray:
        return 10 ** (room.noise_tilt_db * np.log2(np.maximum(f, 30.0) / 1000) / 20) * microphone(room, f)

    noise = shaped(rng, len(wet), sample_rate, colour)
    time = np.arange(len(wet)) / sample_rate
    noise += 0.3 * np.sin(2 * np.pi * (room.mains_hz * time + rng.random()))
    voice = active_rms(wet, sample_rate)
    mixed = wet + noise / np.sqrt((noise**2).mean()) * voice * 10 ** (-room.snr_db / 20)
    level = 10 ** ((room.level_dbfs + rng.normal(0, 1)) / 20) / voice
    return mixed * min(level, 0.95 / np.abs(mixed).max())
