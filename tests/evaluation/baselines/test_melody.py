"""Melody baselines: notes and contours by hand, invariances, sung-like tunes, real hums."""

import numpy as np
import pytest

from wav2tok.audio import decode
from wav2tok.evaluation.baselines.melody import (
    any_key_distances,
    contour,
    melody_systems,
    midi_distances,
    notes,
    relative_distances,
)
from wav2tok.evaluation.retrieval import views
from wav2tok.evaluation.retrieval.protocol import View

EMPTY = np.zeros(40, np.float32)


def track(midi, frames=16):
    """An f0 track of notes, ``frames`` each, a pause after each: Hz, float32 [T]."""
    return np.concatenate([np.r_[np.full(frames, 440 * 2 ** ((n - 69) / 12)), np.zeros(3)] for n in midi]).astype("f4")


def test_notes_are_midi_numbers_without_repeats():
    assert notes(track([69, 60, 60, 57])).tolist() == [69, 60, 57]
    assert notes(track([60.3, 61.6])).tolist() == [60, 62]
    assert notes(EMPTY).tolist() == []


def test_a_slip_shorter_than_the_filter_adds_no_note():
    slipped = track([60, 64])
    slipped[5:7] *= 2
    assert notes(slipped).tolist() == [60, 64]


def test_contours_are_relative_to_their_median_every_64_ms():
    found = contour(track([60, 62, 67]))
    assert found.dtype == np.float32
    assert found.tolist() == pytest.approx([-2] * 4 + [0] * 4 + [5] * 4, abs=1e-5)
    assert len(contour(EMPTY)) == 0


def test_distances_by_hand():
    one, other, higher = track([60, 64, 67]), track([60, 64, 65]), track([63, 67, 70])
    np.testing.assert_allclose(midi_distances([one], [one, other, higher, EMPTY]), [[0, 1 / 3, 1, np.inf]])
    np.testing.assert_allclose(any_key_distances([one], [one, other, higher, EMPTY]), [[0, 1 / 3, 0, np.inf]])
    found = relative_distances([one], [one, higher, track([60, 64, 67], 32), EMPTY])
    np.testing.assert_allclose(found, [[0, 0, 0, np.inf]], atol=1e-5)
    # Four frames of eleven a semitone off or more, and no way around them.
    assert relative_distances([one], [track([60, 64, 79])])[0, 0] == pytest.approx(4 / 24)


@pytest.mark.parametrize("distances", [midi_distances, any_key_distances, relative_distances])
def test_a_track_without_voice_matches_nothing_not_even_itself(distances):
    some = track([60, 64])
    np.testing.assert_array_equal(np.isinf(distances([EMPTY, some], [EMPTY, some])), [[True, True], [True, False]])
    assert distances([], [some]).shape == (0, 1)
    assert distances([some], []).shape == (1, 0)


def test_the_median_may_be_off_the_key():
    """Two takes that dwell on different notes have different medians."""
    long_low = np.concatenate([track([60], 64), track([62, 64])])
    long_high = np.concatenate([track([63, 65]), track([67], 64)])
    other = np.concatenate([track([60], 64), track([58, 64])])
    near, far = relative_distances([long_low], [long_high, other])[0]
    assert near < 1e-5 < far


RATE = 16000
TUNES = {"up": (0, 4, 7, 12), "down": (12, 9, 5, 2), "turn": (3, 10, 3, 6)}


def sing(tune, base, seconds):
    """The tune with a vibrato and eight harmonics, float32 [N]."""
    times = np.arange(round(RATE * seconds)) / RATE
    semitones = np.array(tune)[np.minimum((times / seconds * len(tune)).astype(int), len(tune) - 1)]
    hertz = base * 2 ** ((semitones + 0.2 * np.sin(2 * np.pi * 5 * times)) / 12)
    phase = 2 * np.pi * np.cumsum(hertz) / RATE
    return (0.1 * sum(np.sin(h * phase) / h for h in range(1, 9))).astype(np.float32)


def test_the_systems_find_a_tune_in_another_key_and_tempo():
    own, any_key, relative = melody_systems(RATE)
    assert [own.name, any_key.name, relative.name] == ["f0_midi", "f0_midi_any_key", "f0_relative"]
    assert own.represent is any_key.represent is relative.represent
    database = own.represent([sing(tune, 220, 1.6) for tune in TUNES.values()])
    slower = own.represent([sing(tune, 220, 2.3) for tune in TUNES.values()])
    higher = own.represent([sing(tune, 220 * 2 ** (4 / 12), 1.3) for tune in TUNES.values()])
    for system in (own, any_key, relative):
        assert system.distances(slower, database).argmin(axis=1).tolist() == [0, 1, 2]
    for system in (any_key, relative):
        assert system.distances(higher, database).argmin(axis=1).tolist() == [0, 1, 2]


def test_real_hums_are_found_in_any_key(real_data):
    """Eight takes each of three songs: four semitones up, the nearest other take is nearly always of the same song."""
    paths = [p for song in ("across", "letitbe", "obladi") for p in sorted((real_data / "hums" / song).glob("*"))[:8]]
    if len(paths) < 24:
        pytest.skip("no hums among the real recordings")
    waveforms = [decode.read(path, RATE) for path in paths]
    _, any_key, relative = melody_systems(RATE)
    database = relative.represent(waveforms)
    shifted = relative.represent([views.make(waveform, View("PS", 4.0), RATE) for waveform in waveforms])
    song = np.array([path.parent.name for path in paths])
    for system in (any_key, relative):
        distances = system.distances(shifted, database)
        np.fill_diagonal(distances, np.inf)
        assert (song[distances.argmin(axis=1)] == song).mean() > 0.9, system.name
