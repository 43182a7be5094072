"""Candidates by shared n-grams, against sets in Python."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wav2tok.matching import candidates
from wav2tok.matching.candidates import ORDERS, Postings, best_first

token_strings = st.lists(st.lists(st.integers(0, 4), max_size=8), min_size=1, max_size=6).map(
    lambda all_: [np.array(one, dtype=np.int64) for one in all_]
)


def grams(tokens: np.ndarray) -> set[tuple[int, ...]]:
    return {tuple(tokens[i : i + n].tolist()) for n in ORDERS for i in range(len(tokens) - n + 1)}


@settings(deadline=None, max_examples=100)
@given(token_strings, token_strings, st.integers(1, 8))
def test_the_strings_that_share_most_come_first(queries, database, count):
    postings = Postings.build(database)
    shared = [grams(tokens) for tokens in database]
    for query in queries:
        scores = np.zeros(len(database))
        for gram in grams(query):
            holders = [place for place, one in enumerate(shared) if gram in one]
            scores[holders] += math.log((len(database) + 1) / len(holders)) if holders else 0.0
        found = postings.candidates(query, count)
        assert len(found) == min(count, np.count_nonzero(scores))
        assert len(set(found.tolist())) == len(found)
        expected = np.sort(scores)[::-1][: len(found)]
        np.testing.assert_allclose(scores[found], expected, atol=1e-9)


@given(st.lists(st.integers(0, 3), max_size=12), st.integers(1, 14))
def test_the_greatest_come_first_and_ties_in_order(scores, count):
    expected = sorted((place for place, score in enumerate(scores) if score > 0), key=lambda place: -scores[place])
    assert best_first(np.array(scores, dtype=float), count).tolist() == expected[:count]


def test_a_string_with_edits_is_found_among_thousands():
    rng = np.random.default_rng(0)
    odds = 1 / np.arange(1, 257)
    database = [rng.choice(256, length, p=odds / odds.sum()) for length in rng.integers(20, 81, 3000)]
    postings = Postings.build(database)
    for place in range(0, 3000, 150):
        query = database[place].copy()
        edited = rng.random(len(query)) < 0.3
        query[edited] = rng.integers(0, 256, edited.sum())
        assert place in postings.candidates(query, 20)


def test_a_query_reads_its_rarest_n_grams_when_it_has_too_many_postings(monkeypatch):
    database = [np.array([0, 0, 1]), np.array([0, 2]), np.array([0, 3])]
    monkeypatch.setattr(candidates, "_POSTINGS", 1)
    assert Postings.build(database).candidates(np.array([0, 1])).tolist() == [0]


@pytest.mark.parametrize("database", [[], [np.array([], dtype=np.int64)]])
def test_nothing_is_found_in_nothing(database):
    postings = Postings.build(database)
    assert postings.candidates(np.array([1, 2])).tolist() == []
    assert Postings.build([np.array([1, 2])]).candidates(np.array([], dtype=np.int64)).tolist() == []
    assert Postings.build([np.array([1, 2])]).candidates(np.array([9])).tolist() == []
