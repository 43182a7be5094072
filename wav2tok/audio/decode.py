"""Read recordings: any format that libsndfile or ffmpeg knows, as one channel, at the model's rate."""

import contextlib
import dataclasses
import io
import math
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile
import soxr

from wav2tok.audio import foreign, headers
from wav2tok.audio.channels import Downmix
from wav2tok.audio.doubts import Doubts
from wav2tok.audio.source import Content, Source, UnreadableError
from wav2tok.errors import UserError
from wav2tok.untrusted import shown, why_not_regular

BLOCK_SAMPLES = 1 << 18
"""The most samples that are decoded at once, in the file's rate and in the model's."""
LOWEST_RATE, HIGHEST_RATE = 1_000, 768_000
"""The sampling rates in Hz that recordings may have; at others they would become enormous or nothing."""


def _wrong_rate(rate: float) -> str | None:
    """Why a recording cannot have a sampling rate, in Hz; None if it can."""
    if LOWEST_RATE <= rate <= HIGHEST_RATE:
        return None
    return f"has a sampling rate of {rate:g} Hz, which is not between {LOWEST_RATE:,} and {HIGHEST_RATE:,}"


LOUDEST = 65536.0
"""No scale of samples in use has larger ones: full scale is 1, and 32768 for whole numbers of 16 bits as floats."""
_UNKNOWN = 1 << 62
"""libsndfile says that there are more samples where a file does not say how many."""


class SequentialFile(soundfile.SoundFile):
    """A file that is read from beginning to end.

    `soundfile.SoundFile` seeks after every read, so it skips the holes of a damaged file. A file that cannot seek is
    read on from the current position, which reveals the damage.

    Attributes:
        header: what its header is worth.
        more: open the files, one after the other, that are joined to it.
        behind: samples in them.
    """

    header = headers.Header()
    more: Iterator["SequentialFile"] = iter(())
    behind = 0

    @property
    def frames(self) -> int:
        """Samples of each channel, those behind it included."""
        return int(super().frames) + self.behind

    def seekable(self) -> bool:
        return False

    def checked(self, size: int) -> Iterator[np.ndarray]:
        """All samples, float32 [size, channels] each; the last block is shorter, and may be empty.

        Raises:
            UnreadableError: the file is truncated or empty, or has a value that no sound has.
        """
        count, ended = 0, False
        part: SequentialFile | None = self
        while not ended:
            block, part = self._block(size, part)
            count, ended = count + len(block), len(block) < size
            peak = max(block.max(initial=0.0), -block.min(initial=0.0))
            if not peak <= LOUDEST:
                what = "samples that are not finite numbers"
                if np.isfinite(block).all():
                    what = f"a sample of {peak:.3g}, where full scale is 1"
                raise UnreadableError(self.name, f"holds {what}")
            if ended and count == 0:
                raise UnreadableError(self.name, "holds no samples", "delete it")
            if ended and count < self.frames and self.header.exact:
                raise UnreadableError(self.name, f"ends after {count} of {self.frames} samples")
            yield block

    def _block(self, size: int, part: "SequentialFile | None") -> tuple[np.ndarray, "SequentialFile | None"]:
        """The next samples of the joined files, fewer than ``size`` at their end; and the one to read on from."""
        found = np.empty((0, self.channels), np.float32)
        while part is not None and len(found) < size:
            block = part.read(size - len(found), dtype="float32", always_2d=True)
            found = np.concatenate([found, block]) if len(found) else block
            if len(found) < size:
                part = next(self.more, None)
        return found, part


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
        with contextlib.ExitStack() as stack:
            file = _open(path, stack)
            wrong = _wrong_rate(file.samplerate)
            if wrong is not None:
                raise UnreadableError(path, wrong, "convert it")
            yield file
    except (soundfile.LibsndfileError, OSError, RuntimeError, ValueError, MemoryError) as error:
        reason = str(error).rpartition(": ")[2].strip().rstrip(".")
        if "possibly a pipe" in reason:  # what libsndfile says of an MP3 in which it finds no frame
            reason = "Format not recognised"
        raise UnreadableError(path, f"cannot be read as audio ({reason})") from None


def _open(path: Source, stack: contextlib.ExitStack) -> SequentialFile:
    raw = stack.enter_context(_bytes_of(path))
    form = foreign.container(raw.read(64))
    if form is None:
        try:
            return _by_libsndfile(path, raw, stack)
        except soundfile.LibsndfileError:
            raw.seek(0)
            form = foreign.second_choice(raw.read(64))
            if form is None:
                raise
    made, complaint = stack.enter_context(foreign.converted(path, form))
    wav = headers.View(stack.enter_context(_bytes_of(made)), headers.Header(), str(path))
    file = stack.enter_context(SequentialFile(wav))
    file.header = headers.Header(doubt=f"is damaged, by what ffmpeg says ({complaint})" if complaint else "")
    return file


def _bytes_of(path: Source) -> BinaryIO:
    return io.BytesIO(path.data) if isinstance(path, Content) else open(path, "rb")


def _by_libsndfile(path: Source, raw: BinaryIO, stack: contextlib.ExitStack) -> SequentialFile:
    header = headers.examine(raw)
    if header.problem:
        raise UnreadableError(path, header.problem)
    # libsndfile reads a file faster than through Python.
    direct = header.plain and not isinstance(path, Content)
    file = stack.enter_context(SequentialFile(str(path) if direct else headers.View(raw, header, str(path))))
    file.header = header
    if header.more:
        _join(file, raw)
    return file


def _join(file: SequentialFile, raw: BinaryIO) -> None:
    """Let a file go on with those that are joined to it, if all have its rate and its channels."""

    def others() -> Iterator[SequentialFile]:
        for header in file.header.more:
            with SequentialFile(headers.View(raw, header, str(file.name))) as other:
                yield other

    try:
        frames = [(other.frames, other.samplerate, other.channels) for other in others()]
    except soundfile.LibsndfileError:
        frames = []
    if len(frames) == len(file.header.more) and {one[1:] for one in frames} == {(file.samplerate, file.channels)}:
        file.more, file.behind = others(), sum(count for count, _, _ in frames)
    else:
        file.header = dataclasses.replace(file.header, doubt=headers.CHAINED)


def seconds(path: Source, most: float = math.inf) -> float:
    """The length of a recording in seconds: by its header, or counted where that does not say.

    Args:
        most: counting ends when there is more.

    Raises:
        UnreadableError: the file is missing or is not audio.
    """
    with opened(path) as file:
        if file.frames < _UNKNOWN:
            return file.frames / file.samplerate
        count = 0
        for block in file.checked(BLOCK_SAMPLES):
            count += len(block)
            if count > most * file.samplerate:
                break
        return count / file.samplerate


def blocks(path: Source, sample_rate: int, doubts: Doubts | None = None) -> Iterator[np.ndarray]:
    """Decode a recording block by block, in constant memory: one channel at ``sample_rate`` (Hz).

    Channels are averaged, unless they cancel each other (`wav2tok.audio.channels`). The rate is converted with soxr,
    which takes a quarter of a millisecond per second of audio and needs no torch, so tokenizing starts quickly.

    Args:
        doubts: gets what is doubtful about the recording, when all of it was read.

    Yields:
        float32 [n], nominally in [-1, 1]; at least one sample in total.

    Raises:
        UnreadableError: the file is missing, not audio, truncated or empty, or has a value that no sound has.
    """
    with opened(path) as file:
        yield from _blocks(file, sample_rate, doubts)


def _blocks(file: SequentialFile, sample_rate: int, doubts: Doubts | None) -> Iterator[np.ndarray]:
    """`blocks` of a file that is open."""
    yielded, downmix = 0, Downmix()
    stream = None
    if file.samplerate != sample_rate:
        stream = soxr.ResampleStream(file.samplerate, sample_rate, 1, dtype="float32")
    size = min(BLOCK_SAMPLES, max(1, BLOCK_SAMPLES * file.samplerate // sample_rate))
    for samples in file.checked(size):
        ended = len(samples) < size
        mono = downmix(samples)
        if doubts is not None:
            doubts.add(mono)
        if yielded == 0 and len(mono):
            first = mono[:1]
        part = np.ascontiguousarray(mono) if stream is None else stream.resample_chunk(mono, last=ended)
        # A few samples can become none at a lower rate; a recording keeps at least one.
        part = first if ended and yielded + len(part) == 0 else part
        yielded += len(part)
        if len(part):
            yield part
    if doubts is not None:
        doubts.phrases |= oddities(file, downmix)
        doubts.conclude(file.samplerate, sample_rate)


def oddities(file: SequentialFile, downmix: Downmix) -> dict[str, str]:
    """What is doubtful about a file that was read, apart from its samples, as `Doubts.phrases`."""
    found = {"length": file.header.doubt} if file.header.doubt else {}
    if downmix.used is not None:
        found["channels"] = f"has channels that cancel each other, so only channel {downmix.used + 1} is used"
    return found


def read(path: Source, sample_rate: int, doubts: Doubts | None = None) -> np.ndarray:
    """A whole recording, float32 [N]: the `blocks` in one piece."""
    return _joined(blocks(path, sample_rate, doubts))


def read_short(path: Source, sample_rate: int, most: int, doubts: Doubts | None = None) -> np.ndarray | None:
    """`read` of a recording that has at most ``most`` samples at ``sample_rate``; None of a longer one.

    The file is opened once, unless its header does not say how long it is.
    """
    with opened(path) as file:
        if file.frames < _UNKNOWN:
            long = file.frames / file.samplerate * sample_rate > most
            return None if long else _joined(_blocks(file, sample_rate, doubts))
    return None if seconds(path, most / sample_rate) * sample_rate > most else read(path, sample_rate, doubts)


def _joined(blocks: Iterator[np.ndarray]) -> np.ndarray:
    parts = list(blocks)
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
