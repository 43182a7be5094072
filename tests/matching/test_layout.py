"""The map: exact where a plane suffices, neighbours together where it does not, the same every time."""

import numpy as np
import pytest

from wav2tok.matching.layout import classical, layout, neighbours_kept


def families(count: int, each: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Token strings with a common ancestor per family, a third of whose tokens changed, and their families."""
    rng = np.random.default_rng(0)
    strings, labels = [], []
    for family in range(count):
        ancestor = rng.integers(0, 200, 40)
        for _ in range(each):
            child = ancestor.copy()
            changed = rng.random(40) < 0.33
            child[changed] = rng.integers(0, 200, changed.sum())
            strings.append(child)
            labels.append(family)
    return strings, np.array(labels)


def nearest_is_kin(points: np.ndarray, labels: np.ndarray) -> float:
    """The share of points whose nearest other point is of their family."""
    distances = np.linalg.norm(points[:, None] - points, axis=-1)
    np.fill_diagonal(distances, np.inf)
    return float((labels[distances.argmin(axis=1)] == labels).mean())


def test_classical_scaling_finds_points_of_a_plane_again():
    points = np.random.default_rng(1).normal(size=(30, 2))
    distances = np.linalg.norm(points[:, None] - points, axis=-1)
    found = classical(distances)
    np.testing.assert_allclose(np.linalg.norm(found[:, None] - found, axis=-1), distances, atol=1e-9)


def test_families_stand_together_also_where_no_plane_keeps_the_distances():
    strings, labels = families(12, 6)
    points = layout(strings)
    assert points.shape == (72, 2)
    assert np.abs(points).max() == pytest.approx(1.0)
    assert nearest_is_kin(points, labels) > 0.95
    np.testing.assert_array_equal(points, layout(strings))


def test_strings_beyond_the_landmarks_stand_among_their_kin():
    strings, labels = families(6, 20)
    points = layout(strings, landmarks=60)
    assert np.isfinite(points).all()
    assert nearest_is_kin(points, labels) > 0.95


@pytest.mark.parametrize("count", range(6))
def test_few_strings_and_equal_or_empty_ones_have_a_place(count):
    for strings in ([np.array([1, 2, 3])] * count, [np.array([], dtype=np.int64)] * count):
        points = layout(strings)
        assert points.shape == (count, 2)
        assert np.isfinite(points).all()
    assert np.isfinite(neighbours_kept(np.ones((count, count)) - np.eye(count))).all()
