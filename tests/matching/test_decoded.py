"""Decoded strings and their distances, against loops in float64."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracles import warping_costs
from wav2tok.matching import centroid_dtw_distances, decoded
from wav2tok.matching.decoded import TAPS, decode, decoded_dtw_distances

K, DIM = 6, 4
CODEBOOK = np.random.default_rng(3).standard_normal((K, DIM)).astype(np.float32)
token_strings = st.lists(st.lists(st.integers(0, K - 1), max_size=7), min_size=1, max_size=4).map(
    lambda all_: [np.array(one, dtype=np.int64) for one in all_]
)


def looped(tokens: np.ndarray, taps: tuple[float, ...]) -> np.ndarray:
    """Each step by its own sum, with the ends of the string repeated."""
    unit = CODEBOOK.astype(float) / np.linalg.norm(CODEBOOK.astype(float), axis=1, keepdims=True)
    rows = np.zeros((len(tokens), DIM))
    for step in range(len(tokens)):
        for place, weight in enumerate(taps):
            neighbour = min(max(step + place - len(taps) // 2, 0), len(tokens) - 1)
            rows[step] += weight * unit[tokens[neighbour]]
        rows[step] /= np.linalg.norm(rows[step])
    return rows


@settings(deadline=None, max_examples=50)
@given(token_strings, st.sampled_from([(1.0,), (0.5, 1.0, 0.5), TAPS]))
def test_each_step_is_the_weighted_sum_of_the_centroids_around_it(strings, taps):
    for tokens in strings:
        np.testing.assert_allclose(decode(tokens, CODEBOOK, taps), looped(tokens, taps), atol=1e-9)


@settings(deadline=None, max_examples=50)
@given(token_strings, token_strings)
def test_distances_follow_their_oracle(queries, database):
    measured = decoded_dtw_distances(queries, database, CODEBOOK)
    assert measured.shape == (len(queries), len(database))
    for q, query in enumerate(queries):
        for d, item in enumerate(database):
            expected = np.inf
            if len(query) and len(item):
                local = 1 - looped(query, TAPS) @ looped(item, TAPS).T
                expected = warping_costs(local)[-1, -1] / (len(query) + len(item))
            assert measured[q, d] == pytest.approx(expected, abs=1e-6)


@settings(deadline=None, max_examples=50)
@given(token_strings, token_strings)
def test_distances_are_symmetric_and_least_to_the_string_itself(queries, database):
    measured = decoded_dtw_distances(queries, database, CODEBOOK)
    np.testing.assert_allclose(measured, decoded_dtw_distances(database, queries, CODEBOOK).T, atol=1e-9)
    for place, query in enumerate(queries):
        if len(query):
            assert decoded_dtw_distances([query], [query], CODEBOOK)[0, 0] == 0 <= measured[place].min()


@settings(deadline=None, max_examples=30)
@given(token_strings, token_strings)
def test_the_centre_tap_alone_is_centroid_dtw(queries, database):
    measured = decoded_dtw_distances(queries, database, CODEBOOK, taps=[1.0])
    np.testing.assert_allclose(measured, centroid_dtw_distances(queries, database, CODEBOOK), atol=1e-8)


def test_a_filter_of_scaled_unit_matrices_is_its_taps():
    tokens = np.array([0, 3, 1, 5])
    matrix = np.concatenate([weight * np.eye(DIM) for weight in TAPS])
    np.testing.assert_allclose(decode(tokens, CODEBOOK, matrix), decode(tokens, CODEBOOK), atol=1e-12)


@pytest.mark.parametrize("taps", [np.ones(4), np.ones((2 * DIM, DIM)), np.ones((3 * DIM + 1, DIM))])
def test_taps_without_a_centre_are_refused(taps):
    with pytest.raises(ValueError, match="have no centre"):
        decode(np.array([0, 1]), CODEBOOK, taps)


def test_an_empty_string_is_infinitely_far_and_no_string_is_no_row():
    some, empty = np.array([0, 1]), np.array([], dtype=np.int64)
    assert decode(empty, CODEBOOK).shape == (0, DIM)
    assert decoded_dtw_distances([some, empty], [empty, some], CODEBOOK).tolist() == [[np.inf, 0], [np.inf, np.inf]]
    assert decoded_dtw_distances([], [some], CODEBOOK).shape == (0, 1)
    assert decoded_dtw_distances([some], [], CODEBOOK).shape == (1, 0)


def test_blocks_of_the_database_change_nothing(monkeypatch):
    rng = np.random.default_rng(0)
    strings = [rng.integers(0, K, length) for length in (3, 9, 0, 5, 30, 1)]
    whole = decoded_dtw_distances(strings, strings, CODEBOOK)
    monkeypatch.setattr(decoded, "_STEPS", 10)
    assert np.array_equal(decoded_dtw_distances(strings, strings, CODEBOOK), whole)
