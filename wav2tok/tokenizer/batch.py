"""Tokenizing many files: decoded in threads, encoded in batches, returned in order; a bad file stops no others."""

import io
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TextIO

import numpy as np

from wav2tok.audio import decode
from wav2tok.audio.ahead import LongRecording, read_ahead
from wav2tok.audio.find import once, recordings_of
from wav2tok.errors import UserError
from wav2tok.matching import Tokenized, runs
from wav2tok.progress import log

FILES_AT_ONCE = 1024
"""Maximum number of short files in a batch."""


class Encoder(Protocol):
    """What is needed of a `wav2tok.tokenizer.tokenizer.Tokenizer` here."""

    sample_rate: int
    samples_at_once: int

    def encode_frames(self, waveforms: Sequence[np.ndarray], sample_rate: int) -> list[np.ndarray]:
        """One token per step of each waveform."""

    def encode_blocks(self, blocks: Callable[[], Iterable[np.ndarray]]) -> np.ndarray:
        """One token per step of a recording of any length."""


@dataclass(frozen=True)
class Failure:
    """A recording that cannot be read, and why."""

    path: str
    error: str


def expand(paths: Sequence[str], stdin: TextIO | None = None) -> list[str]:
    """Turn arguments into files, each once: a folder stands for the recordings below it. An empty list is warned of.

    Args:
        stdin: ``-``, or no path at all, stands for its lines.

    Raises:
        UserError: nothing is named and standard input is a terminal or closed, or a folder holds no recordings.
    """
    if not paths:
        if stdin is None or stdin.isatty():
            raise UserError("no PATH was given; name files or folders, or pipe a list of files in.")
        paths = ["-"]
    out: list[str] = []
    for path in paths:
        if path == "-" and stdin is not None:
            out += listed(stdin)
        elif os.path.isdir(path):  # unlike Path.is_dir, it takes any text
            out += map(str, recordings_of(path))
        else:
            out.append(path)
    if not out:
        log.warning("standard input lists no files, so there is nothing to do")
    return once(out)


def listed(stdin: TextIO) -> Iterator[str]:
    """The paths in a list, one a line, also from Windows: with a byte-order mark, and carriage returns."""
    if isinstance(stdin, io.TextIOWrapper):
        # As names of files are read; one odd name must not lose the others.
        stdin.reconfigure(
            encoding=sys.getfilesystemencoding() if os.name == "posix" else None, errors="surrogateescape"
        )
    for number, line in enumerate(stdin):
        path = line.rstrip("\n").removesuffix("\r")
        path = path.removeprefix("\ufeff") if number == 0 else path
        if path.strip():
            yield path


def tokenize_files(paths: Sequence[str | decode.Content], tokenizer: Encoder) -> Iterator[Tokenized | Failure]:
    """Token strings of files, in order, in constant memory for any number and length of files.

    A `wav2tok.audio.decode.Content` stands for a file that is in memory.

    While one batch is encoded, the next one is decoded.
    """
    waiting: list[tuple[str, np.ndarray | Failure]] = []

    def flush() -> Iterator[Tokenized | Failure]:
        encoded = iter(tokenizer.encode_frames([w for _, w in waiting if not isinstance(w, Failure)], rate))
        for path, wave in waiting:
            yield wave if isinstance(wave, Failure) else tokenized(path, len(wave) / rate, next(encoded))
        waiting.clear()

    rate, samples = tokenizer.sample_rate, 0
    for path, decoded in zip(paths, read_ahead(paths, rate), strict=True):
        if isinstance(decoded, LongRecording):
            yield from flush()
            samples = 0
            yield _long(decoded, tokenizer)
            continue
        name = str(path)
        waiting.append((name, Failure(name, str(decoded)) if isinstance(decoded, UserError) else decoded))
        samples += 0 if isinstance(decoded, UserError) else len(decoded)
        if samples >= tokenizer.samples_at_once or len(waiting) == FILES_AT_ONCE:
            yield from flush()
            samples = 0
    yield from flush()


def tokenized(path: str, seconds: float, frames: np.ndarray, before: float = 0.0) -> Tokenized:
    """The token string of a recording, of its length in seconds and one token per step, int64 [T].

    Args:
        before: seconds of the recording before its first step.
    """
    starts, _ = runs(frames)
    return Tokenized(path, round(seconds, 4), frames[starts], starts, before)


def _long(recording: LongRecording, tokenizer: Encoder) -> Tokenized | Failure:
    try:
        seconds = decode.seconds(recording.path)
        return tokenized(str(recording.path), seconds, tokenizer.encode_blocks(recording.blocks))
    except decode.UnreadableError as error:
        return Failure(str(recording.path), str(error))
