"""Samples without a header: their encodings, and a stream of them."""

from collections.abc import Iterator
from typing import Protocol

import numpy as np

from wav2tok.progress import log

ENCODINGS = {"s16le": ("<i2", "PCM_16"), "f32le": ("<f4", "FLOAT")}
"""Raw samples: numpy's type of them, and libsndfile's subtype."""
_AT_ONCE = 1 << 16


class Readable(Protocol):
    """A binary stream that gives what it has, such as ``sys.stdin.buffer``."""

    def read1(self, size: int, /) -> bytes:
        """At most ``size`` bytes, at least one; none at the end."""


def stream(file: Readable, encoding: str, channels: int = 1) -> Iterator[np.ndarray]:
    """The samples of a stream as they come, float32 [n] each, nominally in [-1, 1]; channels are averaged.

    An end within a sample is logged as a warning, and what there is of the sample is left out.

    Args:
        encoding: a key of `ENCODINGS`.
    """
    kind = np.dtype(ENCODINGS[encoding][0])
    size, rest = kind.itemsize * channels, b""
    while read := file.read1(_AT_ONCE):
        rest += read
        whole = len(rest) // size * size
        samples = np.frombuffer(rest[:whole], kind).astype(np.float32)
        rest = rest[whole:]
        if kind.kind == "i":
            samples /= 1 << (8 * kind.itemsize - 1)
        if len(samples):
            yield samples.reshape(-1, channels).mean(axis=1)
    if rest:
        log.warning(
            f"the sound ends within a sample of {size} bytes, and {len(rest)} are left out; check encoding and channels"
        )
