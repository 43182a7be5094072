"""Token strings: runs, repeats dropped, text form."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Tokenized:
    """A recording's token string; token i begins at frame ``starts[i]``."""

    path: str
    seconds: float
    tokens: np.ndarray
    starts: np.ndarray


# The first printable ASCII character after the space: rapidfuzz is twice as fast below 256, and no token becomes NUL,
# a line break or a space.
_FIRST = 0x21


_SURROGATES = range(0xD800, 0xE000)


MAX_TOKENS = 0x110000 - _FIRST - len(_SURROGATES)


def deduplicate(tokens: np.ndarray) -> np.ndarray:
    """Drop consecutive repeats: int [T] -> [L], L <= T (the paper's compressor)."""
    tokens = np.asarray(tokens)
    if len(tokens) < 2:
        return tokens
    return tokens[np.concatenate(([True], tokens[1:] != tokens[:-1]))]


def as_text(tokens: np.ndarray) -> str:
    """One character a token, the same for ever, for tools that match strings; int [L] -> str of length L.

    The text is opaque: characters of both cases occur, so it must not be case-folded or split.

    Raises:
        ValueError: a token below 0 or not below `MAX_TOKENS`.
    """
    tokens = np.asarray(tokens, dtype=np.int64)
    if len(tokens) and not (tokens.min() >= 0 and tokens.max() < MAX_TOKENS):
        raise ValueError(f"tokens must lie in [0, {MAX_TOKENS}); got {tokens.min()} to {tokens.max()}")
    codes = tokens + _FIRST
    codes[codes >= _SURROGATES.start] += len(_SURROGATES)
    return codes.astype("<u4").tobytes().decode("utf-32-le")
