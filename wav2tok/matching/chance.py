"""How many matches as near as one would occur by chance, so that one threshold serves queries of all lengths.

Chance is the query read backwards: it has the query's tokens and the database's habits, and no true match (decoys of
this kind are what searches for peptides are calibrated by: Elias and Gygi, Nature Methods, 2007). The distances of this
decoy to a sample of the database say how common small distances are, down to one in a hundred or so.

Beyond that stands a law. If tokens follow each other independently, as many tokens of the database are the query with
probability ``exp(-I)``, ``I`` the sum of ``-ln`` of each token's share among those that may follow the one before.
Between the sample and this, ``-ln P(distance <= d)`` is taken for the power law ``I ((m - d) / m)^g``: 0 at ``m``,
``I`` for a perfect match, and convex, as a rate of large deviations is. ``m`` and ``g`` are those of the decoy's middle
and tail.
"""

import math
from dataclasses import dataclass

import numpy as np

_TAIL = 10
"""How many distances of the sample the law's tail rests on."""


def information(query: np.ndarray, counts: np.ndarray) -> float:
    """``-ln`` of the probability that as many tokens of the database are the query by chance.

    Args:
        query: int [L], no two neighbours equal.
        counts: int [K], how often each token occurs in the database. One more of each keeps an unknown token possible.
    """
    shares = (counts + 1.0) / (counts.sum() + len(counts))
    own = shares[query]
    possible = np.concatenate(([1.0], 1.0 - own[:-1]))  # what may follow: all but the token before
    return float(np.minimum(np.log(np.maximum(possible, 1e-12) / own), 50.0).clip(0.0).sum())


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
    def of(cls, information: float, decoys: np.ndarray) -> "Chance":
        """Fitted to the distances of the reversed query to a sample of the database, float [N]; no infinite ones count.

        Without a sample, nothing but a perfect match is unexpected.
        """
        ordered = np.sort(np.asarray(decoys, dtype=np.float64)[np.isfinite(decoys)])
        if not len(ordered):
            return cls(information, 1e-9, 1.0)
        middle, tail = float(ordered[(len(ordered) - 1) // 2]), float(ordered[min(_TAIL, len(ordered)) - 1])
        share = np.searchsorted(ordered, [middle, tail], side="right") / len(ordered)
        at_middle, at_tail = np.maximum(-np.log(share), 1e-3).tolist()
        if not 0 < tail < middle or information <= at_tail:
            # Too short a query, or all distances alike: a straight line from no edits to the middle.
            return cls(information, max(middle, 1e-9), 1.0)
        # The greater ``zero``, the greater the power that meets the tail, and the less is left at the middle.
        near, far = middle, middle + 100.0 * (middle - tail)
        for _ in range(60):
            zero = (near + far) / 2
            power = math.log(at_tail / information) / math.log((zero - tail) / zero)
            reached = information * ((zero - middle) / zero) ** power
            near, far = (zero, far) if reached < at_middle else (near, zero)
        return cls(information, zero, power)

    def expected(self, distances: np.ndarray | float, trials: int) -> np.ndarray:
        """The expected number of matches at most as far as each of ``distances``, among ``trials`` by chance."""
        short = np.clip((self.zero - np.asarray(distances, dtype=np.float64)) / self.zero, 0.0, 1.0)
        return trials * np.exp(-self.information * short**self.power)
