from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wav2tok.sample.melodies import Melody, Note, invent, melodies, parse

KNOWN = 16


def shape(melody: Melody) -> tuple:
    """What makes a tune the same tune in any key: intervals and lengths."""
    pitches = [note.pitch for note in melody.notes]
    return tuple(pitch - pitches[0] for pitch in pitches), tuple(note.beats for note in melody.notes)


def check(melody: Melody) -> None:
    pitches = [note.pitch for note in melody.notes]
    assert all(melody.phrases)
    assert 8 <= len(pitches) <= 24
    assert max(pitches) - min(pitches) <= 24
    assert len(set(pitches)) >= 3
    assert all(note.beats > 0 for note in melody.notes)
    assert max(abs(a - b) for a, b in pairwise(pitches)) <= 12


def test_parse_reads_pitch_length_and_phrases():
    melody = parse("x", "C4 F#4:1.5 | Bb3:.5")
    assert melody.phrases == ((Note(60, 1.0), Note(66, 1.5)), (Note(58, 0.5),))


@pytest.mark.parametrize("text", ["H4", "C", "C4:", "C4 | x"])
def test_parse_refuses_what_is_not_a_note(text):
    with pytest.raises(ValueError, match="is not a note"):
        parse("x", text)


@given(st.integers(0, 2**32))
@example(56963)  # its first draw leaps by more than an octave
@example(33)  # its first draw has two different notes only
def test_invented_airs_can_be_sung(seed):
    check(invent("air", np.random.default_rng(seed)))


def test_names_and_tunes_are_all_different():
    tunes = list(melodies(60, 3))
    assert len({tune.name for tune in tunes}) == 60
    assert len({shape(tune) for tune in tunes}) == 60


def test_the_seed_changes_the_airs_only():
    one, other = list(melodies(KNOWN + 8, 1)), list(melodies(KNOWN + 8, 2))
    assert one[:KNOWN] == other[:KNOWN]
    assert all(shape(a) != shape(b) for a, b in zip(one[KNOWN:], other[KNOWN:], strict=True))
