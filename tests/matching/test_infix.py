"""Where a query occurs within strings, against plain dynamic programming and the kernel of the report."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracles import edit_distance
from wav2tok.evaluation.spotting.kernels import edit_spans
from wav2tok.matching import deduplicate, infix
from wav2tok.matching.infix import Growing, begin_of, distances_to_ends, occurrences

tokens = st.lists(st.integers(0, 4), max_size=12).map(lambda one: deduplicate(np.array(one, dtype=np.int64)))


def to_ends(query: np.ndarray, text: np.ndarray) -> list[int]:
    """The last row of Sellers' table."""
    row = np.arange(len(query) + 1)
    out = []
    for token in text:
        new = np.zeros_like(row)
        for i in range(len(query)):
            new[i + 1] = min(row[i] + (query[i] != token), row[i + 1] + 1, new[i] + 1)
        row = new
        out.append(int(row[-1]))
    return out


@settings(deadline=None, max_examples=150)
@given(tokens, st.lists(tokens, max_size=6), st.integers(1, 4))
def test_distances_are_those_of_the_table(query, strings, lanes):
    flat = np.concatenate([np.zeros(0, np.int64), *strings])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(infix, "_LANES", lanes)
        got = distances_to_ends(query, flat, np.array([len(one) for one in strings], dtype=np.int64))
    assert got.tolist() == [edits for one in strings for edits in to_ends(query, one)]


@given(tokens, tokens)
def test_a_growing_string_has_the_same_distances(query, string):
    growing = Growing(query)
    assert [growing.push(token) for token in string.tolist()] == to_ends(query, string)


@pytest.mark.parametrize("size", [1, 63, 64, 65, 128, 200])
def test_queries_of_several_machine_words(size):
    rng = np.random.default_rng(size)
    query, strings = rng.integers(0, 9, size), [rng.integers(0, 9, length) for length in (0, 1, 50, 700, 2000)]
    strings.append(np.concatenate([strings[2], query, strings[1]]))
    flat, lengths = np.concatenate(strings), np.array([len(one) for one in strings])
    assert distances_to_ends(query, flat, lengths).tolist() == [e for one in strings for e in to_ends(query, one)]


@settings(deadline=None, max_examples=100)
@given(tokens.filter(len), st.lists(tokens.filter(len), min_size=1, max_size=5))
def test_the_nearest_occurrence_is_as_near_as_in_the_report(query, strings):
    reported = edit_spans([query], strings).distances[0]
    for string, distance in zip(strings, reported, strict=True):
        edits = distances_to_ends(query, string, np.array([len(string)]))
        assert edits.min() / len(query) == distance
        for first, last, count in occurrences(edits, query, string, -1):
            assert count == edits.min()
            assert edit_distance(query.tolist(), string[first:last].tolist()) == count


@settings(deadline=None, max_examples=150)
@given(tokens.filter(len), tokens.filter(len), st.integers(0, 8))
def test_occurrences_do_not_overlap_and_cost_what_they_say(query, string, most):
    edits = distances_to_ends(query, string, np.array([len(string)]))
    found = occurrences(edits, query, string, most)
    taken = np.zeros(len(string), dtype=int)
    for first, last, count in found:
        taken[first:last] += 1
        assert edit_distance(query.tolist(), string[first:last].tolist()) == count < len(query)
    assert taken.max() <= 1
    assert [count for *_, count in found] == sorted(count for *_, count in found)
    assert all(count <= most for *_, count in found[1:])


def test_every_planted_occurrence_is_found():
    query, filler = np.array([1, 2, 3, 4, 5, 6]), np.arange(10, 17)
    changed = np.array([1, 2, 9, 4, 5, 6])
    string = np.concatenate([filler, query, filler, changed, query, filler])
    edits = distances_to_ends(query, string, np.array([len(string)]))
    assert sorted(occurrences(edits, query, string, 2)) == [(7, 13, 0), (20, 26, 1), (26, 32, 0)]


def test_a_span_keeps_the_length_of_the_query_where_it_can():
    query = np.array([1, 2, 3])
    assert begin_of(query, np.array([7, 8, 1, 2, 9]), 1) == 3
    string = np.array([7, 8, 1, 2, 9, 8])
    edits = distances_to_ends(query, string, np.array([6]))
    assert occurrences(edits, query, string, 0) == [(2, 5, 1)]
