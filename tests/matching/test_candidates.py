"""Candidates by shared seeds, against sets in Python."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wav2tok.matching import candidates
from wav2tok.matching.candidates import (
    MAX_UNITS,
    PIECE,
    WEIGHT_UNIT,
    WHOLE,
    Postings,
    best,
    seeds,
    shapes,
    unit_of_tokens,
    units_of,
    vote,
)

token_strings = st.lists(st.lists(st.integers(0, 4), max_size=8), min_size=1, max_size=6).map(
    lambda all_: [np.array(one, dtype=np.int64) for one in all_]
)
K = 300


def postings(strings: list[np.ndarray]) -> Postings:
    flat = np.concatenate([np.zeros(0, np.int64), *strings])
    return Postings.build(flat, np.array([len(one) for one in strings], dtype=np.int64), K)


def own_seeds(tokens: np.ndarray) -> set[int]:
    return set(seeds(tokens, np.zeros(len(tokens), dtype=np.int64), K)[0].tolist())


@pytest.mark.parametrize("num_tokens", [2, 8, 32, 64, 128, 256, 512, 2000])
def test_seeds_are_longer_where_tokens_are_few(num_tokens):
    near, gapped = shapes(num_tokens)
    assert len(near) == len(gapped) >= 2
    assert num_tokens ** len(near) >= 2**13
    assert near == tuple(range(len(near)))
    assert gapped[1] == 2


def test_seeds_lie_within_a_string_and_depend_on_tokens_and_pattern():
    flat = np.array([1, 2, 3, 1, 2, 9])
    hashes, places = seeds(flat, np.array([0, 0, 0, 1, 1, 1]), K)
    by_place = sorted(zip(places.tolist(), hashes.tolist(), strict=True))
    assert [place for place, _ in by_place] == [0, 0, 1, 3, 3, 4]
    assert {h for p, h in by_place if p == 0} & {h for p, h in by_place if p == 3}  # 1 2 in both
    assert len(set(hashes.tolist())) == 5


@settings(deadline=None, max_examples=100)
@given(token_strings, token_strings)
def test_votes_are_the_weights_of_shared_seeds(queries, database):
    part = postings(database)
    bits = (len(part.directory) - 1).bit_length() - 1
    shared = [{seed >> 32 - bits for seed in own_seeds(tokens)} for tokens in database]  # by bucket
    for query in queries:
        expected = np.zeros(len(database), dtype=int)
        for seed in own_seeds(query):
            holders = [place for place, one in enumerate(shared) if seed >> 32 - bits in one]
            if holders:
                expected[holders] += max(round(WEIGHT_UNIT * math.log((len(database) + 1) / (len(holders) + 0.5))), 1)
        units, votes = vote(query, [part], K)
        assert dict(zip(units.tolist(), votes.tolist(), strict=True)) == {
            place: score for place, score in enumerate(expected.tolist()) if score
        }


@given(st.lists(st.lists(st.integers(0, 4), max_size=8), min_size=1, max_size=8), st.integers(1, 7))
def test_votes_do_not_depend_on_the_parts(strings, at):
    strings = [np.array(one, dtype=np.int64) for one in strings]
    query = np.arange(5)
    together = vote(query, [postings(strings)], K)
    parts = [postings(strings[:at]), postings(strings[at:])]
    units, votes = vote(query, parts, K)
    # (The frequencies, and so the weights, are the same; with 256 buckets or more no two of these seeds share one.)
    owners, within = np.divmod(units, MAX_UNITS)
    whole = within + np.array([0, min(at, len(strings))])[owners]
    assert whole.tolist() == together[0].tolist()
    assert votes.tolist() == together[1].tolist()


def test_keys_of_many_parts_do_not_overflow():
    """Up to 64 parts, a unit and a vote are one number of 32 bits; beyond, of 64."""
    string = np.arange(6)
    for count in (64, 65, 70):
        units, votes = vote(string, [postings([string])] * count, K)
        assert units.tolist() == [part * MAX_UNITS for part in range(count)]
        assert len(set(votes.tolist())) == 1
        assert votes[0] > 0


def test_the_rarest_seed_of_the_largest_database_keeps_its_votes_to_itself():
    part = replace(postings([np.arange(2)]), units=10**9)
    units, votes = vote(np.arange(2), [part], K)
    assert (units.tolist(), votes.tolist()) == ([0], [1023])


def test_long_strings_are_cut_into_pieces():
    lengths = np.array([0, 5, WHOLE, WHOLE + 1, 3 * PIECE])
    assert units_of(lengths).tolist() == [1, 1, 1, 3, 3]
    unit = unit_of_tokens(lengths)
    assert unit[0] == 1
    assert np.bincount(unit).tolist() == [0, 5, WHOLE, PIECE, PIECE, 1, PIECE, PIECE, PIECE]


def test_the_piece_that_holds_the_query_has_most_votes():
    rng = np.random.default_rng(0)
    string = rng.integers(0, K, 100 * PIECE)
    units, votes = vote(string[40 * PIECE + 10 : 40 * PIECE + 40], [postings([string])], K)
    assert units[votes.argmax()] == 40


@given(st.lists(st.integers(0, 3), max_size=12), st.integers(1, 14))
def test_of_equal_scores_the_first_are_taken(scores, count):
    expected = sorted((place for place, score in enumerate(scores) if score > 0), key=lambda place: -scores[place])
    assert best(np.array(scores, dtype=float), count).tolist() == sorted(expected[:count])


def test_a_string_with_edits_is_found_among_thousands():
    rng = np.random.default_rng(0)
    odds = 1 / np.arange(1, 257)
    database = [rng.choice(256, length, p=odds / odds.sum()) for length in rng.integers(20, 81, 3000)]
    part = postings(database)
    for place in range(0, 3000, 150):
        query = database[place].copy()
        edited = rng.random(len(query)) < 0.3
        query[edited] = rng.integers(0, 256, edited.sum())
        units, votes = vote(query, [part], K)
        assert place in units[best(votes, 20)]


def test_a_query_reads_its_rarest_seeds_when_it_has_too_many_postings(monkeypatch):
    database = [np.array([0, 5]), np.array([0, 5]), np.array([7, 8])]
    part = postings(database)
    query = np.array([0, 5, 7, 8])
    assert vote(query, [part], K)[0].tolist() == [0, 1, 2]
    monkeypatch.setattr(candidates, "_READ", 1)
    assert vote(query, [part], K)[0].tolist() == [2]


def test_a_common_seed_is_not_kept(monkeypatch):
    monkeypatch.setattr(candidates, "_ALWAYS_KEPT", 2)
    part = postings([np.array([0, 5])] * 3 + [np.array([7, 8])] * 2)
    assert vote(np.array([0, 5, 7, 8]), [part], K)[0].tolist() == [3, 4]


@pytest.mark.parametrize("database", [[], [np.array([], dtype=np.int64)]])
def test_nothing_is_found_in_nothing(database):
    assert vote(np.array([1, 2]), [postings(database)], K)[0].tolist() == []
    assert vote(np.array([1, 2]), [], K)[0].tolist() == []
    some = postings([np.array([1, 2])])
    assert vote(np.array([], dtype=np.int64), [some], K)[0].tolist() == []
    assert vote(np.array([9]), [some], K)[0].tolist() == []
