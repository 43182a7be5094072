"""Silence around a recording."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wav2tok.audio.silence import FLOOR, LONGEST, sounding

RATE = 1000


@given(st.integers(0, 3000), st.integers(0, 3000), st.floats(0.01, 1))
def test_silence_around_changes_nothing(before, after, level):
    sound = level * np.random.default_rng(0).standard_normal(700).astype(np.float32)
    sound[[0, -1]] = level
    around = np.concatenate([np.zeros(before, np.float32), sound, np.zeros(after, np.float32)])
    got = around[sounding(around, RATE)]
    if max(before, after) > LONGEST * RATE:
        np.testing.assert_array_equal(got, sound)
    else:
        assert len(got) == len(around)


@pytest.mark.parametrize(("floor", "kept"), [(0.5 * FLOOR, 100), (2 * FLOOR, 2100)])
def test_what_is_60_db_below_the_loudest_is_silence(floor, kept):
    wave = np.concatenate([np.full(2000, floor), np.ones(100)])
    assert len(wave[sounding(wave, RATE)]) == kept


def test_silence_within_stays_and_silence_alone_too():
    wave = np.concatenate([np.ones(5), np.zeros(5000), np.ones(5)])
    assert sounding(wave, RATE) == slice(0, 5010)
    silent = np.zeros(5000)
    assert sounding(silent, RATE) == slice(0, 5000)
    assert sounding(np.zeros(0), RATE) == slice(0, 0)
