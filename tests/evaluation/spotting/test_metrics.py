"""Spotting metrics on examples worked out by hand."""

import numpy as np
import pytest

from wav2tok.evaluation.spotting import metrics

# Two queries, four sentences; each query's own sentence is no candidate.
CANDIDATES = np.array([[False, True, True, True], [True, False, True, True]])
RELEVANT = np.array([[False, True, True, False], [False, False, False, True]])
HITS = np.array([[False, True, False, False], [False, False, False, True]])
DISTANCES = np.array([[0.0, 0.1, 0.2, 0.5], [0.3, 0.0, np.inf, 0.4]])


def test_detections_at_a_threshold():
    generator = np.random.default_rng(0)
    found = metrics.estimates(DISTANCES, CANDIDATES, RELEVANT, HITS, 0.35, np.full(4, 1000.0), 0, generator)
    # Of three detections one is right: another has the right sentence but the wrong place.
    assert [found[name].value for name in ("f1", "precision", "recall")] == pytest.approx([2 / (3 + 3), 1 / 3, 1 / 3])


def test_the_threshold_of_the_greatest_f1():
    # Detecting 1, 2, 3, 4, 5 of the finite trials is right 1, 1, 1, 2, 2 times: F1 2/4, 2/5, 2/6, 4/7, 4/8.
    assert metrics.f1_threshold(DISTANCES, CANDIDATES, RELEVANT, HITS) == pytest.approx((0.45, 4 / 7))
    # Without the second query's hit the first trial alone is best.
    alone = HITS & [[True], [False]]
    assert metrics.f1_threshold(DISTANCES, CANDIDATES, RELEVANT, alone) == pytest.approx((0.15, 2 / 4))


def test_equal_distances_are_detected_together():
    same = np.zeros_like(DISTANCES)
    assert metrics.f1_threshold(same, CANDIDATES, RELEVANT, HITS) == (0, pytest.approx(4 / 9))
    none = np.full_like(DISTANCES, np.inf)
    assert metrics.f1_threshold(none, CANDIDATES, RELEVANT, HITS) == (-np.inf, 0)


def test_mtwv():
    # A false alarm costs 999.9 / (4001.6 - 2) = .25; hit, false alarm, hit: .5, .25, .75.
    seconds = np.full(4, 4001.6 / 4)
    everything, relevant = np.ones((1, 4), bool), np.array([[True, False, True, False]])
    distances = np.array([[0.1, 0.2, 0.3, 0.4]])

    def alone(distances, seconds):
        return metrics.mtwv(distances, everything, relevant, relevant, seconds, np.ones((1, 1)))

    assert alone(distances, seconds) == pytest.approx([0.75])
    # In ten seconds one false alarm outweighs everything: nothing but the first hit is detected.
    assert alone(distances, seconds / 400) == pytest.approx([0.5])
    # A tie of the hits with the false alarms cannot be cut: detecting nothing, 0, is best.
    assert alone(distances * 0, seconds / 400) == [0]
    # The mean over queries: one that finds everything and one that finds nothing.
    both = np.vstack([distances, distances * np.inf])
    twice = (np.vstack([one] * 2) for one in (everything, relevant, relevant))
    assert metrics.mtwv(both, *twice, seconds, np.full((1, 2), 0.5)) == pytest.approx([0.75 / 2])


def test_z_scores():
    found = metrics.z_scores(DISTANCES, CANDIDATES)
    known = np.array([0.1, 0.2, 0.5])
    np.testing.assert_allclose(found[0, 1:], (known - known.mean()) / known.std())
    np.testing.assert_allclose(found[1], [-1, np.inf, np.inf, 1])
    assert np.isinf(found[0, 0])
    assert (metrics.z_scores(np.ones((1, 3)), np.ones((1, 3), bool)) == 0).all()
    assert np.isinf(metrics.z_scores(np.full((1, 3), np.inf), np.ones((1, 3), bool))).all()


@pytest.mark.parametrize(
    ("span", "hit"),
    [
        ((1.0, 2.0), True),
        ((1.5, 2.5), True),  # half of both
        ((1.51, 2.51), False),
        ((0.0, 2.0), True),  # all of the true one, half of the returned one
        ((0.0, 2.1), False),  # a sentence around the word is no hit
        ((1.5, 2.0), True),
        ((1.6, 2.0), False),
        ((2.0, 3.0), False),
        ((1.0, 1.0), False),
    ],
)
def test_a_hit_overlaps_by_half_of_each(span, hit):
    assert metrics.covers_half(np.array(span), np.array([1.0, 2.0])) == hit


def test_estimates_lie_in_their_intervals():
    generator = np.random.default_rng(0)
    relevant = generator.random((30, 50)) < 0.2
    relevant[:, 0] = True
    distances = generator.random((30, 50)) - 0.4 * relevant
    everything = np.ones_like(relevant)
    detected = distances <= 0.3
    right = (detected & relevant).sum()

    def estimates(draws):
        return metrics.estimates(
            distances, everything, relevant, relevant, 0.3, np.full(50, 1000.0), draws, np.random.default_rng(1)
        )

    found = estimates(200)
    assert found["f1"].value == pytest.approx(2 * right / (detected.sum() + relevant.sum()))
    assert found["recall"].value == pytest.approx(right / relevant.sum())
    assert found["precision"].value == pytest.approx(right / detected.sum())
    assert all(0 < one.low < one.value < one.high < 1 for one in found.values())
    alone = estimates(0)["f1"]
    assert alone.low == alone.value == alone.high == found["f1"].value
