"""Reading recordings: any format libsndfile knows, one channel, at the model's rate."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
import soxr

from wav2tok.errors import UserError

SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".mp3", ".aiff", ".aif", ".opus"})


class UnreadableError(UserError):
    """A file that is no audio, is damaged, or holds no samples."""


BLOCK_SAMPLES = 1 << 18
"""Samples of a file that are decoded at once."""


class SequentialFile(soundfile.SoundFile):
    """A file read from first to last.

    `soundfile.SoundFile` seeks after every read, and so steps over the holes of a damaged file; one that cannot seek
    goes on from where it is, and finds them.
    """

    def seekable(self) -> bool:
        return False


@contextlib.contextmanager
def _opened(path: Path | str) -> Iterator[SequentialFile]:
    """An open file, whatever goes wrong with it said as the user's to mend."""
    try:
        with SequentialFile(str(path)) as file:
            yield file
    # ValueError, MemoryError: a stream whose header gives no length, a name that is not UTF-8.
    except (soundfile.LibsndfileError, OSError, RuntimeError, ValueError, MemoryError) as error:
        reason = "no such file" if not Path(path).exists() else str(error).rpartition(": ")[2].strip().rstrip(".")
        raise UnreadableError(f"{path} cannot be read as audio ({reason}); mend or remove it.") from None


def seconds(path: Path | str) -> float:
    """How long a recording lasts by its header; `UnreadableError` if it is no audio."""
    with _opened(path) as file:
        return file.frames / file.samplerate


def blocks(path: Path | str, sample_rate: int) -> Iterator[np.ndarray]:
    """Decode a recording piece by piece, in constant memory: one channel at ``sample_rate``.

    Channels are averaged; the rate is converted with soxr (a quarter of a millisecond a second of audio, and it
    needs no torch, so tokenizing starts at once).

    Yields:
        float32 [n], nominally in [-1, 1], one sample at least in all.

    Raises:
        UnreadableError: the file is missing, no audio, truncated or empty, or holds a value that is not finite.
    """
    count = made = 0
    with _opened(path) as file:
        rate, frames = file.samplerate, file.frames
        stream = None if rate == sample_rate else soxr.ResampleStream(rate, sample_rate, 1, dtype="float32")
        ended = False
        while not ended:
            samples = file.read(BLOCK_SAMPLES, dtype="float32", always_2d=True)
            ended = len(samples) < BLOCK_SAMPLES
            mono = samples.mean(axis=1) if samples.shape[1] > 1 else samples[:, 0]
            if count == 0:
                first = mono[:1]
            count += len(mono)
            if not np.isfinite(mono).all():
                raise UnreadableError(f"{path} holds samples that are not finite numbers; mend or remove it.")
            if ended and count == 0:
                raise UnreadableError(f"{path} holds no samples; remove it.")
            if ended and count < frames:
                raise UnreadableError(f"{path} ends after {count} of {frames} samples; mend or remove it.")
            part = np.ascontiguousarray(mono) if stream is None else stream.resample_chunk(mono, last=ended)
            # A few samples can round to none; a recording never has less than one.
            part = first if ended and made + len(part) == 0 else part
            made += len(part)
            if len(part):
                yield part


def read(path: Path | str, sample_rate: int) -> np.ndarray:
    """A whole recording, float32 [N]: what `blocks` gives, in one piece."""
    parts = list(blocks(path, sample_rate))
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


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
