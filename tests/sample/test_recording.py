from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wav2tok.sample.recording import active_rms, impulse_response, microphone, record
from wav2tok.sample.singers import Room, draw

RATE = 16000
ROOM: Room = replace(draw(0, 0).room, wet_db=-200.0, snr_db=200.0, level_dbfs=-25.0)


def tone(seconds: float = 2.0) -> np.ndarray:
    return np.sqrt(2) * np.sin(2 * np.pi * 440 * np.arange(int(seconds * RATE)) / RATE)


@given(st.floats(0.1, 0.8), st.floats(-20, 0), st.integers(0, 2**31))
def test_reverberation_decays_by_60_db_in_the_given_time(decay, wet, seed):
    response = impulse_response(replace(ROOM, decay_s=decay, wet_db=wet, seed=seed), RATE)
    assert response[0] == 1.0
    tail = response[1:]
    assert (tail**2).sum() == pytest.approx(10 ** (wet / 10))
    # Schroeder's backward integral, its slope between -5 and -25 dB.
    remaining = np.cumsum(tail[::-1] ** 2)[::-1]
    level = 10 * np.log10(remaining[remaining > 0] / remaining[0])
    fit = np.flatnonzero((level < -5) & (level > -25))
    slope = np.polyfit(fit / RATE, level[fit], 1)[0]
    assert -60 / slope == pytest.approx(decay, rel=0.2)


@pytest.mark.parametrize("snr", [20.0, 35.0])
def test_noise_has_the_given_snr(snr):
    silence = np.zeros(RATE)
    room = replace(ROOM, snr_db=snr)
    taken = record(np.concatenate([tone(3.0), silence]), room, RATE, np.random.default_rng(0))
    voice, noise = active_rms(taken[: 3 * RATE], RATE), np.sqrt((taken[-RATE // 2 :] ** 2).mean())
    assert 20 * np.log10(voice / noise) == pytest.approx(snr, abs=1.5)


def test_the_level_is_as_given():
    levels = [
        20 * np.log10(active_rms(record(tone(), ROOM, RATE, np.random.default_rng(seed)), RATE)) for seed in range(40)
    ]
    assert np.mean(levels) == pytest.approx(-25.0, abs=0.5)  # a take differs by 1 dB or so


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 400), st.floats(0.1, 100), st.floats(-30, 20))
def test_a_recording_never_clips(index, loud, level):
    taken = record(loud * tone(1.0), replace(draw(index, 0).room, level_dbfs=level), RATE, np.random.default_rng(index))
    assert np.abs(taken).max() <= 0.95 + 1e-9


def test_the_microphone_cuts_both_ends():
    flat = replace(ROOM, peak_db=0.0, low_cut_hz=100.0, high_cut_hz=4000.0)
    low, middle, high = microphone(flat, np.array([25.0, 800.0, 8000.0]))
    assert middle == pytest.approx(1.0, abs=0.01)
    assert low < 0.1
    assert high < 0.2
    assert microphone(replace(flat, peak_db=6.0, peak_hz=800.0), np.array([800.0]))[0] == pytest.approx(2.0, rel=0.01)
