"""Random signals with a spectrum of choice: slow wandering of a pitch, breath, a room's hiss."""

from collections.abc import Callable

import numpy as np


def shaped(rng: np.random.Generator, length: int, rate: float, gain: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Gaussian noise whose spectrum follows ``gain``, of unit power over a long stretch.

    Args:
        length: samples.
        rate: samples a second.
        gain: amplitude at frequencies [F] in Hz.

    Returns:
        float64 [length].
    """
    size = 1 << max(int(length - 1).bit_length(), 1)  # a power of two: quick for the FFT
    weights = gain(np.fft.rfftfreq(size, 1 / rate))
    noise = np.fft.irfft(np.fft.rfft(rng.standard_normal(size)) * weights, size)
    # The expected power, not the drawn one, so that a slow wander may also be small for once.
    power = 2 * (weights[1:-1] ** 2).sum() + weights[0] ** 2 + weights[-1] ** 2
    return noise[:length] / np.sqrt(power / size)


def wander(rng: np.random.Generator, length: int, rate: float, cutoff_hz: float) -> np.ndarray:
    """A smooth random curve, float64 [length], of unit variance and without change faster than about ``cutoff_hz``."""
    return shaped(rng, length, rate, lambda f: np.exp(-((f / cutoff_hz) ** 2)))
