"""Reading recordings: any format libsndfile knows, one channel, at the model's rate."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
import soxr

from wav2tok.errors import UserError

SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".mp3", ".aiff", ".aif", ".opus"})


class UnreadableError(UserError):
    """A file that is no audio, is damaged, or holds no samples."""


def read(path: Path | str, sample_rate: int) -> np.ndarray:
    """Read a recording as one channel at ``sample_rate``.

    Channels are averaged; the rate is converted with soxr (a quarter of a millisecond a second of audio, and it
    needs no torch, so tokenizing starts at once).

    Returns:
        float32 [N], nominally in [-1, 1].

    Raises:
        UnreadableError: the file is missing, no audio, truncated or empty, or holds a value that is not finite.
    """
    try:
        with soundfile.SoundFile(str(path)) as file:
            samples = file.read(dtype="float32", always_2d=True)
            rate, frames = file.samplerate, file.frames
    # ValueError, MemoryError: a stream whose header gives no length, a name that is not UTF-8.
    except (soundfile.LibsndfileError, OSError, RuntimeError, ValueError, MemoryError) as error:
        reason = "no such file" if not Path(path).exists() else str(error).rpartition(": ")[2].strip().rstrip(".")
        raise UnreadableError(f"{path} cannot be read as audio ({reason}); mend or remove it.") from None
    if len(samples) == 0:
        raise UnreadableError(f"{path} holds no samples; remove it.")
    if len(samples) < frames:
        raise UnreadableError(f"{path} ends after {len(samples)} of {frames} samples; mend or remove it.")
    mono = samples.mean(axis=1) if samples.shape[1] > 1 else samples[:, 0]
    if not np.isfinite(mono).all():
        raise UnreadableError(f"{path} holds samples that are not finite numbers; mend or remove it.")
    return resample(mono, rate, sample_rate)


def resample(waveform: np.ndarray, rate: int, sample_rate: int) -> np.ndarray:
    """Convert float32 [N] from ``rate`` to ``sample_rate`` (Hz)."""
    if rate == sample_rate:
        return np.ascontiguousarray(waveform, dtype=np.float32)
    converted = soxr.resample(waveform, rate, sample_rate).astype(np.float32, copy=False)
    # A few samples can round to none; a recording never has less than one.
    return converted if len(converted) else np.asarray(waveform[:1], dtype=np.float32)


def write(path: Path | str, waveform: np.ndarray, sample_rate: int) -> None:
    """Write float [N] as a 16-bit file, the format taken from the suffix; values beyond [-1, 1] are clipped."""
    soundfile.write(str(path), np.clip(waveform, -1.0, 1.0), sample_rate, subtype="PCM_16")


def find(root: Path | str) -> list[Path]:
    """The recordings below ``root`` by suffix, sorted; hidden files and folders are passed over.

    Raises:
        UserError: ``root`` is no folder.
    """
    root = Path(root)
    if not root.is_dir():
        raise UserError(f"{root} is no folder; name one that holds recordings, such as data.")

    def walk(folder: Path) -> Iterator[Path]:
        for entry in sorted(folder.iterdir()):
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                yield from walk(entry)
            elif entry.suffix.lower() in SUFFIXES:
                yield entry

    return list(walk(root))


def sha256(path: Path | str) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
