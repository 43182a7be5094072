"""DTW over frames and over numbers against a plain dynamic programme."""

import numpy as np
import pytest

from tests.oracles import warping_costs
from wav2tok.evaluation.baselines import dtw
from wav2tok.evaluation.baselines.dtw import contour_distances, dtw_distances


def warped(costs):
    """The cost of a cheapest path over the sum of the lengths."""
    return warping_costs(costs)[-1, -1] / sum(costs.shape)


def oracle(a, b):
    a, b = (x.astype(float) / np.linalg.norm(x, axis=1, keepdims=True) for x in (a, b))
    return warped(1 - a @ b.T)


def test_every_pair_matches_the_oracle_also_in_several_strips(monkeypatch):
    generator = np.random.default_rng(0)

    def make(count):
        return [generator.standard_normal((n, 5)).astype(np.float32) for n in generator.integers(1, 30, count)]

    queries, database = make(5), make(21)  # 21: the last group of sixteen is not full
    expected = np.array([[oracle(q, d) for d in database] for q in queries])
    np.testing.assert_allclose(dtw_distances(queries, database), expected, atol=1e-5)
    monkeypatch.setattr(dtw, "STRIP", 4)
    np.testing.assert_allclose(dtw_distances(queries, database), expected, atol=1e-5)


def test_a_recording_without_frames_matches_nothing():
    some, none = np.ones((3, 2), np.float32), np.zeros((0, 2), np.float32)
    found = dtw_distances([some, none], [none, some])
    np.testing.assert_allclose(found, [[np.inf, 0.0], [np.inf, np.inf]], atol=1e-6)


def test_a_slower_take_is_nearer_than_a_different_one():
    take = np.random.default_rng(1).standard_normal((20, 6)).astype(np.float32)
    found = dtw_distances([take], [take[::-1].copy(), np.repeat(take, 2, axis=0)])
    assert found[0, 1] < 1e-6 < found[0, 0]


@pytest.mark.parametrize("most", [np.inf, 0.7])
def test_contours_match_the_oracle(most):
    generator = np.random.default_rng(2)
    # 37 contours: two groups of sixteen and one that is not full.
    queries, database = ([generator.normal(size=n).astype("f4") for n in generator.integers(1, 40, c)] for c in (6, 37))
    expected = [[warped(np.minimum(abs(q[:, None] - d), most).astype(float)) for d in database] for q in queries]
    np.testing.assert_allclose(contour_distances(queries, database, most), expected, atol=1e-5)


def test_an_empty_contour_matches_nothing():
    some, none = np.ones(3, np.float32), np.zeros(0, np.float32)
    np.testing.assert_array_equal(contour_distances([some, none], [none, some]), [[np.inf, 0.0], [np.inf, np.inf]])
    assert contour_distances([some], []).shape == (1, 0)
    assert contour_distances([some], [none]).tolist() == [[np.inf]]
    assert contour_distances([], [some]).shape == (0, 1)
