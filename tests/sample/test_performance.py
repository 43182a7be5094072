from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wav2tok.sample.melodies import Melody, Note, invent, melodies
from wav2tok.sample.performance import (
    LONGEST_S,
    SHORTEST_S,
    err,
    frame_count,
    loudness_curves,
    perform,
    pitch_curve,
    schedule,
)
from wav2tok.sample.singers import Style, draw

RATE = 500.0
FAULTLESS: Style = replace(
    draw(0, 0).style,
    vibrato_cents=0.0,
    glide_s=0.04,
    damping=0.9,
    scoop_cents=0.0,
    tuning_cents=0.0,
    drift_cents=0.0,
    flattening_cents=0.0,
    jitter=0.0,
    shimmer_db=0.0,
    timing=0.0,
    wrong_notes=0.0,
    dropped_notes=0.0,
    articulation="legato",
)
ODE = next(melodies(1, 0))


def grid(seconds: float) -> np.ndarray:
    return np.arange(int(seconds * RATE)) / RATE


def cents(f0: np.ndarray) -> np.ndarray:
    return 1200 * np.log2(f0)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 60))
def test_any_singer_of_any_air_stays_in_time_and_in_a_human_voice(seed, index):
    performance = perform(
        invent("air", np.random.default_rng(seed)), draw(index, seed).style, RATE, np.random.default_rng(seed)
    )
    seconds = (len(performance.f0_hz) - 1) / RATE
    assert SHORTEST_S - 0.01 <= seconds <= LONGEST_S + 0.01
    assert performance.f0_hz.min() > 65
    assert performance.f0_hz.max() < 520
    for curve in (performance.amplitude, performance.closure, performance.breath):
        assert curve.shape == performance.f0_hz.shape
        assert np.isfinite(curve).all()
        assert (curve >= 0).all()
    assert performance.closure.max() <= 1
    assert (performance.amplitude > 0.05).mean() > 0.5  # it sounds most of the time


@given(st.integers(0, 4000), st.sampled_from([400.0, 500.0, 502.5]))
def test_rounding_does_not_change_the_number_of_frames(frames, rate):
    seconds = frames / rate
    noise = [seconds * (1 + ulps * np.finfo(float).eps) for ulps in (-8, -1, 0, 1, 8)]
    assert {frame_count(s, rate) for s in noise} == {frames + 1}


def test_a_faultless_singer_sings_what_is_written():
    notes, seconds = schedule(ODE, FAULTLESS, np.random.default_rng(0))
    assert err(notes, FAULTLESS, np.random.default_rng(1)) == notes
    time = grid(seconds)
    midi = pitch_curve(notes, time, FAULTLESS, np.random.default_rng(0))
    ends = np.array([midi[int((note.end - 0.03) * RATE)] for note in notes])
    np.testing.assert_allclose(np.diff(ends), np.diff([note.pitch for note in ODE.notes]), atol=0.05)
    lengths = np.array([note.seconds for note in notes])
    beats = np.array([note.beats for note in ODE.notes])
    np.testing.assert_allclose(lengths / lengths.sum(), beats / beats.sum())


@pytest.mark.parametrize("depth", [15.0, 50.0])
def test_vibrato_has_the_given_depth_and_rate(depth):
    long_note = Melody("long", ((Note(60, 4.0),),))
    style = replace(FAULTLESS, vibrato_cents=depth, vibrato_hz=5.0)
    notes, seconds = schedule(long_note, style, np.random.default_rng(0))
    time = grid(seconds)
    midi = pitch_curve(notes, time, style, np.random.default_rng(2))
    inside = 100 * midi[(time > notes[0].onset + 0.4) & (time < notes[0].end - 0.1)]
    assert (inside.max() - inside.min()) / 2 == pytest.approx(depth, rel=0.03)
    rises = ((inside[:-1] < inside.mean()) & (inside[1:] >= inside.mean())).sum()
    assert rises / (len(inside) / RATE) == pytest.approx(5.0, abs=0.6)


def test_tuning_errors_have_the_given_spread():
    style = replace(FAULTLESS, tuning_cents=30.0)
    notes, _ = schedule(ODE, style, np.random.default_rng(0))
    rng = np.random.default_rng(0)
    wrong = [100 * (a.pitch - b.pitch) for _ in range(60) for a, b in zip(err(notes, style, rng), notes, strict=True)]
    assert np.std(wrong) == pytest.approx(30.0, rel=0.1)


@given(st.integers(0, 2**32))
def test_dropped_notes_leave_no_long_hole_and_both_ends(seed):
    style = replace(FAULTLESS, dropped_notes=0.5)
    notes, _ = schedule(ODE, style, np.random.default_rng(0))
    sung = err(notes, style, np.random.default_rng(seed))
    assert sung[0].onset == notes[0].onset
    assert sung[-1] == notes[-1]
    holes = [b.onset - a.end for a, b in pairwise(sung)]
    assert max(holes) <= max(note.seconds for note in notes) + 1e-9
    assert min(holes) > -1e-9
    assert len(err(notes, style, np.random.default_rng(0))) < len(notes)  # some are dropped


def test_breath_is_drawn_between_phrases_and_not_within():
    style = replace(FAULTLESS, breath_s=0.3, breath_db=-20.0)
    notes, seconds = schedule(ODE, style, np.random.default_rng(0))
    time = grid(seconds)
    amplitude, _, breath = loudness_curves(notes, time, style, np.random.default_rng(0))
    pause = next(i for i in range(1, len(notes)) if notes[i].onset - notes[i - 1].end > 0.1)
    middle = int((notes[pause - 1].end + notes[pause].onset) / 2 * RATE)
    assert breath[middle] == pytest.approx(0.1, rel=0.05)
    assert amplitude[middle] < 0.05
    assert breath[(time > notes[0].onset) & (time < notes[pause - 1].end)].max() < 1e-12


def test_wrong_notes_are_off_by_one_to_three_semitones():
    style = replace(FAULTLESS, wrong_notes=1.0)
    notes, _ = schedule(ODE, style, np.random.default_rng(0))
    sung = err(notes, style, np.random.default_rng(0))
    steps = {round(a.pitch - b.pitch, 6) for a, b in zip(sung, notes, strict=True)}
    assert steps <= {-3, -2, -1, 1, 2, 3}
    assert len(steps) > 2


def test_an_m_closes_the_mouth_and_a_legato_does_not():
    def curves(articulation: str) -> tuple[np.ndarray, ...]:
        style = replace(FAULTLESS, articulation=articulation)
        notes, seconds = schedule(ODE, style, np.random.default_rng(0))
        at = int(notes[2].onset * RATE)  # E to F: no repeated note
        amplitude, closure, _ = loudness_curves(notes, grid(seconds), style, np.random.default_rng(0))
        return amplitude[at], closure[at]

    legato, m = curves("legato"), curves("m")
    assert m[1] > 0.9 > 0.1 > legato[1]
    assert m[0] < 0.6 * legato[0]
