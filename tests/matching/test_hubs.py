"""Distances without hubs, against loops."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wav2tok.matching import edit_distances, mrr_map, rank
from wav2tok.matching.hubs import WithoutHubs, neighbour_distances, without_hubs


def points(rng: np.random.Generator, count: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Random points [N, d] and the distances between them [N, N]."""
    drawn = rng.standard_normal((count, size))
    return drawn, np.linalg.norm(drawn[:, None] - drawn[None], axis=2)


@given(count=st.integers(1, 9), neighbours=st.integers(1, 12), seed=st.integers(0, 999))
@settings(max_examples=50, deadline=None)
def test_an_item_loses_half_its_mean_distance_to_its_nearest_others(count, neighbours, seed):
    rng = np.random.default_rng(seed)
    _, among = points(rng, count, 3)
    among[rng.random(among.shape) < 0.1] = np.inf
    distances = rng.random((4, count))
    measured = without_hubs(distances, among, neighbours)
    for item in range(count):
        others = sorted(among[item, other] for other in range(count) if other != item)[:neighbours]
        finite = [value for value in others if np.isfinite(value)]
        taken = np.mean(finite) / 2 if finite else 0.0
        np.testing.assert_allclose(measured[:, item], distances[:, item] - taken)


def test_items_of_equal_neighbourhoods_keep_their_order():
    """On a circle, every item has the same neighbours."""
    angles = np.arange(12) * np.pi / 6
    drawn = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    among = np.linalg.norm(drawn[:, None] - drawn[None], axis=2).round(9)
    everything = np.ones((1, 12), dtype=bool)
    asked = np.linalg.norm(drawn - [0.7, 0.1], axis=1)[None]
    assert np.array_equal(rank(asked, everything), rank(without_hubs(asked, among), everything))


def test_it_raises_map_where_there_are_hubs():
    """Classes around centres, with items that lie near the middle of all."""
    rng = np.random.default_rng(0)
    classes = np.repeat(np.arange(20), 6)
    drawn = rng.standard_normal((20, 30))[classes] + 1.2 * rng.standard_normal((120, 30))
    drawn[::6] *= 0.3
    among = np.linalg.norm(drawn[:, None] - drawn[None], axis=2)
    relevant, candidates = classes[:, None] == classes[None], ~np.eye(120, dtype=bool)
    _, before = mrr_map(among, relevant, candidates)
    _, after = mrr_map(without_hubs(among, among), relevant, candidates)
    assert after > before + 0.05


def test_the_items_of_a_database_are_compared_once_and_those_of_another_anew():
    calls = []

    def counted(queries, database):
        calls.append(len(queries))
        return edit_distances(queries, database)

    rng = np.random.default_rng(0)
    one, other = ([rng.integers(0, 4, 6) for _ in range(count)] for count in (5, 7))
    distances = WithoutHubs(counted)
    for database in (one, one, other):
        expected = without_hubs(edit_distances(one[:2], database), edit_distances(database, database))
        assert np.array_equal(distances(one[:2], database), expected)
    assert calls == [5, 2, 2, 7, 2]


@pytest.mark.parametrize("strings", [[], [np.array([1, 2])], [np.array([1, 2]), np.array([], dtype=np.int64)]])
def test_few_and_empty_strings(strings):
    measured = WithoutHubs(edit_distances)([np.array([1, 2])], strings)
    assert measured.tolist() == edit_distances([np.array([1, 2])], strings).tolist()
    assert neighbour_distances(np.zeros((1, 1))).tolist() == [0.0]
