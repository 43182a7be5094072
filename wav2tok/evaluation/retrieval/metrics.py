"""Ranking metrics by ranx, one value a query, and their bootstrap intervals.

Ties rank by the database's order: the sort is stable and ranx is fed strictly decreasing scores. A candidate at an
infinite distance (see `wav2tok.matching.distances`) is not retrieved at all, so that an empty string can win nothing
by its place in the database.
"""

import warnings
from dataclasses import dataclass

import numpy as np

# Our names, which are also the keys of metrics.json, in the order of `query_scores`' columns, and those of ranx.
# MAP divides by all relevant recordings, also those that were not retrieved.
METRICS = {"mrr": "mrr", "map": "map", "p_at_1": "precision@1", "r_at_10": "recall@10"}


@dataclass(frozen=True)
class Estimate:
    """A mean over queries with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


def first_ranks(order: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """The rank, from 1, of each query's first relevant answer, int [Q]; 0 where none was retrieved."""
    hits = np.take_along_axis(relevant, np.maximum(order, 0), axis=1) & (order >= 0)
    return np.where(hits.any(axis=1), hits.argmax(axis=1) + 1, 0)


def query_scores(order: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """The `METRICS` of each query.

    Args:
        order: int [Q, N], as `rank` gives it.
        relevant: bool [Q, N], at least one true a query.

    Returns:
        float64 [Q, M].
    """
    import numba
    import ranx

    count, width = order.shape
    most = int(relevant.sum(axis=1).max())
    ids = np.argsort(~relevant, axis=1, kind="stable")[:, :most]
    judgements = np.stack([ids, np.take_along_axis(relevant, ids, axis=1)], axis=2).astype(np.float64)
    falling = np.broadcast_to(np.arange(width, 0, -1), (count, width))
    answers = np.stack([order, falling], axis=2).astype(np.float64)
    threads = numba.get_num_threads()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", numba.NumbaTypeSafetyWarning)  # of ranx's loops, when first compiled
            scores = ranx.evaluate(judgements, answers, list(METRICS.values()), return_mean=False)
    finally:
        numba.set_num_threads(threads)  # ranx sets it to one for good when there are few queries
    return np.stack([scores[name] for name in METRICS.values()], axis=1)


def bootstrap(scores: np.ndarray, draws: int, generator: np.random.Generator) -> list[Estimate]:
    """Means and 95 % percentile intervals over recordings, drawn with replacement.

    Args:
        scores: float [V, R, M]: V views of each of R recordings. A recording is drawn with all its views, since they
            rise and fall together.
        draws: the number of resamples.
        generator: decides the draws.

    Returns:
        M estimates.
    """
    by_recording = scores.mean(axis=0)
    count = len(by_recording)
    weights = generator.multinomial(count, np.full(count, 1 / count), size=draws) / count
    means = weights @ by_recording
    low, high = np.percentile(means, [2.5, 97.5], axis=0) if draws else (by_recording.mean(axis=0),) * 2
    # Rounding in the weights must not put an interval of width zero beside its value.
    value = by_recording.mean(axis=0)
    return [Estimate(float(v), float(min(a, v)), float(max(b, v))) for v, a, b in zip(value, low, high, strict=True)]
