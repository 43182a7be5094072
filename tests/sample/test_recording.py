from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wav2tok.sample.recording import active_rms, record
from wav2tok.sample.singers import Room, draw

RATE = 16000
ROOM: Room = replace(draw(0, 0).room, wet_db=-200.0, snr_db=200.0, level_dbfs=-25.0)


def tone(seconds: float = 2.0) -> np.ndarray:
    return np.sqrt(2) * np.sin(2 * np.pi * 440 * np.arange(int(seconds * RATE)) / RATE)


@pytest.mark.parametrize("snr", [20.0, 35.0])
def test_noise_has_the_given_snr(snr):
    silence = np.zeros(RATE)
    room = replace(ROOM, snr_db=snr)
    taken = record(np.concatenate([tone(3.0), silence]), room, RATE, np.random.default_rng(0))
    voice, noise = active_rms(taken[: 3 * RATE], RATE), np.sqrt((taken[-RATE // 2 :] ** 2).mean())
    assert 20 * np.log10(voice / noise) == pytest.approx(snr, abs=1.5)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 400), st.floats(0.1, 100), st.floats(-30, 20))
def test_a_recording_never_clips(index, loud, level):
    taken = record(loud * tone(1.0), replace(draw(index, 0).room, level_dbfs=level), RATE, np.random.default_rng(index))
    assert np.abs(taken).max() <= 0.95 + 1e-9
