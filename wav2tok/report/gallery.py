"""Select what to show of a ranking: confused classes, the nearest pairs and the worst misses.

These functions only select from arrays, without I/O or randomness. Q queries, N candidate recordings; ``order`` and
``relevant`` as in `wav2tok.matching.ranking`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wav2tok.matching.ranking import first_ranks, hits


@dataclass(frozen=True)
class Confusion:
    """The class of the nearest answer, by the query's class.

    Attributes:
        rows: the queries' classes, sorted by name.
        columns: the same classes, then `OTHER` and `NOTHING` if they occur.
        counts: int [len(rows), len(columns)], numbers of queries; no row is empty.
        hidden: the number of query classes that were omitted to keep the table legible.
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    counts: np.ndarray
    hidden: int = 0


OTHER = "a class not shown"
NOTHING = "no answer"


def confusion(order: np.ndarray, queries: Sequence[str], classes: Sequence[str], most: int = 40) -> Confusion:
    """Count the classes of the queries' nearest answers.

    Args:
        order: int [Q, N], nearest first, -1 after the last.
        queries: the classes of the Q queries.
        classes: the classes of the N recordings.
        most: the maximum number of rows; if there are more classes, those with the most errors are kept.
    """
    nearest = [classes[first] if first >= 0 else None for first in order[:, 0]]
    wrong = dict.fromkeys(queries, 0)
    for query, answer in zip(queries, nearest, strict=True):
        wrong[query] += answer != query
    rows = sorted(sorted(wrong, key=lambda name: (-wrong[name], name))[:most])
    place = {name: i for i, name in enumerate(rows)}
    other, nothing = len(rows), len(rows) + 1
    counts = np.zeros((len(rows), len(rows) + 2), dtype=np.int64)
    for query, answer in zip(queries, nearest, strict=True):
        if query in place:
            counts[place[query], nothing if answer is None else place.get(answer, other)] += 1
    kept = np.concatenate([np.ones(len(rows), bool), counts[:, len(rows) :].any(axis=0)])
    names = [name for name, keep in zip([*rows, OTHER, NOTHING], kept, strict=True) if keep]
    return Confusion(tuple(rows), tuple(names), counts[:, kept], len(wrong) - len(rows))


@dataclass(frozen=True)
class Case:
    """A query and its answers.

    Attributes:
        query: the query's row in ``order``.
        right: the recording that is the best right answer.
        rank: its rank from 1; 0 if it was not retrieved.
        winner: the nearest answer if it is wrong, else None.
    """

    query: int
    right: int
    rank: int
    winner: int | None = None


def nearest_pairs(
    order: np.ndarray,
    distances: np.ndarray,
    relevant: np.ndarray,
    classes: Sequence[str],
    lengths: np.ndarray,
    most: int,
) -> list[Case]:
    """The queries with a right nearest answer at the smallest distances, at most one per class.

    Args:
        order: int [Q, N].
        distances: float [Q, N].
        relevant: bool [Q, N].
        classes: the classes of the Q queries.
        lengths: int [Q], the lengths of the queries' strings; of equal distances the longest string comes first, since
            a match of many tokens says more.
        most: the maximum number of cases.
    """
    first = order[:, 0]
    rows = np.arange(len(order))
    good = (first >= 0) & relevant[rows, np.maximum(first, 0)]
    ranked = sorted(np.flatnonzero(good).tolist(), key=lambda q: (distances[q, first[q]], -lengths[q], q))
    return [Case(q, int(first[q]), 1) for q in _one_per_class(ranked, classes)[:most]]


def worst_misses(order: np.ndarray, relevant: np.ndarray, classes: Sequence[str], most: int) -> list[Case]:
    """The queries whose first right answer ranks lowest, with the wrong answer that won; at most one per class.

    A query whose right answers were not retrieved at all is the worst. Queries without any answer are omitted, since no
    wrong answer won.
    """
    ranks = first_ranks(hits(order, relevant))
    depth = np.where(ranks == 0, order.shape[1] + 1, ranks)
    missed = np.flatnonzero((depth > 1) & (order[:, 0] >= 0)).tolist()
    cases = []
    for q in _one_per_class(sorted(missed, key=lambda q: (-depth[q], q)), classes)[:most]:
        right = order[q, ranks[q] - 1] if ranks[q] else relevant[q].argmax()
        cases.append(Case(q, int(right), int(ranks[q]), int(order[q, 0])))
    return cases


def _one_per_class(queries: Sequence[int], classes: Sequence[str]) -> list[int]:
    """The first query of each class, in the given order."""
    first: dict[str, int] = {}
    for query in queries:
        first.setdefault(classes[query], query)
    return list(first.values())
