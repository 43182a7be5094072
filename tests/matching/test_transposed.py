"""Local alignment in several keys: strings of frames that one can read, and the definition pair by pair."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wav2tok.config.parameters import load, to_dict
from wav2tok.matching.local import UNIT, Scoring, local_distances, local_scores, scoring
from wav2tok.matching.transposed import (
    BELLS,
    KEYS,
    REACH,
    is_transposable,
    transposed,
    transposed_distances,
    transposed_scorings,
)

K, CONTEXT = 9, 3
strings_of = st.lists(st.lists(st.integers(0, K - 1), max_size=6), min_size=1, max_size=3).map(
    lambda all_: [np.array(one, dtype=np.int64) for one in all_]
)


def melodies(notes: list[list[float | None]]) -> np.ndarray:
    """Rows of frames as the contour features have them: notes in semitones around the mean, None for a rest."""
    rows = []
    for row in notes:
        frames = []
        for note in row:
            bells = np.zeros(BELLS) if note is None else np.exp(-((note - np.arange(-14, 15)) ** 2) / 2.88)
            frames.append([*bells, float(note is None)])
        rows.append(np.concatenate(frames))
    return np.array(rows)


def drawn(seed: int) -> np.ndarray:
    """[K, 90], in any proportion of notes and rests."""
    return np.random.default_rng(seed).random((K, CONTEXT * (BELLS + 1))).astype(np.float32) ** 4


@pytest.mark.parametrize("semitones", [-2, -1, 0, 1, 2])
def test_a_melody_is_moved_note_by_note_and_rests_stay(semitones):
    notes = [[0, 3, None], [-5.5, 2, 2], [None, None, -1]]
    higher = [[None if note is None else note + semitones for note in row] for row in notes]
    assert np.allclose(transposed(melodies(notes), semitones), melodies(higher), atol=1e-6)


def test_what_leaves_the_range_is_lost():
    codebook = drawn(0)
    there_and_back = transposed(transposed(codebook, 2), -2).reshape(K, CONTEXT, BELLS + 1)
    frames = codebook.reshape(K, CONTEXT, BELLS + 1)
    assert np.array_equal(there_and_back[:, :, : BELLS - 2], frames[:, :, : BELLS - 2])
    assert not there_and_back[:, :, BELLS - 2 : BELLS].any()
    assert np.array_equal(there_and_back[:, :, BELLS], frames[:, :, BELLS])


def test_the_tables_say_which_token_is_which_one_higher():
    scale = melodies([[note, note] for note in range(-4, 5)])
    tables = [by.substitution for by in transposed_scorings(scale)]
    assert len(tables) == KEYS == 5
    for semitones, table in zip(range(-REACH, REACH + 1), tables, strict=True):
        for note in range(9):
            if 0 <= note + semitones < 9:
                assert table[note].argmax() == note + semitones
                assert table[note].max() == UNIT
    for below, above in zip(tables, reversed(tables), strict=True):
        assert np.array_equal(below, above.T)


@settings(deadline=None, max_examples=30)
@given(strings_of, strings_of, st.integers(0, 5))
def test_the_distance_is_the_least_over_the_keys(queries, database, seed):
    codebook = drawn(seed)
    measured = transposed_distances(queries, database, codebook)
    unit = codebook / np.linalg.norm(codebook, axis=1, keepdims=True)
    cosines = unit @ unit.T
    zero = cosines[~np.eye(K, dtype=bool)].mean() * 0.4 + 0.6
    frames = codebook.reshape(K, CONTEXT, BELLS + 1)
    least = np.full(measured.shape, np.inf)
    for semitones in range(-2, 3):
        up = np.zeros_like(frames)
        up[:, :, BELLS] = frames[:, :, BELLS]
        for bell in range(BELLS):
            if bell - abs(semitones) >= 0:
                up[:, :, bell] = frames[:, :, bell - abs(semitones)]
        up = up.reshape(K, -1) / np.linalg.norm(up.reshape(K, -1), axis=1, keepdims=True)
        cos = up @ unit.T if semitones >= 0 else unit @ up.T
        table = np.maximum(np.rint(64 * (cos - zero) / (1 - zero)), -256).astype(np.int32)
        least = np.minimum(least, local_distances(queries, database, codebook, Scoring(table, 26, 26)))
    # A score that lies on a boundary of rounding may differ by one per token.
    finite = np.isfinite(least)
    assert np.array_equal(finite, np.isfinite(measured))
    assert np.abs(least[finite] - measured[finite]).max(initial=0) <= 1.5 / UNIT * 6


@settings(deadline=None, max_examples=30)
@given(strings_of, strings_of)
def test_query_and_item_may_change_places_and_nothing_is_nearer_than_oneself(queries, database):
    codebook = drawn(1)
    measured = transposed_distances(queries, database, codebook)
    assert np.array_equal(measured, transposed_distances(database, queries, codebook).T)
    finite = measured[np.isfinite(measured)]
    assert ((finite >= 0) & (finite <= 1)).all()
    for query in queries:
        assert transposed_distances([query], [query], codebook)[0, 0] == (0 if len(query) else np.inf)


def test_a_melody_is_found_two_semitones_higher_and_not_three():
    scale = melodies([[note, note] for note in range(-8, 9)])
    query = np.array([8, 10, 12, 8, 5])
    another = np.array([4, 12, 7, 11, 4])
    for shift in (-2, -1, 1, 2):
        far = transposed_distances([query], [query + shift, another], scale)[0]
        assert far[0] == 0 < far[1]
        assert local_distances([query], [query + shift], scale)[0, 0] > 0.1
    assert transposed_distances([query], [query + 3], scale)[0, 0] > 0.1


def test_empty_sets_have_no_distances():
    codebook = drawn(2)
    some = [np.array([1, 2])]
    assert transposed_distances([], some, codebook).shape == (0, 1)
    assert transposed_distances(some, [], codebook).shape == (1, 0)


def test_in_the_key_itself_it_is_local_alignment_with_its_own_numbers():
    codebook = drawn(3)
    middle, plain = transposed_scorings(codebook)[REACH], scoring(codebook, 0.6, 0.4, 0.4)
    assert np.array_equal(middle.substitution, plain.substitution)
    strings = [np.array([0, 1, 2, 5]), np.array([1, 2, 5, 8])]
    assert np.array_equal(local_scores(strings, strings, middle), local_scores(strings, strings, plain))


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["profile=humming"], True),
        (["profile=humming", "train.epochs=3"], False),
        (["profile=humming", "encoder.whitening=true"], False),
        (["profile=humming", "features.kind=pitch", "features.hop=512"], False),
        (["profile=humming", "train.init_from=other"], False),
        (["profile=speech"], False),
        ([], False),
    ],
)
def test_only_an_encoder_that_changes_nothing_keeps_melodies(overrides, expected):
    assert is_transposable(to_dict(load(None, overrides))) is expected


def test_a_model_of_another_program_is_not_transposable():
    assert not is_transposable({})
