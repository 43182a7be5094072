"""Tokenizing many files: decoded in threads, encoded in batches, returned in order, none held up by a bad one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np

from wav2tok.audio import decode
from wav2tok.audio.ahead import LongRecording, read_ahead
from wav2tok.errors import UserError
from wav2tok.matching.strings import Tokenized
from wav2tok.tokenizer.tokenizer import SAMPLES_AT_ONCE, Tokenizer

FILES_AT_ONCE = 1024


@dataclass(frozen=True)
class Failure:
    """A recording that cannot be read, and why."""

    path: str
    error: str


def expand(paths: Sequence[str], stdin: TextIO) -> list[str]:
    """Files as they are, folders as the recordings below them, ``-`` or nothing as the lines of ``stdin``.

    Raises:
        UserError: nothing is named and standard input is a terminal, or a folder holds no recordings.
    """
    if not paths and stdin.isatty():
        raise UserError("no PATH was given; name files or folders, or pipe a list of files in.")
    out: list[str] = []
    for path in paths or ["-"]:
        if path == "-":
            out += [line.rstrip("\n") for line in stdin if line.strip()]
        elif Path(path).is_dir():
            found = decode.find(path)
            if not found:
                raise UserError(
                    f"{path} holds no recordings ({', '.join(sorted(decode.SUFFIXES))}); name another folder."
                )
            out += map(str, found)
        else:
            out.append(path)
    return out


def tokenize_files(paths: Sequence[str], tokenizer: Tokenizer) -> Iterator[Tokenized | Failure]:
    """Token strings of files, in their order, whatever their number and length in constant memory.

    While one batch is encoded the next one is decoded.
    """
    waiting: list[tuple[str, np.ndarray | Failure]] = []

    def flush() -> Iterator[Tokenized | Failure]:
        encoded = iter(tokenizer.encode_frames([w for _, w in waiting if not isinstance(w, Failure)], rate))
        for path, wave in waiting:
            yield wave if isinstance(wave, Failure) else _tokenized(path, len(wave) / rate, next(encoded))
        waiting.clear()

    rate, samples = tokenizer.sample_rate, 0
    for path, decoded in zip(paths, read_ahead(paths, rate), strict=True):
        if isinstance(decoded, LongRecording):
            yield from flush()
            samples = 0
            yield _long(decoded, tokenizer)
            continue
        waiting.append((path, Failure(path, str(decoded)) if isinstance(decoded, UserError) else decoded))
        samples += 0 if isinstance(decoded, UserError) else len(decoded)
        if samples >= SAMPLES_AT_ONCE * tokenizer.batches or len(waiting) == FILES_AT_ONCE:
            yield from flush()
            samples = 0
    yield from flush()


def _tokenized(path: str, seconds: float, frames: np.ndarray) -> Tokenized:
    starts = np.flatnonzero(np.concatenate(([True], frames[1:] != frames[:-1])))
    return Tokenized(path, round(seconds, 4), frames[starts], starts)


def _long(recording: LongRecording, tokenizer: Tokenizer) -> Tokenized | Failure:
    try:
        seconds = decode.seconds(recording.path)
        return _tokenized(recording.path, seconds, tokenizer.encode_blocks(recording.blocks))
    except decode.UnreadableError as error:
        return Failure(recording.path, str(error))
