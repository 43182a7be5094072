"""Ranking by a matrix of distances, and the quality of a ranking: for training, which validates, and for the report."""

import numpy as np

DECIMALS = 6
"""Distances that differ by less are ties: beyond that stands the rounding of float32 sums, not the same everywhere."""


def rank(distances: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Each query's answers, nearest first; ties rank in the database's order.

    Args:
        distances: float [Q, N]; infinite or NaN means not retrieved.
        candidates: bool [Q, N], what a query may be answered with.

    Returns:
        int [Q, N], indices into the database; -1 after the last answer.
    """
    distances = np.where(candidates & np.isfinite(distances), distances, np.inf).round(DECIMALS)
    order = np.argsort(distances, axis=1, kind="stable")
    order[~np.isfinite(np.take_along_axis(distances, order, axis=1))] = -1
    return order


def hits(order: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """Which answers are relevant, bool [Q, N], nearest answer first; False after the last answer.

    Args:
        order: int [Q, N], as `rank` gives it.
        relevant: bool [Q, N], by index into the database.
    """
    return np.take_along_axis(relevant, np.maximum(order, 0), axis=1) & (order >= 0)


def first_ranks(hits: np.ndarray) -> np.ndarray:
    """The rank, from 1, of each query's first relevant answer, 0 where none was retrieved: `hits` [Q, N] -> int [Q]."""
    return np.where(hits.any(axis=1), hits.argmax(axis=1) + 1, 0)


def reciprocal_ranks(hits: np.ndarray) -> np.ndarray:
    """One over the rank of each query's first relevant answer, or 0: `hits` [Q, N] -> float64 [Q]."""
    first = first_ranks(hits)
    return np.where(first > 0, 1.0 / np.maximum(first, 1), 0.0)


def average_precisions(hits: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """The average precision of each query, float64 [Q].

    Args:
        hits: bool [Q, N], as `hits` gives them.
        relevant: int [Q], at least 1: how many items are relevant, whether or not they were retrieved.
    """
    ranks = np.arange(1, hits.shape[1] + 1)
    return (np.cumsum(hits, axis=1) / ranks * hits).sum(axis=1) / relevant


def mrr_map(distances: np.ndarray, relevant: np.ndarray, candidate: np.ndarray) -> tuple[float, float]:
    """Mean reciprocal rank and mean average precision.

    Args:
        distances: [Q, D], as `rank` reads them.
        relevant: bool [Q, D].
        candidate: bool [Q, D], which items each query may be answered with; the query itself is not among them.

    Returns:
        (MRR, MAP) over the queries that have a relevant candidate; (0, 0) if none has.
    """
    relevant = relevant & candidate
    answerable = relevant.any(axis=1)
    if not answerable.any():
        return 0.0, 0.0
    found = hits(rank(distances, candidate), relevant)[answerable]
    precisions = average_precisions(found, relevant[answerable].sum(axis=1))
    return float(reciprocal_ranks(found).mean()), float(precisions.mean())
