"""Synthetic recordings to measure with: sung tones and noise."""

from pathlib import Path

import numpy as np

from wav2tok.audio import decode

CLASSES = 24


def waveform(label: int, take: int, seconds: float, sample_rate: int) -> np.ndarray:
    """A take of a class: the notes of the class, four per second, by a voice of the take's own pitch; float32 [N]."""
    notes = np.random.default_rng([label, 1]).integers(0, 12, max(1, round(4 * seconds)))
    rng = np.random.default_rng([label, take, 2])
    n = max(1, round(seconds * sample_rate))
    pitch = rng.uniform(110, 330) * 2 ** (notes[np.arange(n) * len(notes) // n] / 12)
    phase = 2 * np.pi * np.cumsum(pitch) / sample_rate
    tone = sum(np.sin(k * phase) / k for k in range(1, 6))
    return (0.1 * tone + 0.01 * rng.standard_normal(n)).astype(np.float32)


def write(folder: Path, count: int, seconds: float, sample_rate: int) -> dict[str, list[str]]:
    """Write ``count`` FLAC files below ``folder`` in `CLASSES` classes; returns {class: [paths]}."""
    classes: dict[str, list[str]] = {}
    for i in range(count):
        label, take = i % CLASSES, i // CLASSES
        path = folder / f"class{label:02}" / f"voice{take:03}_0.flac"
        path.parent.mkdir(parents=True, exist_ok=True)
        decode.write(path, waveform(label, take, seconds, sample_rate), sample_rate)
        classes.setdefault(path.parent.name, []).append(str(path))
    return classes
