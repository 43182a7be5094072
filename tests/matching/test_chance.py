"""Expected numbers of chance matches, against drawn ones."""

import math
from collections import Counter, defaultdict
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wav2tok.matching import edit_distances
from wav2tok.matching.chance import Chance, Source
from wav2tok.matching.infix import distances_to_ends
from wav2tok.matching.strings import deduplicate

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


def source_of(strings: list[np.ndarray], counts: np.ndarray | None = None) -> Source:
    flat = np.concatenate(strings)
    counts = np.bincount(flat, minlength=K) if counts is None else counts
    return Source.of(counts, flat, np.array([len(one) for one in strings]))


@pytest.fixture(scope="module")
def source(database) -> Source:
    return source_of(database)


def test_the_information_of_a_string_says_how_often_it_occurs(database, source):
    pairs = np.zeros((K, K))
    for one in database:
        np.add.at(pairs, (one[:-1], one[1:]), 1)
    for a, b in [(0, 1), (1, 0), (2, 5), (7, 3)]:
        expected = sum(map(len, database)) * np.exp(-source.information(np.array([a, b])))
        assert expected == pytest.approx(pairs[a, b], rel=0.05)


@given(st.lists(st.lists(st.integers(0, 4), max_size=9), min_size=1, max_size=5), st.lists(st.integers(0, 4)))
def test_information_is_witten_bells(strings, query):
    """Against a dictionary of followers."""
    query = deduplicate(np.array(query, dtype=np.int64))
    strings = [np.array(one, dtype=np.int64) for one in strings]
    counts = np.bincount(np.concatenate(strings), minlength=5)
    followers = defaultdict(Counter)
    for one in strings:
        for a, b in pairwise(one.tolist()):
            followers[a][b] += 1
    share = (counts + 1) / (counts.sum() + 5)
    expected = -math.log(share[query[0]]) if len(query) else 0.0
    for a, b in pairwise(query.tolist()):
        kinds = max(len(followers[a]), 1)
        own = min(followers[a][b], 1)
        others = min(share[b] / (1 - share[a]), 1.0)
        odds = (followers[a][b] - own + kinds * others) / (followers[a].total() - own + kinds)
        expected -= math.log(odds)
    assert source_of(strings, counts).information(query) == pytest.approx(expected)


def test_what_may_follow_a_token_is_one_in_all(source):
    odds = [np.exp(-(source.information(np.array([3, b])) - source.information(np.array([3])))) for b in range(K)]
    odds[3] = 0  # no two neighbours are equal
    assert sum(odds) == pytest.approx(1, abs=0.02)  # each lacks one occurrence


def test_a_token_that_the_database_lacks_is_possible():
    source = source_of([np.array([0, 1, 0, 1])], np.array([5, 5, 0]))
    assert np.isfinite(source.information(np.array([2, 1])))
    assert source.information(np.array([], dtype=np.int64)) == 0


@pytest.mark.parametrize("length", [10, 25, 70])
def test_a_query_has_at_most_about_as_many_whole_matches_as_expected(database, source, length):
    """Random strings: at a limit of 10 there are 1 to 20 matches a query, for short and long queries alike."""
    rng = np.random.default_rng(length)
    found = []
    for _ in range(30):
        query = zipf(rng, length)
        law = Chance.of(source.information(query), edit_distances([query], database[::8])[0])
        found.append((law.expected(edit_distances([query], database)[0], len(database)) <= 10).sum())
    assert 1 < np.mean(found) < 20


@pytest.mark.parametrize("length", [6, 12, 30])
def test_a_query_has_at_most_about_as_many_passages_as_expected(database, source, length):
    rng = np.random.default_rng(length)
    flat, lengths = np.concatenate(database), np.array([len(one) for one in database])
    sample = np.concatenate(database[:200])
    firsts = np.cumsum(lengths) - lengths
    found = []
    for _ in range(20):
        query = zipf(rng, length)
        law = Chance.of(source.information(query), distances_to_ends(query, sample, lengths[:200]))
        nearest = np.minimum.reduceat(distances_to_ends(query, flat, lengths), firsts)
        found.append((law.expected(nearest, len(flat)) <= 10).sum())
    assert 0.2 < np.mean(found) < 20


def test_a_true_match_is_hardly_expected(database, source):
    query = database[7].copy()
    query[::4] = (query[::4] + 17) % K
    law = Chance.of(source.information(query), edit_distances([query], database[::8])[0])
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


@pytest.mark.parametrize("distances", [[], [np.inf], [0.5], [0.0, 0.0], [1.0, np.inf], [0.0] * 20 + [1.0] * 20])
def test_samples_without_variety_still_have_a_law(distances):
    expected = Chance.of(20.0, np.array(distances)).expected(np.array([0.0, 0.3, 1.0]), 100)
    assert np.isfinite(expected).all()
    assert expected[0] == pytest.approx(100 * np.exp(-20.0))
    assert (np.diff(expected) >= 0).all()
