"""Ranking metrics: by hand, against a plain oracle and ranx, ties, bootstrap."""

import numba
import numpy as np
import pytest
import ranx
from hypothesis import given, settings
from hypothesis import strategies as st

from wav2tok.evaluation.retrieval import metrics
from wav2tok.matching import ranking

ALL = np.ones((1, 5), dtype=bool)


def oracle(order, relevant):
    found = [int(i) for i in order if i >= 0]
    hits = [rank for rank, i in enumerate(found, 1) if relevant[i]]
    total = int(relevant.sum())
    return [
        1 / hits[0] if hits else 0.0,
        sum(number / rank for number, rank in enumerate(hits, 1)) / total,
        float(bool(hits) and hits[0] == 1),
        sum(rank <= 10 for rank in hits) / total,
    ]


def by_ranx(order, relevant):
    """The scores by ranx, which is fed strictly decreasing scores so that it keeps the order."""
    count, width = order.shape
    ids = np.argsort(~relevant, axis=1, kind="stable")
    judgements = np.stack([ids, np.take_along_axis(relevant, ids, axis=1)], axis=2).astype(np.float64)
    falling = np.broadcast_to(np.arange(width, 0, -1), (count, width))
    answers = np.stack([order, falling], axis=2).astype(np.float64)
    threads = numba.get_num_threads()
    names = ["mrr", "map", "precision@1", "recall@10"]
    try:
        scores = ranx.evaluate(judgements, answers, names, return_mean=False)
    finally:
        numba.set_num_threads(threads)  # ranx sets it to one for good when there are few queries
    return np.stack([scores[name] for name in names], axis=1)


def test_by_hand():
    order = np.array([[3, 0, 4, 1, 2]])
    relevant = np.array([[True, True, False, False, False]])
    np.testing.assert_allclose(metrics.query_scores(order, relevant), [[0.5, (1 / 2 + 2 / 4) / 2, 0.0, 1.0]])
    assert ranking.first_ranks(ranking.hits(order, relevant)).tolist() == [2]


def test_map_is_divided_by_all_relevant_items_retrieved_or_not():
    order = np.array([[0, 2, -1, -1, -1]])
    relevant = np.array([[True, True, False, False, True]])
    np.testing.assert_allclose(metrics.query_scores(order, relevant), [[1.0, 1 / 3, 1.0, 1 / 3]])


@pytest.mark.filterwarnings("ignore::numba.NumbaTypeSafetyWarning", "ignore::DeprecationWarning")
@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(2, 30))
def test_scores_agree_with_ranx_and_with_the_oracle(seed, queries, width):
    generator = np.random.default_rng(seed)
    relevant = generator.random((queries, width)) < 0.3
    relevant[:, 0] = True
    # Few distinct values, so that there are ties; some candidates excluded, some never retrieved.
    distances = generator.choice([0.0, 0.25, 0.5, np.inf], (queries, width))
    candidates = generator.random((queries, width)) < 0.8
    order = ranking.rank(distances, candidates)
    found = metrics.query_scores(order, relevant)
    np.testing.assert_allclose(found, [oracle(o, r) for o, r in zip(order, relevant, strict=True)], atol=1e-12)
    np.testing.assert_allclose(found, by_ranx(order, relevant), rtol=0, atol=1e-12)
    first = ranking.first_ranks(ranking.hits(order, relevant))
    np.testing.assert_allclose(np.divide(1.0, first, where=first > 0, out=np.zeros(queries)), found[:, 0])


def test_ties_rank_by_the_order_of_the_database():
    assert ranking.rank(np.array([[1.0, 0.5, 1.0, 0.5, 0.5]]), ALL).tolist() == [[1, 3, 4, 0, 2]]
    assert ranking.rank(np.zeros((1, 5)), ALL).tolist() == [[0, 1, 2, 3, 4]]


def test_only_candidates_at_a_finite_distance_are_retrieved():
    distances = np.array([[0.0, np.inf, 0.3, np.nan, 0.1]])
    candidates = np.array([[False, True, True, True, True]])
    assert ranking.rank(distances, candidates).tolist() == [[4, 2, -1, -1, -1]]
    nothing = ranking.rank(np.full((1, 5), np.inf), ALL)
    relevant = np.array([[True, False, False, False, False]])
    assert metrics.query_scores(nothing, relevant).tolist() == [[0.0, 0.0, 0.0, 0.0]]
    assert ranking.first_ranks(ranking.hits(nothing, relevant)).tolist() == [0]


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    generator = np.random.default_rng(0)
    covered = 0
    for _ in range(300):
        (one,) = metrics.bootstrap(generator.random((1, 80, 1)) ** 2, 300, generator)
        covered += one.low <= 1 / 3 <= one.high
    assert 0.89 <= covered / 300 <= 0.98


def test_views_of_a_recording_are_drawn_together():
    by_recording = np.random.default_rng(1).random((1, 40, 1))
    (once,) = metrics.bootstrap(by_recording, 500, np.random.default_rng(2))
    (copies,) = metrics.bootstrap(np.repeat(by_recording, 8, axis=0), 500, np.random.default_rng(2))
    # Eight copies of a view are no more evidence than one.
    assert (copies.low, copies.high) == pytest.approx((once.low, once.high))
    assert once.low < once.value < once.high


def test_the_interval_follows_the_seed():
    scores = np.random.default_rng(1).random((1, 30, 2))
    same = [metrics.bootstrap(scores, 100, np.random.default_rng(5)) for _ in range(2)]
    assert same[0] == same[1]
    assert same[0] != metrics.bootstrap(scores, 100, np.random.default_rng(6))
