"""The distance between two samples, and the bound above which it is not chance, for recordings in groups.

Two halves of one corpus differ as well, because speakers differ. So a distance is compared with a bound: groups of one
sample are drawn again and again, and compared with the rest of it in the same way. Only what is beyond nearly all of
these draws is a difference.
"""

from collections.abc import Callable, Sequence

import numpy as np
from scipy.sparse import csr_matrix

BINS = 10
"""Bins that numbers are counted in: tenths of the first sample's values."""

Measure = Callable[[np.ndarray, np.ndarray], float]
"""(numbers of recordings, numbers of others) -> how far they are apart."""


def divergence(first: np.ndarray, second: np.ndarray) -> float:
    """The Jensen-Shannon divergence of two sets of counts, in bits: 0 for equal shares, 1 for nothing in common.

    Source: Lin 1991.

    Args:
        first, second: counts of the same things, [N] each. Without any on one side there is nothing to compare: 0.
    """
    if not first.any() or not second.any():
        return 0.0
    p, q = first / first.sum(), second / second.sum()
    middle = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = [np.where(share > 0, share * np.log2(share / middle), 0.0).sum() for share in (p, q)]
    return float(max(0.0, sum(parts) / 2))


def stability(first: np.ndarray, second: np.ndarray) -> float:
    """The population stability index of two sets of counts: the sum of (p - q) ln(p / q); 0 for equal shares.

    Half a count is added to each, so that an empty bin does not make it infinite.

    Args:
        first, second: counts of the same bins, [N] each.
    """
    p, q = ((counts + 0.5) / (counts + 0.5).sum() for counts in (first, second))
    return float(((p - q) * np.log(p / q)).sum())


def by(counts: csr_matrix | np.ndarray, distance: Callable[[np.ndarray, np.ndarray], float]) -> Measure:
    """What measures the distance of the summed counts of two sets of recordings.

    Args:
        counts: of each recording, [R, things]; made once, and summed for each draw.
    """

    def measure(first: np.ndarray, second: np.ndarray) -> float:
        return distance(*(np.asarray(counts[rows].sum(axis=0), dtype=float).ravel() for rows in (first, second)))

    return measure


def occurrences(sets: Sequence[np.ndarray]) -> csr_matrix:
    """How often each thing occurs in each of the sets of things, [R, things].

    Args:
        sets: of each recording, [n] each.
    """
    things, column = np.unique(np.concatenate(sets), return_inverse=True)
    row = np.repeat(np.arange(len(sets)), [len(some) for some in sets])
    ones = np.ones(len(column), dtype=np.int64)
    return csr_matrix((ones, (row, column)), shape=(len(sets), len(things)))


def tenths(values: np.ndarray, of_first: int) -> np.ndarray:
    """In which tenth of the first sample's values each value lies, as counts [R, bins].

    Args:
        values: [R].
        of_first: how many of them, from the beginning, are of the first sample.
    """
    edges = np.unique(np.quantile(values[:of_first], np.linspace(0, 1, BINS + 1)[1:-1]))
    return np.eye(len(edges) + 1)[np.searchsorted(edges, values, side="right")]


def bounds(
    measures: Sequence[Measure], groups: np.ndarray, wanted: int, draws: int, level: float, rng: np.random.Generator
) -> list[float]:
    """For each measure, what a share ``level`` of the draws stay below.

    Args:
        groups: of the recordings of the first sample, [R]; recordings of one group are drawn together.
        wanted: how many recordings are drawn, by whole groups, and compared with the others.
    """
    found = []
    for _ in range(draws):
        chosen = _of_groups(groups, wanted, rng)
        found.append([measure(np.flatnonzero(~chosen), np.flatnonzero(chosen)) for measure in measures])
    return [float(bound) for bound in np.quantile(found, level, axis=0)]


def _of_groups(groups: np.ndarray, wanted: int, rng: np.random.Generator) -> np.ndarray:
    """Which recordings are drawn, bool [R]: ``wanted`` or a few more, of whole groups, but never all groups.

    Where there is one group, single recordings are drawn.

    Args:
        groups: of the recordings, [R].
    """
    order = rng.permutation(np.unique(groups))
    chosen = np.zeros(len(groups), dtype=bool)
    if len(order) == 1:
        chosen[rng.permutation(len(groups))[:wanted]] = True
        return chosen
    for group in order[:-1]:
        chosen |= groups == group
        if chosen.sum() >= wanted:
            break
    return chosen
