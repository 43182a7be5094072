"""Local alignment against a search over all pairs of stretches, and the properties of its scores."""

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wav2tok.matching.local import UNIT, Scoring, local_distances, local_scores, scoring

K, DIM = 6, 4
CODEBOOK = np.random.default_rng(3).standard_normal((K, DIM)).astype(np.float32)
strings_of = st.lists(st.lists(st.integers(0, K - 1), max_size=6), min_size=1, max_size=3).map(
    lambda all_: [np.array(one, dtype=np.int64) for one in all_]
)


def brute(a: np.ndarray, b: np.ndarray, by: Scoring) -> int:
    """The best over all pairs of stretches of the global alignment's score, with gaps as the definition says."""

    @functools.cache
    def best(i: int, j: int, gap: str, end_i: int, end_j: int) -> float:
        if i == end_i and j == end_j:
            return 0
        options = []
        if i < end_i and j < end_j:
            options.append(int(by.substitution[a[i], b[j]]) + best(i + 1, j + 1, "", end_i, end_j))
        if i < end_i:
            options.append(best(i + 1, j, "a", end_i, end_j) - (by.extension if gap == "a" else by.opening))
        if j < end_j:
            options.append(best(i, j + 1, "b", end_i, end_j) - (by.extension if gap == "b" else by.opening))
        return max(options)

    return int(
        max(
            (
                best(i, j, "", end_i, end_j)
                for i in range(len(a))
                for j in range(len(b))
                for end_i in range(i, len(a) + 1)
                for end_j in range(j, len(b) + 1)
            ),
            default=0,
        )
    )


@settings(deadline=None, max_examples=40)
@given(strings_of, strings_of, st.sampled_from([(0.25, 0.25), (0.5, 0.125), (1.0, 0.0)]))
def test_the_score_is_the_best_over_all_stretches(queries, database, gaps):
    by = scoring(CODEBOOK, 0.3, *gaps)
    measured = local_scores(queries, database, by)
    assert measured.shape == (len(queries), len(database))
    assert measured.tolist() == [[brute(query, item, by) for item in database] for query in queries]


@settings(deadline=None, max_examples=50)
@given(strings_of, strings_of)
def test_scores_are_symmetric_and_a_string_matches_itself_best(queries, database):
    by = scoring(CODEBOOK)
    measured = local_scores(queries, database, by)
    assert np.array_equal(measured, local_scores(database, queries, by).T)
    for query, row in zip(queries, measured, strict=True):
        assert local_scores([query], [query], by)[0, 0] == UNIT * len(query) >= row.max()


@settings(deadline=None, max_examples=30)
@given(strings_of, strings_of, strings_of)
def test_what_stands_around_the_match_changes_no_score_for_the_worse(queries, before, after):
    by = scoring(CODEBOOK)
    inside = np.concatenate([before[0], queries[0], after[0]])
    assert local_scores([queries[0]], [inside], by)[0, 0] == UNIT * len(queries[0])


def test_scores_come_from_the_cosines_and_unrelated_tokens_score_below_0():
    rng = np.random.default_rng(0)
    codebook = rng.standard_normal((50, 32))
    by = scoring(codebook)
    assert (by.substitution == by.substitution.T).all()
    assert (np.diag(by.substitution) == UNIT).all()
    assert by.substitution.max() == UNIT
    assert by.substitution.mean() < 0
    assert np.array_equal(by.substitution, scoring(codebook * np.arange(1, 51)[:, None]).substitution)
    unit = codebook / np.linalg.norm(codebook, axis=1, keepdims=True)
    cosines = (unit @ unit.T)[~np.eye(50, dtype=bool)]
    scores = by.substitution[~np.eye(50, dtype=bool)]
    assert (np.diff(scores[np.argsort(cosines)]) >= 0).all()


@pytest.mark.parametrize("codebook", [np.ones((1, 3)), np.ones((4, 3)), np.zeros((2, 3))])
def test_a_codebook_without_differences_still_scores(codebook):
    by = scoring(codebook)
    assert np.isfinite(by.substitution).all()
    assert (np.diag(by.substitution) == UNIT).all()


@settings(deadline=None, max_examples=30)
@given(strings_of, strings_of)
def test_distances_normalise_by_both_lengths(queries, database):
    measured = local_distances(queries, database, CODEBOOK)
    scores = local_scores(queries, database, scoring(CODEBOOK))
    for (q, d), value in np.ndenumerate(measured):
        if len(queries[q]) and len(database[d]):
            assert value == pytest.approx(1 - scores[q, d] / UNIT / np.sqrt(len(queries[q]) * len(database[d])))
            assert 0 <= value <= 1
        else:
            assert value == np.inf
    assert local_distances([], database, CODEBOOK).shape == (0, len(database))
    assert local_distances(queries, [], CODEBOOK).shape == (len(queries), 0)
