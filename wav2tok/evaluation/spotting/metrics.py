"""The metrics of spotting: F1 at a threshold that other recordings set, MTWV, and their intervals.

A trial is a query and a sentence, with the distance of the best span (``inf`` if there is none). A detection is a trial
at or below the threshold; it is right if its span hits the word. A sentence that contains the word several times counts
once. All arrays are [Q, D], masked by ``candidates``; ``hits`` imply ``relevant``, which implies ``candidates``.
"""

from dataclasses import dataclass

import numpy as np

from wav2tok.evaluation.retrieval import metrics
from wav2tok.evaluation.retrieval.metrics import Estimate

BETA = 999.9
HIT = "the returned span and the true one overlap by at least half of each"


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


def f1_threshold(
    distances: np.ndarray, candidates: np.ndarray, relevant: np.ndarray, hits: np.ndarray
) -> tuple[float, float]:
    """The threshold of the greatest F1, half way to the next distance, and that F1 over the trials of all queries.

    Among equal F1, the lowest threshold.
    """
    order, ends, values = _sweep(distances, candidates)
    if not len(ends):
        return -np.inf, 0.0
    right = np.cumsum(hits[candidates][order])[ends]
    f1 = 2 * right / (ends + 1 + relevant.sum())
    best = int(np.argmax(f1))
    threshold = values[best] if best + 1 == len(ends) else (values[best] + values[best + 1]) / 2
    return float(threshold), float(f1[best])


def mtwv(
    distances: np.ndarray,
    candidates: np.ndarray,
    relevant: np.ndarray,
    hits: np.ndarray,
    seconds: np.ndarray,
    weights: np.ndarray,
) -> np.ndarray:
    """The maximum over thresholds of the term-weighted value (NIST, Spoken Term Detection 2006 Evaluation Plan, 5).

    ``1 - mean over queries of (misses / relevant + BETA * false alarms / (seconds - relevant))``; detecting nothing
    gives 0.

    Args:
        seconds: float [D], the durations of the sentences: the standard counts one trial per second.
        weights: float [W, Q], of the queries in each mean; a row sums to 1.

    Returns:
        float [W].
    """
    order, ends, _ = _sweep(distances, candidates)
    holding = relevant.sum(axis=1)
    trials = (candidates * seconds).sum(axis=1) - holding
    gain = np.where(hits, 1 / np.maximum(holding, 1)[:, None], -BETA / np.maximum(trials, 1.0)[:, None])
    gain, query = gain[candidates][order], np.nonzero(candidates)[0][order]
    return np.array([np.cumsum(gain * row[query])[ends].max(initial=0.0) for row in weights])


def estimates(
    distances: np.ndarray,
    candidates: np.ndarray,
    relevant: np.ndarray,
    hits: np.ndarray,
    threshold: float,
    seconds: np.ndarray,
    draws: int,
    generator: np.random.Generator,
) -> dict[str, Estimate]:
    """``f1``, ``precision``, ``recall`` (all trials pooled), ``mtwv``; 95 % bootstrap intervals over queries.

    Args:
        threshold: of ``f1``, ``precision`` and ``recall``.
        seconds: float [D], the durations of the sentences.
        draws: number of resamples.
        generator: draws them.
    """
    queries = len(relevant)
    every = np.vstack([np.full((1, queries), 1 / queries), metrics.weights(queries, draws, generator)])
    detections = candidates & (distances <= threshold)
    right, detected, holding = (every @ trials.sum(axis=1) for trials in (detections & hits, detections, relevant))
    values = {
        "f1": 2 * right / (detected + holding),
        "precision": right / np.where(detected > 0, detected, 1.0),
        "recall": right / holding,
        "mtwv": mtwv(distances, candidates, relevant, hits, seconds, every),
    }
    return {name: metrics.estimate(one[0], one[1:]) for name, one in values.items()}


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
