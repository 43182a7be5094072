"""Ranking metrics, one value per query, and their bootstrap intervals.

Ties rank by the database's order. A candidate at an infinite distance (see `wav2tok.matching.distances`) is not
retrieved at all, so an empty string cannot win by its place in the database.
"""

from dataclasses import dataclass

import numpy as np

from wav2tok.matching import ranking

METRICS = ("mrr", "map", "p_at_1", "r_at_10")
"""The keys of metrics.json, in the order of `query_scores`' columns."""


@dataclass(frozen=True)
class Estimate:
    """A mean over queries with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


def query_scores(order: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """The `METRICS` of each query; MAP and R@10 are divided by all relevant items, retrieved or not.

    Args:
        order: int [Q, N], as `wav2tok.matching.ranking.rank` gives it.
        relevant: bool [Q, N], at least one true per query.

    Returns:
        float64 [Q, M].
    """
    hits, count = ranking.hits(order, relevant), relevant.sum(axis=1)
    return np.stack(
        [
            ranking.reciprocal_ranks(hits),
            ranking.average_precisions(hits, count),
            hits[:, 0].astype(np.float64),
            hits[:, :10].sum(axis=1) / count,
        ],
        axis=1,
    )


def bootstrap(scores: np.ndarray, draws: int, generator: np.random.Generator) -> list[Estimate]:
    """Means with 95 % percentile intervals; recordings are resampled with replacement.

    Args:
        scores: float [V, R, M]: V views of each of R recordings. A recording is drawn with all its views, because
            their scores are correlated.
        draws: the number of resamples.
        generator: draws the resamples.

    Returns:
        M estimates.
    """
    by_recording = scores.mean(axis=0)
    count = len(by_recording)
    weights = generator.multinomial(count, np.full(count, 1 / count), size=draws) / count
    means = weights @ by_recording
    low, high = np.percentile(means, [2.5, 97.5], axis=0) if draws else (by_recording.mean(axis=0),) * 2
    # Rounding in the weights must not put the value outside an interval of width zero.
    value = by_recording.mean(axis=0)
    return [Estimate(float(v), float(min(a, v)), float(max(b, v))) for v, a, b in zip(value, low, high, strict=True)]
