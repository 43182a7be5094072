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
    buckets,
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


def own_buckets(tokens: np.ndarray, part: Postings) -> list[int]:
    numbers = np.array(sorted(own_seeds(tokens)), dtype=np.uint64)
    return buckets(numbers, len(part.directory) - 1, K).tolist()


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
    numbers, places = seeds(flat, np.array([0, 0, 0, 1, 1, 1]), K)
    by_place = sorted(zip(places.tolist(), numbers.tolist(), strict=True))
    assert [place for place, _ in by_place] == [0, 0, 1, 3, 3, 4]
    assert {h for p, h in by_place if p == 0} & {h for p, h in by_place if p == 3}  # 1 2 in both
    assert len(set(numbers.tolist())) == 5


@given(st.lists(st.integers(0, 39), min_size=4, max_size=60), st.sampled_from([40, 256, 5000]), st.integers(8, 22))
def test_each_seed_has_its_own_bucket_where_there_is_room(tokens, num_tokens, bits):
    string = np.array(tokens)
    numbers = np.unique(seeds(string, np.zeros(len(string), dtype=np.int64), num_tokens)[0])
    possible = 2 * num_tokens ** len(shapes(num_tokens)[0])
    count = min(1 << bits, possible)
    found = buckets(numbers, count, num_tokens)
    assert found.min() >= 0
    assert found.max() < count
    if count == possible:
        assert len(set(found.tolist())) == len(numbers)


def test_hashed_seeds_fill_the_buckets_evenly():
    numbers = np.arange(100_000, dtype=np.uint64)
    counts = np.bincount(buckets(numbers, 1024, 5000), minlength=1024)
    assert counts.std() < 2 * math.sqrt(100_000 / 1024)


def test_a_large_part_with_few_tokens_has_a_bucket_for_each_possible_seed():
    rng = np.random.default_rng(0)
    flat = rng.integers(0, 32, 2**20)
    part = Postings.build(flat, np.full(2**10, 2**10), 32)
    assert len(part.directory) - 1 == 2 * 32**3
    numbers = seeds(flat[:5], np.zeros(5, dtype=np.int64), 32)[0]
    for begin, count in zip(*part.spans(numbers, 32), strict=True):
        assert 0 in part.items[begin : begin + count]  # the first unit has them
    assert (np.diff(part.directory.astype(np.int64)) >= 0).all()


@settings(deadline=None, max_examples=100)
@given(token_strings, token_strings)
def test_votes_are_the_weights_of_shared_seeds(queries, database):
    part = postings(database)
    shared = [set(own_buckets(tokens, part)) for tokens in database]
    for query in queries:
        expected = np.zeros(len(database), dtype=int)
        for bucket in own_buckets(query, part):
            holders = [place for place, one in enumerate(shared) if bucket in one]
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
