"""Read recordings: any format that libsndfile knows, as one channel, at the model's rate."""

import contextlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from wav2tok.errors import UserError
from wav2tok.untrusted import shown, why_not_regular

SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".mp3", ".aiff", ".aif", ".opus"})


@dataclass(frozen=True)
class Content:
    """A recording that is in no file: what messages call it, and its bytes."""

    name: str
    data: bytes

    def __str__(self) -> str:
        return self.name


Source = Path | str | Content
"""Where a recording is: a file, or the bytes of one."""


class UnreadableError(UserError):
    """A file that is not audio, is damaged, or has no samples.

    Attributes:
        reason: what is wrong with it, to follow its name.
    """

    def __init__(self, path: Source, reason: str, remedy: str = "fix or delete it") -> None:
        super().__init__(f"{path} {reason}; {remedy}.")
        self.reason = reason


BLOCK_SAMPLES = 1 << 18
"""How many samples of a file are decoded at once, and become at most so many at the model's rate."""
LOWEST_RATE, HIGHEST_RATE = 1_000, 768_000
"""The sampling rates in Hz that recordings may have; at others they would become enormous or nothing."""


def _wrong_rate(rate: float) -> str | None:
    """Why a recording cannot have a sampling rate, in Hz; None if it can."""
    if LOWEST_RATE <= rate <= HIGHEST_RATE:
        return None
    return f"has a sampling rate of {rate:g} Hz, which is not between {LOWEST_RATE:,} and {HIGHEST_RATE:,}"


class SequentialFile(soundfile.SoundFile):
    """A file that is read from beginning to end.

    `soundfile.SoundFile` seeks after every read, so it skips the holes of a damaged file. A file that cannot seek is
    read on from the current position, which reveals the damage.
    """

    def seekable(self) -> bool:
        return False

    def checked(self, size: int) -> Iterator[np.ndarray]:
        """All samples, float32 [size, channels] each; the last block is shorter, and may be empty.

        Raises:
            UnreadableError: the file is truncated or empty, or has a value that is not finite.
        """
        count, ended = 0, False
        while not ended:
            block = self.read(size, dtype="float32", always_2d=True)
            count, ended = count + len(block), len(block) < size
            # The sum, as the mean of the channels must be finite too.
            if not np.isfinite(block.sum(axis=1) if block.shape[1] > 1 else block).all():
                raise UnreadableError(self.name, "holds samples that are not finite numbers")
            if ended and count == 0:
                raise UnreadableError(self.name, "holds no samples", "delete it")
            if ended and count < self.frames:
                raise UnreadableError(self.name, f"ends after {count} of {self.frames} samples")
            yield block


class _Bytes(io.BytesIO):
    """A `Content` as a file, which `SequentialFile` calls by its name."""

    def __init__(self, content: Content) -> None:
        super().__init__(content.data)
        self._name = content.name

    def __str__(self) -> str:
        return self._name


@contextlib.contextmanager
def opened(path: Source) -> Iterator[SequentialFile]:
    """Open a recording; any failure, also in the block, becomes an `UnreadableError`."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise UnreadableError(path, "has a name that is not valid UTF-8") from None
    irregular = None if isinstance(path, Content) else why_not_regular(path)
    if irregular is not None:
        reason = "no such file" if irregular == "does not exist" else f"it {irregular}"
        raise UnreadableError(shown(path), f"cannot be read as audio ({reason})")
    try:
        with SequentialFile(_Bytes(path) if isinstance(path, Content) else str(path)) as file:
            wrong = _wrong_rate(file.samplerate)
            if wrong is not None:
                raise UnreadableError(path, wrong, "convert it")
            yield file
    except (soundfile.LibsndfileError, OSError, RuntimeError, ValueError, MemoryError) as error:
        reason = str(error).rpartition(": ")[2].strip().rstrip(".")
        raise UnreadableError(path, f"cannot be read as audio ({reason})") from None


def seconds(path: Source) -> float:
    """The length of a recording by its header, in seconds.

    Raises:
        UnreadableError: the file is missing or is not audio.
    """
    with opened(path) as file:
        return file.frames / file.samplerate


def blocks(path: Source, sample_rate: int) -> Iterator[np.ndarray]:
    """Decode a recording block by block, in constant memory: one channel at ``sample_rate`` (Hz).

    Channels are averaged. The rate is converted with soxr, which takes a quarter of a millisecond per second of audio
    and needs no torch, so tokenizing starts quickly.

    Yields:
        float32 [n], nominally in [-1, 1]; at least one sample in total.

    Raises:
        UnreadableError: the file is missing, not audio, truncated or empty, or has a value that is not finite.
    """
    yielded = 0
    with opened(path) as file:
        stream = None
        if file.samplerate != sample_rate:
            stream = soxr.ResampleStream(file.samplerate, sample_rate, 1, dtype="float32")
        size = min(BLOCK_SAMPLES, max(1, BLOCK_SAMPLES * file.samplerate // sample_rate))
        for samples in file.checked(size):
            ended = len(samples) < size
            mono = samples.mean(axis=1) if samples.shape[1] > 1 else samples[:, 0]
            if yielded == 0 and len(mono):
                first = mono[:1]
            part = np.ascontiguousarray(mono) if stream is None else stream.resample_chunk(mono, last=ended)
            # A few samples can become none at a lower rate; a recording keeps at least one.
            part = first if ended and yielded + len(part) == 0 else part
            yielded += len(part)
            if len(part):
                yield part


def read(path: Source, sample_rate: int) -> np.ndarray:
    """A whole recording, float32 [N]: the `blocks` in one piece."""
    parts = list(blocks(path, sample_rate))
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def resample(waveform: np.ndarray, rate: int, sample_rate: int) -> np.ndarray:
    """Convert float32 [N] from ``rate`` to ``sample_rate`` (Hz).

    Raises:
        UserError: a recording cannot have this rate.
    """
    wrong = _wrong_rate(rate)
    if wrong is not None:
        raise UserError(f"the waveform {wrong}; give its true rate.", "sample_rate")
    if rate == sample_rate:
        return np.ascontiguousarray(waveform, dtype=np.float32)
    converted = soxr.resample(waveform, rate, sample_rate).astype(np.float32, copy=False)
    # A few samples can become none at a lower rate; a recording keeps at least one.
    return converted if len(converted) else np.asarray(waveform[:1], dtype=np.float32)


def write(path: Path | str, waveform: np.ndarray, sample_rate: int) -> None:
    """Write float [N] as a 16-bit file in the format of the suffix; values outside [-1, 1] are clipped."""
    soundfile.write(str(path), np.clip(waveform, -1.0, 1.0), sample_rate, subtype="PCM_16")


def find(root: Path | str) -> list[Path]:
    """The recordings below ``root``, by suffix, sorted; hidden files and folders are skipped.

    Raises:
        UserError: ``root`` is not a folder.
    """
    root = Path(root)
    if not root.is_dir():
        raise UserError(f"{root} is not a folder; name one that holds recordings, such as data.")

    def walk(folder: Path) -> Iterator[Path]:
        for entry in sorted(folder.iterdir()):
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                yield from walk(entry)
            elif entry.suffix.lower() in SUFFIXES:
                yield entry

    return list(walk(root))
