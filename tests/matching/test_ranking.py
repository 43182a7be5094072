"""MRR and MAP of a matrix of distances against loops, and against the report's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wav2tok.evaluation.retrieval import metrics
from wav2tok.matching.ranking import mrr_map, rank


def looped(distances: np.ndarray, relevant: np.ndarray, candidate: np.ndarray) -> tuple[float, float]:
    reciprocal, precision = [], []
    for d, r, c in zip(distances, relevant, candidate, strict=True):
        order = sorted((j for j in range(len(d)) if c[j]), key=lambda j: d[j])
        ranks = [rank for rank, j in enumerate(order, 1) if r[j]]
        if ranks:
            reciprocal.append(1 / ranks[0])
            precision.append(sum(i / rank for i, rank in enumerate(ranks, 1)) / len(ranks))
    return (float(np.mean(reciprocal)), float(np.mean(precision))) if reciprocal else (0.0, 0.0)


@given(q=st.integers(1, 6), d=st.integers(1, 8), seed=st.integers(0, 9999))
@settings(max_examples=100, deadline=None)
def test_mrr_and_map_by_loops(q: int, d: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    distances = rng.integers(0, 4, (q, d)).astype(float)  # with ties
    relevant, candidate = rng.random((q, d)) < 0.3, rng.random((q, d)) < 0.8
    assert mrr_map(distances, relevant, candidate) == pytest.approx(looped(distances, relevant, candidate))


@pytest.mark.parametrize("empty", [0.0, 0.3])
def test_they_are_the_figures_of_the_report(empty: float) -> None:
    """An infinite distance, that of an empty string, is not retrieved here either."""
    rng = np.random.default_rng(1)
    distances, candidate = rng.random((40, 12)), rng.random((40, 12)) < 0.8
    distances[rng.random((40, 12)) < empty] = np.inf
    relevant = rng.random((40, 12)) < 0.3
    answerable = (relevant & candidate).any(axis=1)
    scores = metrics.query_scores(rank(distances, candidate)[answerable], (relevant & candidate)[answerable])
    expected = dict(zip(metrics.METRICS, scores.mean(axis=0), strict=True))
    assert mrr_map(distances, relevant, candidate) == pytest.approx((expected["mrr"], expected["map"]))


def test_no_query_with_a_relevant_candidate_gives_0() -> None:
    assert mrr_map(np.zeros((2, 2)), np.eye(2, dtype=bool), ~np.eye(2, dtype=bool)) == (0.0, 0.0)


def test_distances_that_differ_by_rounding_are_ties() -> None:
    distances = np.array([[0.3000001, 0.3, 0.2, 0.30000004]])
    assert rank(distances, np.ones((1, 4), dtype=bool)).tolist() == [[2, 0, 1, 3]]
