"""Tokenizing many files: decoded in threads, encoded in batches, returned in order; a bad file stops no others."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np

from wav2tok.audio import decode
from wav2tok.audio.ahead import LongRecording, read_ahead
from wav2tok.errors import UserError
from wav2tok.matching import Tokenized, runs
from wav2tok.tokenizer.tokenizer import SAMPLES_AT_ONCE, Tokenizer

FILES_AT_ONCE = 1024
"""Maximum number of short files in a batch."""


@dataclass(frozen=True)
class Failure:
    """A recording that cannot be read, and why."""

    path: str
    error: str


def expand(paths: Sequence[str], stdin: TextIO) -> list[str]:
    """Turn arguments into files: a folder stands for the recordings below it, ``-`` or nothing for ``stdin``'s lines.

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
            recordings = decode.find(path)
            if not recordings:
                raise UserError(
                    f"{path} holds no recordings ({', '.join(sorted(decode.SUFFIXES))}); name another folder."
                )
            out += map(str, recordings)
        else:
            out.append(path)
    return out


def tokenize_files(paths: Sequence[str], tokenizer: Tokenizer) -> Iterator[Tokenized | Failure]:
    """Token strings of files, in order, in constant memory for any number and length of files.

    While one batch is encoded, the next one is decoded.
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
    starts, _ = runs(frames)
    return Tokenized(path, round(seconds, 4), frames[starts], starts)


def _long(recording: LongRecording, tokenizer: Tokenizer) -> Tokenized | Failure:
    try:
        seconds = decode.seconds(recording.path)
        return _tokenized(recording.path, seconds, tokenizer.encode_blocks(recording.blocks))
    except decode.UnreadableError as error:
        return Failure(recording.path, str(error))
