"""Tones that stand for people who talk."""

import numpy as np

RATE = 16000


def level(waveform: np.ndarray) -> float:
    """The mean power in decibels."""
    return 10 * np.log10(np.mean(waveform.astype(np.float64) ** 2))


def ten_voices() -> list[np.ndarray]:
    """Ten tones, each of its own frequency, level and length."""
    return [
        (0.01 * (i + 1) * np.sin(2 * np.pi * (200 + 100 * i) * np.arange(RATE // 4 + 500 * i) / RATE)).astype(
            np.float32
        )
        for i in range(10)
    ]
