"""Recordings and indexes for the tests of search, without audio."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from wav2tok.matching import Tokenized
from wav2tok.search.index import Index

HOP = 0.016
K = 64


def tokenizer(identity: str = "one", num_tokens: int = K) -> Any:
    """What an index reads of a tokenizer."""
    return SimpleNamespace(
        identity=identity, source=f"models:/wav2tok/{identity}", frame_seconds=HOP, num_tokens=num_tokens
    )


def recording(name: str, tokens: Sequence[int] | np.ndarray, hold: int = 2) -> Tokenized:
    """A recording in which every token lasts ``hold`` frames."""
    starts = np.arange(len(tokens), dtype=np.int64) * hold
    return Tokenized(name, round(len(tokens) * hold * HOP, 4), np.array(tokens, dtype=np.int64), starts)


def index(strings: Sequence[Sequence[int] | np.ndarray], hold: int = 2) -> Index:
    """An index in memory of recordings that are called 0, 1 and so on."""
    return Index.of(tokenizer(), [recording(str(i), one, hold) for i, one in enumerate(strings)])


def random_strings(rng: np.random.Generator, count: int, shortest: int = 20, longest: int = 80) -> list[np.ndarray]:
    """Strings of `K` equally likely tokens."""
    return [rng.integers(0, K, length) for length in rng.integers(shortest, longest + 1, count)]


def found(answers: list) -> list[str]:
    """The paths of answers."""
    return [answer.path for answer in answers]


def same(ours: Tokenized, theirs: Tokenized) -> bool:
    """Whether two recordings are equal."""
    return (
        (ours.path, ours.seconds) == (theirs.path, theirs.seconds)
        and np.array_equal(ours.tokens, theirs.tokens)
        and np.array_equal(ours.starts, theirs.starts)
    )
