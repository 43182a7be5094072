"""The metrics of spotting: F1 at a threshold that other recordings set, MTWV, and their intervals.

A trial is a query and a sentence, with the distance of the best span (``inf`` if there is none). A detection is a trial
at or below the threshold; it is right if its span hits the word. A sentence that contains the word several times counts
once. All arrays are [Q, D], masked by ``candidates``; ``hits`` imply ``relevant``, which implies ``candidates``.
"""

from dataclasses import dataclass

import numpy as np

from wav2tok.evaluation.retrieval.metrics import Estimate

BETA = 999.9
HIT = "the returned span and the true one overlap by at least half of each"


@dataclass(frozen=True)
class Counts:
    """For each query, int [Q]: right detections, all detections, sentences that contain the word."""

    right: np.ndarray
    detected: np.ndarray
    relevant: np.ndarray

    @property
    def f1(self) -> float:
        """F1 over the trials of all queries together."""
        return float(2 * self.right.sum() / (self.detected.sum() + self.relevant.sum()))


def z_scores(distances: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Each query's distances scaled to mean 0 and variance 1 over its finite candidates.

    One threshold then serves all queries. No label is read. A row of equal distances becomes 0; infinite distances stay
    infinite.
    """
    finite = candidates & np.isfinite(distances)
    known = np.where(finite, distances, 0.0)
    count = np.maximum(finite.sum(axis=1, keepdims=True), 1)
    mean = known.sum(axis=1, keepdims=True) / count
    deviation = np.sqrt((np.where(finite, known - mean, 0.0) ** 2).sum(axis=1, keepdims=True) / count)
    return np.where(finite, (known - mean) / np.where(deviation > 1e-12, deviation, 1.0), np.inf)


def covers_half(spans: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Whether spans hit the true ones: float [..., 2], in seconds, each -> bool [...].

    The overlap must be at least half of the true span **and** half of the returned one. By the first condition alone,
    the whole sentence would always be a hit.
    """
    shared = np.minimum(spans[..., 1], truth[..., 1]) - np.maximum(spans[..., 0], truth[..., 0])
    longer = np.maximum(spans[..., 1] - spans[..., 0], truth[..., 1] - truth[..., 0])
    return (shared > 0) & (shared >= longer / 2 - 1e-9)


def count(
    distances: np.ndarray, candidates: np.ndarray, relevant: np.ndarray, hits: np.ndarray, threshold: float
) -> Counts:
    """The detections at a threshold."""
    detected = candidates & (distances <= threshold)
    return Counts((detected & hits).sum(axis=1), detected.sum(axis=1), relevant.sum(axis=1))


def f1_threshold(distances: np.ndarray, candidates: np.ndarray, relevant: np.ndarray, hits: np.ndarray) -> float:
    """The threshold of the greatest F1, half way to the next distance; among equal F1, the lowest threshold."""
    order, ends, values = _sweep(distances, candidates)
    if not len(ends):
        return -np.inf
    right = np.cumsum(hits[candidates][order])[ends]
    best = int(np.argmax(2 * right / (ends + 1 + relevant.sum())))
    return float(values[best] if best + 1 == len(ends) else (values[best] + values[best + 1]) / 2)


def twv(
    distances: np.ndarray, candidates: np.ndarray, relevant: np.ndarray, hits: np.ndarray, seconds: np.ndarray
) -> "Twv":
    """The term-weighted value (NIST, Spoken Term Detection 2006 Evaluation Plan, section 5) at every threshold.

    ``1 - mean over queries of (misses / relevant + BETA * false alarms / (seconds - relevant))``; detecting nothing
    gives 0. `Twv.best` is its maximum over thresholds, MTWV.

    Args:
        seconds: float [D], the durations of the sentences: the standard counts one trial per second.
    """
    order, ends, _ = _sweep(distances, candidates)
    holding = relevant.sum(axis=1)
    trials = (candidates * seconds).sum(axis=1) - holding
    gain = np.where(hits, 1 / np.maximum(holding, 1)[:, None], -BETA / np.maximum(trials, 1.0)[:, None])
    return Twv(np.nonzero(candidates)[0][order], gain[candidates][order], ends)


@dataclass(frozen=True)
class Twv:
    """Trials by distance: their queries [N], what each adds to the value if detected [N], and the last of each tie."""

    query: np.ndarray
    gain: np.ndarray
    ends: np.ndarray

    def best(self, weights: np.ndarray) -> float:
        """The maximum over thresholds; ``weights``, float [Q], are those of the queries and sum to 1."""
        values = np.cumsum(self.gain * weights[self.query])[self.ends]
        return float(max(values.max(initial=0.0), 0.0))


def estimates(counts: Counts, values: Twv, draws: int, generator: np.random.Generator) -> dict[str, Estimate]:
    """``f1``, ``precision``, ``recall`` (all trials pooled), ``mtwv``; 95 % bootstrap intervals over queries."""
    queries = len(counts.relevant)
    weights = generator.multinomial(queries, np.full(queries, 1 / queries), size=draws) / queries
    every = np.vstack([np.full((1, queries), 1 / queries), weights])
    right, detected, relevant = (every @ part for part in (counts.right, counts.detected, counts.relevant))
    rows = {
        "f1": 2 * right / (detected + relevant),
        "precision": right / np.where(detected > 0, detected, 1.0),
        "recall": right / relevant,
        "mtwv": np.array([values.best(row) for row in every]),
    }
    return {name: _estimate(values) for name, values in rows.items()}


def _estimate(values: np.ndarray) -> Estimate:
    """The first value, with the interval of the other ones."""
    value = float(values[0])
    low, high = np.percentile(values[1:], [2.5, 97.5]) if len(values) > 1 else (value, value)
    return Estimate(value, float(min(low, value)), float(max(high, value)))


def _sweep(distances: np.ndarray, candidates: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The finite trials nearest first, the last of each run of equal distances, and those distances."""
    values = distances[candidates]
    order = np.argsort(values, kind="stable")[: int(np.isfinite(values).sum())]
    values = values[order]
    ends = np.flatnonzero(np.append(values[1:] != values[:-1], True)) if len(values) else np.zeros(0, np.int64)
    return order, ends, values[ends]


@dataclass(frozen=True)
class Figures:
    """The figures of one system."""

    label: str
    scores: dict[str, Estimate]
    """f1, precision, recall, mtwv, and those of `wav2tok.evaluation.retrieval.metrics.METRICS`."""
    threshold: float
    """In standard deviations of a query's distances."""
    training_f1: float
    localized: float
    """The share of relevant sentences whose best span is a hit; recall cannot exceed it."""
    search_ms: float
    """Milliseconds to compare one query with the whole database."""


@dataclass(frozen=True)
class Spotting:
    """The result of spotting."""

    text: str
    """The protocol in words."""
    sentences: int
    seconds: float
    queries: int
    words: int
    training_queries: int
    bootstrap: int
    systems: dict[str, Figures]
