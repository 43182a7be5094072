"""What is worth a look in a ranking: classes that are taken for each other, the nearest pairs, the worst misses.

Pure selection from arrays: nothing is read, drawn or left to chance. Q queries, N recordings that may answer;
``order`` and ``relevant`` as in `wav2tok.matching.ranking`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wav2tok.matching.ranking import first_ranks, hits


@dataclass(frozen=True)
class Confusion:
    """Which class the nearest answer has, by the query's class.

    Attributes:
        rows: the queries' classes, by name.
        columns: those of ``rows``, then `OTHER` and `NOTHING` where they occur.
        counts: int [len(rows), len(columns)], queries; no row is empty.
        hidden: classes of queries that were left out, to keep the table legible.
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    counts: np.ndarray
    hidden: int = 0

    @property
    def shares(self) -> np.ndarray:
        """Each row over its sum, float64."""
        return self.counts / self.counts.sum(axis=1, keepdims=True)


OTHER = "a class not shown"
NOTHING = "no answer"


def confusion(order: np.ndarray, asked: Sequence[str], classes: Sequence[str], most: int = 40) -> Confusion:
    """Count the class of every query's nearest answer.

    Args:
        order: int [Q, N], nearest first, -1 after the last.
        asked: Q classes of the queries.
        classes: N classes of the recordings that may answer.
        most: rows at most; where there are more classes, those that err most often are shown.
    """
    nearest = [classes[first] if first >= 0 else None for first in order[:, 0]]
    wrong = dict.fromkeys(asked, 0)
    for query, answer in zip(asked, nearest, strict=True):
        wrong[query] += answer != query
    rows = sorted(sorted(wrong, key=lambda name: (-wrong[name], name))[:most])
    place = {name: i for i, name in enumerate(rows)}
    other, nothing = len(rows), len(rows) + 1
    counts = np.zeros((len(rows), len(rows) + 2), dtype=np.int64)
    for query, answer in zip(asked, nearest, strict=True):
        if query in place:
            counts[place[query], nothing if answer is None else place.get(answer, other)] += 1
    kept = np.concatenate([np.ones(len(rows), bool), counts[:, len(rows) :].any(axis=0)])
    names = [name for name, keep in zip([*rows, OTHER, NOTHING], kept, strict=True) if keep]
    return Confusion(tuple(rows), tuple(names), counts[:, kept], len(wrong) - len(rows))


@dataclass(frozen=True)
class Case:
    """A query and what it was answered with.

    Attributes:
        query: the query's row in ``order``.
        right: the best right answer, a recording.
        rank: its rank from 1; 0 where it was not retrieved.
        winner: the nearest answer where that is a wrong one, else None.
    """

    query: int
    right: int
    rank: int
    winner: int | None = None


def nearest_pairs(
    order: np.ndarray, distances: np.ndarray, relevant: np.ndarray, asked: Sequence[str], lengths: np.ndarray, most: int
) -> list[Case]:
    """Queries whose nearest answer is right, at the least distance: one a class, and no pair twice.

    Args:
        order: int [Q, N]; distances: float [Q, N]; relevant: bool [Q, N].
        asked: Q classes of the queries.
        lengths: int [Q], tokens of the queries; at one distance the longest string comes first, as it says the most.
        most: cases at most.
    """
    first = order[:, 0]
    rows = np.arange(len(order))
    good = (first >= 0) & relevant[rows, np.maximum(first, 0)]
    ranked = sorted(np.flatnonzero(good).tolist(), key=lambda q: (distances[q, first[q]], -lengths[q], q))
    return [Case(q, int(first[q]), 1) for q in _one_a_class(ranked, asked)[:most]]


def worst_misses(order: np.ndarray, relevant: np.ndarray, asked: Sequence[str], most: int) -> list[Case]:
    """Queries whose first right answer ranks last, with the wrong one that won: one a class.

    One whose right answers were not retrieved at all is the worst. Queries without any answer are no cases: nothing
    won against anything.
    """
    ranks = first_ranks(hits(order, relevant))
    depth = np.where(ranks == 0, order.shape[1] + 1, ranks)
    missed = np.flatnonzero((depth > 1) & (order[:, 0] >= 0)).tolist()
    cases = []
    for q in _one_a_class(sorted(missed, key=lambda q: (-depth[q], q)), asked)[:most]:
        right = order[q, ranks[q] - 1] if ranks[q] else relevant[q].argmax()
        cases.append(Case(q, int(right), int(ranks[q]), int(order[q, 0])))
    return cases


def _one_a_class(queries: Sequence[int], asked: Sequence[str]) -> list[int]:
    """The first query of each class, in the given order."""
    first: dict[str, int] = {}
    for query in queries:
        first.setdefault(asked[query], query)
    return list(first.values())
