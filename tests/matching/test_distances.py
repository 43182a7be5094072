"""Token strings and their distances, against plain dynamic programmes in Python."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracles import edit_distance, warping_costs
from wav2tok.matching import distances, strings

K, DIM = 6, 4
CODEBOOK = np.random.default_rng(3).standard_normal((K, DIM)).astype(np.float32)
token_strings = st.lists(st.lists(st.integers(0, K - 1), max_size=7), min_size=1, max_size=4).map(
    lambda all_: [np.array(one, dtype=np.int64) for one in all_]
)


def cosine_cost(a: int, b: int, most: float) -> float:
    x, y = CODEBOOK[a].astype(float), CODEBOOK[b].astype(float)
    return 0.0 if a == b else min(max(1 - x @ y / np.linalg.norm(x) / np.linalg.norm(y), 0.0), most)


def against(oracle, queries, database, measured):
    assert measured.shape == (len(queries), len(database))
    for q, query in enumerate(queries):
        for d, item in enumerate(database):
            expected = oracle(query, item) if len(query) and len(item) else np.inf
            assert measured[q, d] == pytest.approx(expected, abs=1e-6)


@settings(deadline=None, max_examples=50)
@given(token_strings, token_strings)
def test_edit_distance_is_levenshtein_over_the_longer(queries, database):
    against(
        lambda a, b: edit_distance(a, b) / max(len(a), len(b)),
        queries,
        database,
        distances.edit_distances(queries, database),
    )


@settings(deadline=None, max_examples=50)
@given(token_strings, token_strings)
def test_weighted_edit_distance_follows_its_oracle_and_never_exceeds_the_plain_one(queries, database):
    measured = distances.weighted_edit_distances(queries, database, CODEBOOK)
    against(
        lambda a, b: edit_distance(a, b, lambda x, y: cosine_cost(x, y, 1.0)) / max(len(a), len(b)),
        queries,
        database,
        measured,
    )
    assert (measured <= distances.edit_distances(queries, database) + 1e-9).all()


@settings(deadline=None, max_examples=50)
@given(token_strings, token_strings)
def test_centroid_dtw_follows_its_oracle(queries, database):
    measured = distances.centroid_dtw_distances(queries, database, CODEBOOK)

    def warped(a, b):
        costs = [[cosine_cost(x, y, 2.0) for y in b] for x in a]
        return warping_costs(costs)[-1, -1] / (len(a) + len(b))

    against(warped, queries, database, measured)


@pytest.mark.parametrize(
    "distances",
    [
        distances.edit_distances,
        lambda q, d: distances.weighted_edit_distances(q, d, CODEBOOK),
        lambda q, d: distances.centroid_dtw_distances(q, d, CODEBOOK),
    ],
)
def test_an_empty_string_is_behind_everything_and_the_same_string_is_at_zero(distances):
    some, other, empty = np.array([0, 1, 2]), np.array([5, 3, 4]), np.array([], dtype=np.int64)
    measured = distances([some, empty], [empty, other, some])
    assert measured[0, 2] == 0 < measured[0, 1] < measured[0, 0] == np.inf
    assert (measured[1] == np.inf).all()
    assert distances([], [some]).shape == (0, 1)
    assert distances([some], []).shape == (1, 0)


@given(st.lists(st.integers(0, 3)))
def test_deduplicate_drops_repeats_only(values):
    string = strings.deduplicate(np.array(values, dtype=np.int64)).tolist()
    assert string == [v for i, v in enumerate(values) if i == 0 or values[i - 1] != v]


@given(st.lists(st.integers(0, 3)))
def test_runs_repeat_to_the_string_that_they_are_of(values):
    tokens = np.array(values, dtype=np.int64)
    starts, lengths = strings.runs(tokens)
    assert np.repeat(tokens[starts], lengths).tolist() == values
    assert starts.tolist() == [i for i, v in enumerate(values) if i == 0 or values[i - 1] != v]
    assert (lengths > 0).all()


def test_text_has_a_character_of_its_own_for_each_token_and_no_surrogate():
    text = strings.as_text(np.arange(100_000))
    assert len(text) == len(set(text)) == 100_000
    assert text.encode("utf-8").decode("utf-8") == text
    assert not any(character.isspace() for character in text[:64])
    # Indexes on disk depend on the mapping: it stays.
    assert strings.as_text(np.array([0, 1, 63, 60_000])) == '!"`' + chr(60_000 + 0x21 + 0x800)
    assert strings.as_text(np.array([], dtype=np.int64)) == ""


@pytest.mark.parametrize("token", [-1, strings.MAX_TOKENS])
def test_text_refuses_what_it_cannot_hold(token):
    with pytest.raises(ValueError, match="tokens must lie in"):
        strings.as_text(np.array([0, token]))
    assert len(strings.as_text(np.array([strings.MAX_TOKENS - 1]))) == 1


def test_codebook_rows_need_no_unit_length():
    queries = [np.array([0, 3, 1])]
    database = [np.array([2, 3]), np.array([4, 5, 0])]
    scaled = CODEBOOK * np.arange(1, K + 1)[:, None]
    for measure in (distances.weighted_edit_distances, distances.centroid_dtw_distances):
        np.testing.assert_allclose(measure(queries, database, CODEBOOK), measure(queries, database, scaled), rtol=1e-5)


@pytest.mark.parametrize("form", [distances.weighted_edit_distances, distances.centroid_dtw_distances])
@given(seed=st.integers(0, 999))
@settings(max_examples=30, deadline=None)
def test_sums_of_the_same_costs_in_another_order_are_equal(form, seed: int) -> None:
    """Read backwards, two strings are as far apart as before: to the bit, or rounding would rank them."""
    rng = np.random.default_rng(seed)
    codebook = rng.standard_normal((6, 5)).astype(np.float32)
    drawn = [strings.deduplicate(rng.integers(0, 6, n)) for n in rng.integers(1, 30, 6)]
    backwards = [string[::-1] for string in drawn]
    assert np.array_equal(form(drawn, drawn, codebook), form(backwards, backwards, codebook))
