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
    drawn = weights(len(by_recording), draws, generator) @ by_recording
    return [estimate(*one) for one in zip(by_recording.mean(axis=0), drawn.T, strict=True)]


def weights(count: int, draws: int, generator: np.random.Generator) -> np.ndarray:
    """The weights of ``count`` items in bootstrap draws, float64 [draws, count]; each row sums to 1."""
    return generator.multinomial(count, np.full(count, 1 / count), size=draws) / count


def estimate(value: float, drawn: np.ndarray) -> Estimate:
    """A value with the 95 % interval of its bootstrap draws, float [draws]; the interval has width 0 without any."""
    low, high = np.percentile(drawn, [2.5, 97.5]) if len(drawn) else (value, value)
    # Rounding in the weights must not put the value outside an interval of width zero.
    return Estimate(float(value), float(min(low, value)), float(max(high, value)))
