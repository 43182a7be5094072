"""Random signals with a given spectrum: the slow wandering of a pitch, breath, the hiss of a room."""

from collections.abc import Callable

import numpy as np


def shaped(rng: np.random.Generator, length: int, rate: float, gain: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Gaussian noise whose spectrum follows ``gain``, of unit power over a long stretch.

    Args:
        length: samples.
        rate: samples per second.
        gain: amplitude at frequencies [F] in Hz.

    Returns:
        float64 [length].
    """
    size = 1 << max(int(length - 1).bit_length(), 1)  # a power of two, for a fast FFT
    weights = gain(np.fft.rfftfreq(size, 1 / rate))
    noise = np.fft.irfft(np.fft.rfft(rng.standard_normal(size)) * weights, size)
    # Divided by the expected power, not that of this draw, so a slow wander can also be small.
    power = 2 * (weights[1:-1] ** 2).sum() + weights[0] ** 2 + weights[-1] ** 2
    return noise[:length] / np.sqrt(power / size)


def wander(rng: np.random.Generator, length: int, rate: float, cutoff_hz: float) -> np.ndarray:
    """A smooth random curve, float64 [length], of unit variance, which changes no faster than about ``cutoff_hz``."""
    return shaped(rng, length, rate, lambda f: np.exp(-((f / cutoff_hz) ** 2)))
