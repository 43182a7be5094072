"""Token strings: runs of equal tokens, strings without repeats, and strings as text."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Tokenized:
    """A recording's token string.

    Attributes:
        path: the recording.
        seconds: its length.
        tokens: int64 [L], no two neighbours equal.
        starts: int64 [L], the frame where each token begins.
        before: seconds of the recording before its first frame: silence that was cut off.
    """

    path: str
    seconds: float
    tokens: np.ndarray
    starts: np.ndarray
    before: float = 0.0


# The first printable ASCII character after the space: rapidfuzz is twice as fast below 256, and no token becomes NUL,
# a line break or a space.
_FIRST = 0x21
_SURROGATES = range(0xD800, 0xE000)
MAX_TOKENS = 0x110000 - _FIRST - len(_SURROGATES)
"""The largest codebook whose tokens have a character each."""


def runs(tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The runs of equal tokens in a string, int [T].

    Returns:
        (where each run starts, how long it is), int64 [L] both.

    >>> runs(np.array([7, 7, 7, 2, 7]))
    (array([0, 3, 4]), array([3, 1, 1]))
    """
    tokens = np.asarray(tokens)
    changes = np.ones(len(tokens), dtype=bool)
    changes[1:] = tokens[1:] != tokens[:-1]
    starts = np.flatnonzero(changes)
    return starts, np.diff(starts, append=len(tokens))


def deduplicate(tokens: np.ndarray) -> np.ndarray:
    """Drop consecutive repeats: int [T] -> [L], L <= T (the paper's compressor).

    >>> deduplicate(np.array([7, 7, 7, 2, 7]))
    array([7, 2, 7])
    """
    return np.asarray(tokens)[runs(tokens)[0]]


def as_text(tokens: np.ndarray) -> str:
    """One character per token, for tools that match text; int [L] -> str of length L.

    A token always has the same character: indexes on disk depend on it. The text must not be case-folded or split,
    because upper and lower case mean different tokens.

    Raises:
        ValueError: a token below 0 or not below `MAX_TOKENS`.
    """
    tokens = np.asarray(tokens, dtype=np.int64)
    if len(tokens) and not (tokens.min() >= 0 and tokens.max() < MAX_TOKENS):
        raise ValueError(f"tokens must lie in [0, {MAX_TOKENS}); got {tokens.min()} to {tokens.max()}")
    codes = tokens + _FIRST
    codes[codes >= _SURROGATES.start] += len(_SURROGATES)
    return codes.astype("<u4").tobytes().decode("utf-32-le")
