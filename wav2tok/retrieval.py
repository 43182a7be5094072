"""Ranking quality of a distance matrix, in a few lines of numpy, for judging a model while it trains.

The report's figures come from `wav2tok.evaluation.metrics`; a test holds the two together.
"""

import numpy as np


def mrr_map(distances: np.ndarray, relevant: np.ndarray, candidate: np.ndarray) -> tuple[float, float]:
    """Mean reciprocal rank and mean average precision (divided by all relevant).

    Args:
        distances: [Q, D]; ties rank in the database's order; what is infinitely far is not retrieved.
        relevant: bool [Q, D].
        candidate: bool [Q, D], which entries are the query's database; the query itself is none.

    Returns:
        (MRR, MAP) over the queries that have a relevant candidate; (0, 0) if none has.
    """
    wanted = relevant & candidate
    asked = wanted.any(axis=1)
    if not asked.any():
        return 0.0, 0.0
    retrieved = candidate & np.isfinite(distances)
    order = np.argsort(np.where(retrieved, distances, np.inf), axis=1, kind="stable")
    hits = np.take_along_axis(wanted & retrieved, order, axis=1)[asked]
    ranks = np.arange(1, hits.shape[1] + 1)
    reciprocal = np.where(hits.any(axis=1), 1.0 / (hits.argmax(axis=1) + 1), 0.0)
    precision = (np.cumsum(hits, axis=1) / ranks * hits).sum(axis=1) / wanted[asked].sum(axis=1)
    return float(reciprocal.mean()), float(precision.mean())
