"""How many matches as near as one would occur by chance, so that one threshold serves queries of all lengths.

Most of a database is chance. The query's distances to a sample of it say how common small distances are, down to the
nearest twentieth; nearer ones may be true matches, so they say nothing. A law takes over there. If each token depends
on the one before alone, as many tokens of the database are the query with probability ``exp(-I)``, ``I`` the query's
`Source.information`. In between, ``-ln P(distance <= d)`` is the power law ``I ((m - d) / m)^g``: 0 at ``m``, ``I`` for
a perfect match, and convex, as a rate of large deviations is. ``m`` and ``g`` are those of the distances' middle and
tail. What the middle alone, with ``g = 2``, shows to be no chance is left out first, so that the law also holds where
many recordings are true matches.

Searches for peptides are calibrated by the query read backwards (Elias and Gygi, Nature Methods, 2007). That fails
here, because melodies and words have steps that they lack backwards: docs/pages/howto/search.md has the figures.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

_TAIL, _NEAREST = 0.05, 3
"""The share of the sample that the law's tail rests on, and how many distances at least."""
_FIRST_POWER, _NO_CHANCE = 2.0, 1e-3
"""Of the law by the middle alone, and the expected number of matches below which it takes one for true."""


@dataclass(frozen=True)
class Source:
    """How the tokens of a database follow each other: a Markov chain of the first order.

    Attributes:
        counts: int64 [K], how often each token occurs in the database.
        pairs: int64 [P], ascending: ``a K + b`` for each token ``a`` and its follower ``b`` in a sample.
    """

    counts: np.ndarray
    pairs: np.ndarray

    @classmethod
    def of(cls, counts: np.ndarray, sample: np.ndarray, lengths: np.ndarray) -> "Source":
        """Of token counts, int [K], and a sample of strings of these lengths, end to end: int [T], int [S]."""
        inside = np.ones(max(len(sample) - 1, 0), dtype=bool)
        ends = np.cumsum(lengths)[:-1]
        inside[ends[(ends > 0) & (ends < len(sample))] - 1] = False
        before, after = sample[:-1][inside].astype(np.int64), sample[1:][inside].astype(np.int64)
        return cls(np.asarray(counts, dtype=np.int64), np.sort(before * len(counts) + after))

    def information(self, query: np.ndarray) -> float:
        """``-ln`` of the probability that as many tokens of the database are the query.

        Followers that the sample lacks share what Witten and Bell (IEEE Transactions on Information Theory, 1991) leave
        them, by how often they occur. Of those that it has, one is not counted: the query may be in the sample.

        Args:
            query: int [L], no two neighbours equal.
        """
        if not len(query):
            return 0.0
        query, size = np.asarray(query, dtype=np.int64), len(self.counts)
        shares = (self.counts + 1.0) / (self.counts.sum() + size)  # one more of each keeps an unknown token possible
        before, after = query[:-1], query[1:]
        seen = _within(self.pairs, before * size + after, 1)
        own = np.minimum(seen, 1)
        followers = _within(self.pairs, before * size, size) - own
        kinds = np.maximum(_within(self._distinct, before * size, size), 1)
        others = np.minimum(shares[after] / np.maximum(1.0 - shares[before], 1e-12), 1.0)
        odds = (seen - own + kinds * others) / (followers + kinds)
        return float(-np.log(shares[query[0]]) - np.log(odds).sum())

    @cached_property
    def _distinct(self) -> np.ndarray:
        return self.pairs[np.append(True, self.pairs[1:] != self.pairs[:-1])] if len(self.pairs) else self.pairs


def _within(ascending: np.ndarray, least: np.ndarray, width: int) -> np.ndarray:
    """How many are at least ``least`` and less than ``width`` more: int64 as ``least``."""
    return np.searchsorted(ascending, least + width) - np.searchsorted(ascending, least)


@dataclass(frozen=True)
class Chance:
    """The law of chance for one query.

    Attributes:
        information: of a perfect match.
        zero: the distance at which all of the database lies below.
        power: of the law.
    """

    information: float
    zero: float
    power: float

    @classmethod
    def of(cls, information: float, distances: np.ndarray) -> "Chance":
        """Fitted to the distances of the query to a sample of the database, float [N]; no infinite ones count.

        Without a sample, nothing but a perfect match is unexpected.
        """
        ordered = np.sort(np.asarray(distances, dtype=np.float64)[np.isfinite(distances)])
        if not len(ordered):
            return cls(information, 1e-9, 1.0)
        first = cls._by_middle(information, ordered)
        ordered = ordered[first.expected(ordered, len(ordered)) > _NO_CHANCE]
        if not len(ordered):
            return first
        last = len(ordered) - 1
        middle, tail = ordered[last // 2], ordered[min(max(int(last * _TAIL), _NEAREST - 1), last)]
        share = np.searchsorted(ordered, [middle, tail], side="right") / len(ordered)
        at_middle, at_tail = np.maximum(-np.log(share), 1e-3).tolist()
        if not 0 < tail < middle or information <= at_tail:
            # Too short a query, or all distances alike: a straight line from no edits to the middle.
            return cls(information, max(float(middle), 1e-9), 1.0)
        # The greater ``zero``, the greater the power that meets the tail, and the less is left at the middle.
        near, far = float(middle), float(middle + 100.0 * (middle - tail))
        for _ in range(60):
            zero = (near + far) / 2
            power = math.log(at_tail / information) / math.log((zero - tail) / zero)
            reached = information * ((zero - middle) / zero) ** power
            near, far = (zero, far) if reached < at_middle else (near, zero)
        return cls(information, zero, power)

    @classmethod
    def _by_middle(cls, information: float, ordered: np.ndarray) -> "Chance":
        middle = max(float(ordered[(len(ordered) - 1) // 2]), 1e-9)
        below = max(-math.log(np.searchsorted(ordered, middle, side="right") / len(ordered)), 1e-3)
        root = (below / max(information, below)) ** (1 / _FIRST_POWER)
        return cls(information, middle / (1 - min(root, 0.9)), _FIRST_POWER)

    def expected(self, distances: np.ndarray | float, trials: int) -> np.ndarray:
        """The expected number of matches at most as far as each of ``distances``, among ``trials`` by chance."""
        short = np.clip((self.zero - np.asarray(distances, dtype=np.float64)) / self.zero, 0.0, 1.0)
        return trials * np.exp(-self.information * short**self.power)
