"""Candidates: the strings of a large database that share telling n-grams with a query.

An exact comparison with 100,000 strings takes seconds, one with 200 of them milliseconds. `Postings` says which 200,
from the n-grams of one to three tokens that a string shares with the query. An n-gram weighs its inverse document
frequency, ``ln((D + 1) / strings that have it)``: what many strings share says little, and a rare trigram says more
than its tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wav2tok.matching.distances import flatten

ORDERS = (1, 2, 3)
"""The lengths of the n-grams."""
# A query reads its rarest n-grams first, until their postings exceed this many: the rest weigh little and cost most.
_POSTINGS = 200_000
# The hash of an n-gram: a polynomial in odd 64-bit numbers. Two n-grams in a million share one of 2^64 values by a
# chance of 1e-8, and would only add a candidate.
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Postings:
    """Which strings have which n-grams.

    Attributes:
        grams: uint64 [G], the hashes of all n-grams, ascending.
        ends: int64 [G + 1], from 0: where the strings of each n-gram end in ``items``.
        items: int32 [P], the strings of each n-gram, ascending, each once.
        lengths: int64 [D], of the strings.
    """

    grams: np.ndarray
    ends: np.ndarray
    items: np.ndarray
    lengths: np.ndarray

    @classmethod
    def build(cls, strings: Sequence[np.ndarray]) -> "Postings":
        """Postings of D token strings, int [L] each."""
        lengths = np.array([len(tokens) for tokens in strings], dtype=np.int64)
        if not lengths.sum():
            return cls(np.zeros(0, np.uint64), np.zeros(1, np.int64), np.zeros(0, np.int32), lengths)
        flat, ends = flatten(strings)
        owner = np.repeat(np.arange(len(strings), dtype=np.int32), lengths)
        hashes, places = _hashes(flat, ends)
        items = owner[places]
        order = np.lexsort((items, hashes))
        hashes, items = hashes[order], items[order]
        new = np.ones(len(hashes), dtype=bool)  # an n-gram counts once in a string
        new[1:] = (hashes[1:] != hashes[:-1]) | (items[1:] != items[:-1])
        hashes, items = hashes[new], items[new]
        grams, starts = np.unique(hashes, return_index=True)
        return cls(grams, np.append(starts, len(items)).astype(np.int64), items, lengths)

    def candidates(self, query: np.ndarray, count: int = 200) -> np.ndarray:
        """The strings that share most with a query, int [L].

        A string's score is the sum of the weights of the n-grams that it shares with the query.

        Returns:
            int64 [C], at most ``count`` strings, best first, all of which share something; ties keep the database's
            order.
        """
        hashes, _ = _hashes(np.asarray(query, dtype=np.int64), np.array([0, len(query)]))
        hashes = np.unique(hashes)
        place = np.searchsorted(self.grams, hashes)
        known = place < len(self.grams)
        known[known] = self.grams[place[known]] == hashes[known]
        place = place[known]
        first, frequency = self.ends[place], self.ends[place + 1] - self.ends[place]
        rarest = np.argsort(frequency, kind="stable")
        kept = rarest[: max(1, int(np.searchsorted(np.cumsum(frequency[rarest]), _POSTINGS, side="right")))]
        if not len(kept):
            return np.zeros(0, dtype=np.int64)
        # One more string than there are keeps an n-gram of all strings above 0.
        weights = np.log((len(self.lengths) + 1) / frequency[kept])
        items = np.concatenate([self.items[first[gram] : first[gram] + frequency[gram]] for gram in kept])
        scores = np.bincount(items, np.repeat(weights, frequency[kept]), minlength=len(self.lengths))
        return best_first(scores, count)


def best_first(scores: np.ndarray, count: int) -> np.ndarray:
    """The places of the ``count`` greatest scores above 0, float [D] -> int64 [C], greatest first, ties in order."""
    if count < len(scores):
        least = max(np.partition(scores, len(scores) - count)[len(scores) - count], 0.0)
        places = np.flatnonzero((scores >= least) & (scores > 0))
    else:
        places = np.flatnonzero(scores > 0)
    return places[np.argsort(-scores[places], kind="stable")][:count]


def _hashes(flat: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The hash of every n-gram that lies within a string, uint64 [N], and the place of its first token, int64 [N]."""
    owner = np.repeat(np.arange(len(ends) - 1), np.diff(ends))
    tokens = flat.astype(np.uint64) + np.uint64(1)  # so that a leading token 0 differs from no token
    hashes, places = [], []
    running = np.zeros(len(flat), dtype=np.uint64)
    for order in range(1, max(ORDERS) + 1):
        count = max(len(flat) - order + 1, 0)
        running = running[:count] * _MULTIPLIER + tokens[order - 1 :] * (_MULTIPLIER >> np.uint64(1) | np.uint64(1))
        running ^= running >> np.uint64(29)
        inside = np.flatnonzero(owner[:count] == owner[order - 1 :])
        if order in ORDERS:
            hashes.append(running[inside])
            places.append(inside)
    return np.concatenate(hashes), np.concatenate(places)
