"""Infix matching against brute force over every substring."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from tests.oracles import edit_distance
from wav2tok.evaluation.baselines import frames
from wav2tok.evaluation.spotting import kernels
from wav2tok.matching.strings import as_text, deduplicate

TOKENS = st.lists(st.integers(0, 3), max_size=9).map(np.array)


def cut(sequence, span):
    return sequence[span[0] : span[1]]


@given(st.lists(TOKENS, min_size=1, max_size=3), st.lists(TOKENS, min_size=1, max_size=4))
def test_edit_is_the_least_over_all_substrings(queries, database):
    found = kernels.edit_spans(queries, database)
    for q, query in enumerate(map(deduplicate, queries)):
        for d, item in enumerate(database):
            string = deduplicate(item)
            if not len(query) or not len(string):
                assert found.distances[q, d] == np.inf
                continue
            parts = [string[i:j] for i in range(len(string) + 1) for j in range(i, len(string) + 1)]
            least = min(Levenshtein.distance(as_text(query), as_text(part)) for part in parts)
            assert found.distances[q, d] == least / len(query)
            # The span is one of the best, and its frames begin and end with runs of tokens.
            part = deduplicate(cut(item, found.frames[q, d]))
            assert Levenshtein.distance(as_text(query), as_text(part)) == least


@given(TOKENS, TOKENS, st.integers(0, 5))
def test_weighted_edit_is_the_least_over_all_substrings(query, item, seed):
    codebook = np.random.default_rng(seed).standard_normal((4, 3))
    codebook /= np.linalg.norm(codebook, axis=1, keepdims=True)
    found = kernels.edit_spans([query], [item], codebook)
    query, string = deduplicate(query), deduplicate(item)
    if not len(query) or not len(string):
        assert found.distances[0, 0] == np.inf
        return

    def cost(a, b):
        return 0.0 if a == b else min(1.0, 1.0 - codebook[a] @ codebook[b])

    parts = [string[i:j] for i in range(len(string) + 1) for j in range(i, len(string) + 1)]
    least = min(edit_distance(query, part, cost) for part in parts)
    assert found.distances[0, 0] * len(query) == pytest.approx(least, abs=1e-5)
    assert edit_distance(query, deduplicate(cut(item, found.frames[0, 0])), cost) == pytest.approx(least, abs=1e-5)


def paths(rows, columns):
    """Every way from the first cell to the last by steps (1, 1), (1, 2), (2, 1): the cells that count."""
    if (rows, columns) == (0, 0):
        return [[(0, 0)]]
    found = []
    for down, right in ((1, 1), (1, 2), (2, 1)):
        if rows >= down and columns >= right:
            cells = [(rows - 1, columns), (rows, columns)] if down == 2 else [(rows, columns)]
            found += [path + cells for path in paths(rows - down, columns - right)]
    # The query's first two rows may share the first column.
    if (rows, columns) == (1, 0):
        found.append([(0, 0), (1, 0)])
    return found


@given(st.integers(1, 6), st.integers(1, 8), st.integers(0, 100))
def test_warping_is_the_least_over_all_paths(rows, columns, seed):
    generator = np.random.default_rng(seed)
    query, item = generator.standard_normal((rows, 3)), generator.standard_normal((columns, 3))
    unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (query, item)]
    local = 1 - unit[0] @ unit[1].T
    every = {}
    for first in range(columns):
        for last in range(first, columns):
            for path in paths(rows - 1, last - first):
                total = sum(local[i, first + j] for i, j in path)
                every[first, last + 1] = min(total, every.get((first, last + 1), np.inf))
    found = kernels.warped_spans([query], [item])
    if not every:
        assert found.distances[0, 0] == np.inf
        return
    assert found.distances[0, 0] * rows == pytest.approx(min(every.values()), abs=1e-4)
    assert every[tuple(found.frames[0, 0])] == pytest.approx(min(every.values()), abs=1e-4)


def test_chunks_change_nothing_and_what_is_empty_matches_nothing(monkeypatch):
    generator = np.random.default_rng(0)
    database = [generator.standard_normal((n, 4)) for n in (9, 0, 30, 12, 25)]
    queries = [generator.standard_normal((n, 4)) for n in (3, 0, 70, 6)]
    whole = kernels.warped_spans(queries, database)
    monkeypatch.setattr(frames, "COLUMNS_AT_ONCE", 20)
    parts = kernels.warped_spans(queries, database)
    np.testing.assert_array_equal(whole.frames, parts.frames)
    np.testing.assert_allclose(whole.distances, parts.distances, atol=1e-6)
    # Empty ones, and what is more than twice as long as the item.
    expected = np.zeros((4, 5), dtype=bool)
    expected[[1, 2]] = expected[:, 1] = True
    np.testing.assert_array_equal(np.isinf(whole.distances), expected)


def test_warping_finds_a_stretch_at_another_speed():
    generator = np.random.default_rng(1)
    query = generator.standard_normal((12, 5))
    item = np.concatenate([generator.standard_normal((7, 5)), np.repeat(query, 2, axis=0), query[::-1]])
    found = kernels.warped_spans([query], [item])
    assert found.distances[0, 0] < 1e-6
    first, last = found.frames[0, 0]
    assert first in (7, 8)
    assert last in (30, 31)


def test_spans_of_tokens_are_spans_of_frames():
    item = np.array([5, 5, 1, 1, 1, 2, 3, 3, 9])
    codebook = np.eye(10)
    for find in (
        kernels.edit_spans,
        lambda q, d: kernels.edit_spans(q, d, codebook),
        lambda q, d: kernels.centroid_warped_spans(q, d, codebook),
    ):
        found = find([np.array([1, 2, 2, 2, 3])], [item])
        assert found.distances[0, 0] == 0
        assert tuple(found.frames[0, 0]) == (2, 8)


def test_among_equal_spans_the_one_of_the_querys_length():
    # "0 1 2" in "0 1 9": one deletion gives "0 1", one substitution the whole.
    found = kernels.edit_spans([np.array([0, 1, 2])], [np.array([8, 0, 1, 9])])
    assert found.distances[0, 0] == pytest.approx(1 / 3)
    assert tuple(found.frames[0, 0]) == (1, 4)
