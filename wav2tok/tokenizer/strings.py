"""Token strings kept in the user's cache, by the graph and the waveform that they were computed from.

A report tokenizes every test recording in many views, and a registration asks for the same strings again, of the
champion too. A string is found by the digest of the samples, not of a file or a view, in a file of the graph's digest,
ONNX Runtime's version and its provider. So other audio, another model or another runtime never get a string of these.
"""

import hashlib
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime

from wav2tok.files import cache, replacing
from wav2tok.progress import log
from wav2tok.tokenizer.tokenizer import Tokenizer

KEPT_FILES = 20
"""Graphs whose strings are kept; those that were used longest ago go first."""
KEPT_STRINGS = 100_000
"""Strings of a graph; the oldest go first."""
_FORMAT = 1
_DIGEST_BYTES = 16


def place() -> Path:
    """The folder with a file per graph."""
    return cache() / "strings"


class Strings:
    """The kept strings of one tokenizer."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        name = f"{tokenizer.identity}-{onnxruntime.__version__}-{tokenizer.provider}-{_FORMAT}.npz"
        self._path = place() / name
        self._strings = _read(self._path)
        self._new = False

    def keep(self, waveforms: Sequence[np.ndarray], strings: Sequence[np.ndarray]) -> None:
        """Remember the strings of waveforms, float32 [N] each at the graph's rate, until `save`."""
        self._strings |= dict(zip(map(_digest, waveforms), strings, strict=True))
        self._new = True

    def encode(self, waveforms: Sequence[np.ndarray]) -> list[np.ndarray]:
        """`Tokenizer.encode` of float32 [N] each, at the graph's rate; only what is not kept is computed, then kept."""
        digests = [_digest(wave) for wave in waveforms]
        missing = [wave for wave, digest in zip(waveforms, digests, strict=True) if digest not in self._strings]
        if missing:
            self.keep(missing, self._tokenizer.encode(missing, self._tokenizer.sample_rate))
        return [self._strings[digest] for digest in digests]

    def save(self) -> None:
        """Write what is new to the cache; a cache that cannot be written to is left as it is."""
        if not self._new:
            return
        kept = dict([*self._strings.items()][-KEPT_STRINGS:])
        strings = [*kept.values()]
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(self._path) as temporary, temporary.open("wb") as file:
                np.savez_compressed(
                    file,
                    digests=np.frombuffer(b"".join(kept), dtype=np.uint8).reshape(-1, _DIGEST_BYTES),
                    lengths=np.array([len(tokens) for tokens in strings], dtype=np.int64),
                    tokens=np.concatenate(strings).astype(np.int32),
                )
            used = sorted(place().glob("*.npz"), key=lambda path: path.stat().st_mtime)
            for path in used[:-KEPT_FILES]:
                path.unlink()
        except OSError as error:
            log.debug(f"token strings are not kept in {place()}: {error}")
        self._new = False


def _digest(waveform: np.ndarray) -> bytes:
    return hashlib.blake2b(np.ascontiguousarray(waveform, np.float32).data, digest_size=_DIGEST_BYTES).digest()


def _read(path: Path) -> dict[bytes, np.ndarray]:
    """Digest -> string; empty where the file is missing or damaged."""
    try:
        with np.load(path, allow_pickle=False) as file:
            digests, lengths, tokens = file["digests"], file["lengths"], file["tokens"].astype(np.int64)
        path.touch()
        strings = np.split(tokens, np.cumsum(lengths))[:-1]
        return {bytes(digest): string for digest, string in zip(digests, strings, strict=True)}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        log.debug(f"{path} is damaged and not used: {error}")
        return {}
