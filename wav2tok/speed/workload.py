"""Synthetic recordings to measure with: sung tones and noise."""

import shutil
from pathlib import Path

import numpy as np

from wav2tok.audio import decode
from wav2tok.errors import UserError
from wav2tok.progress import counted, log

CLASSES = 24
_BYTES = 2
"""Of a sample on the disk, at most: 16 bits before FLAC makes them smaller."""
_KEPT = 4
"""Bytes of a sample in memory, where all recordings are held to measure tokenizing."""


def require_room(folder: Path, count: int, seconds: float, sample_rate: int, memory: float) -> None:
    """Say what ``count`` recordings will take, and refuse more than the machine has.

    Args:
        folder: on whose disk they are written.
        memory: bytes that the process may use.

    Raises:
        UserError: disk or memory are too small.
    """
    samples = count * round(seconds * sample_rate)
    what = f"{counted(count, 'recording')} of {seconds:g} s"
    on_disk, held = _BYTES * samples, _KEPT * samples
    rooms = ((on_disk, shutil.disk_usage(folder).free, f"disk in {folder.parent}"), (held, memory, "memory"))
    for needed, there, where in rooms:
        if needed > there:
            raise UserError(
                f"{what} take up to {needed / 1e9:,.1f} GB of {where}, and there are {there / 1e9:,.1f}; benchmark "
                "fewer or shorter ones.",
                "recordings",
            )
    log.info(f"{what}: up to {on_disk / 1e6:,.0f} MB of disk and {held / 1e6:,.0f} MB of memory")


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
