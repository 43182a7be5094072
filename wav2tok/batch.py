"""Tokenizing many files: decoded in threads, encoded in batches, returned in order, none held up by a bad one."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np

from wav2tok import audio
from wav2tok.errors import UserError
from wav2tok.tokenizer import Tokenizer

FILES_AT_ONCE = 64


@dataclass(frozen=True)
class Tokenized:
    """A recording's token string; token i begins at frame ``starts[i]``."""

    path: str
    seconds: float
    tokens: np.ndarray
    starts: np.ndarray


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
            found = audio.find(path)
            if not found:
                raise UserError(
                    f"{path} holds no recordings ({', '.join(sorted(audio.SUFFIXES))}); name another folder."
                )
            out += map(str, found)
        else:
            out.append(path)
    return out


def _decode(path: str, sample_rate: int) -> np.ndarray | Failure:
    try:
        return audio.read(path, sample_rate)
    except audio.UnreadableError as error:
        return Failure(path, str(error))


def tokenize_files(paths: Sequence[str], tokenizer: Tokenizer) -> Iterator[Tokenized | Failure]:
    """Token strings of files, in their order.

    While one batch is encoded the next one is decoded; no more than two are held.
    """
    rate = tokenizer.sample_rate
    parts = [paths[i : i + FILES_AT_ONCE] for i in range(0, len(paths), FILES_AT_ONCE)]
    with ThreadPoolExecutor(4) as pool:

        def submit(part: Sequence[str]) -> list[Future[np.ndarray | Failure]]:
            return [pool.submit(_decode, path, rate) for path in part]

        coming = submit(parts[0]) if parts else []
        for i, part in enumerate(parts):
            decoded = [future.result() for future in coming]
            coming = submit(parts[i + 1]) if i + 1 < len(parts) else []
            encoded = iter(tokenizer.encode_frames([w for w in decoded if not isinstance(w, Failure)], rate))
            for path, wave in zip(part, decoded, strict=True):
                if isinstance(wave, Failure):
                    yield wave
                    continue
                frames = next(encoded)
                starts = np.flatnonzero(np.concatenate(([True], frames[1:] != frames[:-1])))
                yield Tokenized(path, round(len(wave) / rate, 4), frames[starts], starts)
