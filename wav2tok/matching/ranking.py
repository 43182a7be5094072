"""Ranking by a matrix of distances, and the quality of a ranking in a few lines of numpy, for use during training.

The report's figures come from `wav2tok.evaluation.retrieval.metrics`; a test checks that both agree.
"""

import numpy as np

DECIMALS = 6
"""Distances are compared at so many decimals: further ones are rounding of float32 sums, which differs by processor."""


def rank(distances: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Each query's answers, nearest first; ties keep the order of the database.

    Args:
        distances: float [Q, N]; infinite or NaN means not retrieved.
        candidates: bool [Q, N], which answers are allowed.

    Returns:
        int [Q, N], indices into the database; -1 after the last answer.
    """
    distances = np.where(candidates & np.isfinite(distances), distances, np.inf).round(DECIMALS)
    order = np.argsort(distances, axis=1, kind="stable")
    order[~np.isfinite(np.take_along_axis(distances, order, axis=1))] = -1
    return order


def mrr_map(distances: np.ndarray, relevant: np.ndarray, candidate: np.ndarray) -> tuple[float, float]:
    """Mean reciprocal rank and mean average precision (over all relevant candidates).

    Args:
        distances: [Q, D], as in `rank`.
        relevant: bool [Q, D].
        candidate: bool [Q, D], which entries are the query's database; never the query itself.

    Returns:
        (MRR, MAP) over the queries that have a relevant candidate; (0, 0) if no query has one.
    """
    wanted = relevant & candidate
    answerable = wanted.any(axis=1)
    if not answerable.any():
        return 0.0, 0.0
    order = rank(distances, candidate)
    hits = (np.take_along_axis(wanted, np.maximum(order, 0), axis=1) & (order >= 0))[answerable]
    ranks = np.arange(1, hits.shape[1] + 1)
    reciprocal = np.where(hits.any(axis=1), 1.0 / (hits.argmax(axis=1) + 1), 0.0)
    precision = (np.cumsum(hits, axis=1) / ranks * hits).sum(axis=1) / wanted[answerable].sum(axis=1)
    return float(reciprocal.mean()), float(precision.mean())
