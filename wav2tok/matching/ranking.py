"""Ranking by a matrix of distances, and its quality in a few lines of numpy, for judging a model while it trains.

The report's figures come from `wav2tok.evaluation.retrieval.metrics`; a test holds the two together.
"""

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


def mrr_map(distances: np.ndarray, relevant: np.ndarray, candidate: np.ndarray) -> tuple[float, float]:
    """Mean reciprocal rank and mean average precision (divided by all relevant).

    Args:
        distances: [Q, D], as `rank` reads them.
        relevant: bool [Q, D].
        candidate: bool [Q, D], which entries are the query's database; the query itself is none.

    Returns:
        (MRR, MAP) over the queries that have a relevant candidate; (0, 0) if none has.
    """
    wanted = relevant & candidate
    asked = wanted.any(axis=1)
    if not asked.any():
        return 0.0, 0.0
    order = rank(distances, candidate)
    hits = (np.take_along_axis(wanted, np.maximum(order, 0), axis=1) & (order >= 0))[asked]
    ranks = np.arange(1, hits.shape[1] + 1)
    reciprocal = np.where(hits.any(axis=1), 1.0 / (hits.argmax(axis=1) + 1), 0.0)
    precision = (np.cumsum(hits, axis=1) / ranks * hits).sum(axis=1) / wanted[asked].sum(axis=1)
    return float(reciprocal.mean()), float(precision.mean())
