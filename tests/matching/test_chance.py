"""Expected numbers of chance matches, against drawn ones."""

import numpy as np
import pytest

from wav2tok.matching import edit_distances
from wav2tok.matching.chance import Chance, information
from wav2tok.matching.infix import distances_to_ends

K = 64


def zipf(rng: np.random.Generator, length: int) -> np.ndarray:
    """A string of tokens, the k-th commonest with probability proportional to 1 / k, without repeats."""
    odds = 1 / np.arange(1, K + 1)
    out: list[int] = []
    while len(out) < length:
        (token,) = rng.choice(K, 1, p=odds / odds.sum())
        if not out or token != out[-1]:
            out.append(int(token))
    return np.array(out)


@pytest.fixture(scope="module")
def database() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [zipf(rng, length) for length in rng.integers(20, 81, 4000)]


@pytest.fixture(scope="module")
def counts(database) -> np.ndarray:
    return np.bincount(np.concatenate(database), minlength=K)


def test_the_information_of_a_string_says_how_often_it_occurs(database, counts):
    flat = np.concatenate(database)
    pairs = np.bincount(flat[:-1] * K + flat[1:], minlength=K * K)
    for a, b in [(0, 1), (1, 0), (2, 5), (7, 3)]:
        expected = len(flat) * np.exp(-information(np.array([a, b]), counts))
        assert expected == pytest.approx(pairs[a * K + b], rel=0.15)


def test_a_token_that_the_database_lacks_is_possible():
    assert np.isfinite(information(np.array([2, 1]), np.array([5, 5, 0])))
    assert information(np.array([], dtype=np.int64), np.array([5, 5])) == 0


@pytest.mark.parametrize("length", [10, 25, 70])
def test_a_query_has_at_most_about_as_many_whole_matches_as_expected(database, counts, length):
    """Random strings: at a limit of 10 there are 1 to 20 matches a query, for short and long queries alike."""
    rng = np.random.default_rng(length)
    found = []
    for _ in range(30):
        query = zipf(rng, length)
        law = Chance.of(information(query, counts), edit_distances([query[::-1]], database[::8])[0])
        found.append((law.expected(edit_distances([query], database)[0], len(database)) <= 10).sum())
    assert 1 < np.mean(found) < 20


@pytest.mark.parametrize("length", [6, 12, 30])
def test_a_query_has_at_most_about_as_many_passages_as_expected(database, counts, length):
    rng = np.random.default_rng(length)
    flat, lengths = np.concatenate(database), np.array([len(one) for one in database])
    sample = np.concatenate(database[:200])
    firsts = np.cumsum(lengths) - lengths
    found = []
    for _ in range(20):
        query = zipf(rng, length)
        law = Chance.of(information(query, counts), distances_to_ends(query[::-1], sample, lengths[:200]))
        nearest = np.minimum.reduceat(distances_to_ends(query, flat, lengths), firsts)
        found.append((law.expected(nearest, len(flat)) <= 10).sum())
    assert 0.2 < np.mean(found) < 20


def test_a_true_match_is_hardly_expected(database, counts):
    query = database[7].copy()
    query[::4] = (query[::4] + 17) % K
    law = Chance.of(information(query, counts), edit_distances([query[::-1]], database[::8])[0])
    expected = law.expected(edit_distances([query], database)[0], len(database))
    assert expected.argmin() == 7
    assert expected[7] < 1e-3 < np.sort(expected)[1]


def test_nearer_matches_and_smaller_databases_have_fewer_by_chance():
    law = Chance.of(50.0, np.random.default_rng(0).normal(0.7, 0.05, 500))
    expected = law.expected(np.linspace(0, 1, 50), 1000)
    assert (np.diff(expected) >= 0).all()
    assert expected[0] == pytest.approx(1000 * np.exp(-50.0))
    assert expected[-1] == 1000
    assert law.expected(0.4, 2000) == pytest.approx(2 * law.expected(0.4, 1000))


@pytest.mark.parametrize("decoys", [[], [np.inf], [0.5], [0.0, 0.0], [1.0, np.inf], [0.0] * 20 + [1.0] * 20])
def test_samples_without_variety_still_have_a_law(decoys):
    expected = Chance.of(20.0, np.array(decoys)).expected(np.array([0.0, 0.3, 1.0]), 100)
    assert np.isfinite(expected).all()
    assert expected[0] == pytest.approx(100 * np.exp(-20.0))
    assert (np.diff(expected) >= 0).all()
