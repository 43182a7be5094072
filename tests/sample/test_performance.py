from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from wav2tok.sample.melodies import invent, melodies
from wav2tok.sample.performance import (
    LONGEST_S,
    SHORTEST_S,
    err,
    frame_count,
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
