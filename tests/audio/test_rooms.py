"""Babble has six voices at one level, and a room decays."""

import numpy as np
import pytest

from tests.audio.voices import RATE, level, ten_voices
from wav2tok.audio import rooms
from wav2tok.errors import UserError


@pytest.fixture
def voices():
    return ten_voices()


def test_only_the_level_of_the_noise_differs_between_ratios(rng, voices):
    query = rng.standard_normal(5000).astype(np.float32)
    noise = rooms.babble(voices, len(query), rng)
    loud, soft = (rooms.mix(query, noise, snr).astype(np.float64) - query for snr in (0.0, 20.0))
    np.testing.assert_allclose(soft * 10, loud, atol=1e-5)


def test_silence_stays_silent(voices, rng):
    silence = np.zeros(4000, np.float32)
    np.testing.assert_array_equal(rooms.mix(silence, rooms.babble(voices, 4000, rng), 0.0), silence)


def test_babble_is_six_voices_at_one_level(voices, rng):
    noise = rooms.babble(voices, RATE, rng)
    # Tones at multiples of 100 Hz over one second: each is one line of its spectrum.
    power = np.abs(np.fft.rfft(noise)) ** 2
    shares = np.array([power[f - 20 : f + 21].sum() for f in range(200, 1200, 100)])
    present = shares > 0.02 * shares.max()
    assert present.sum() == rooms.VOICES
    assert shares[present].min() > 0.5 * shares[present].max()
    assert level(noise) == pytest.approx(10 * np.log10(rooms.VOICES), abs=0.5)


def test_babble_follows_its_generator(voices):
    first, again, other = (rooms.babble(voices, 3000, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


def test_few_and_short_voices_still_fill_the_query(rng):
    short = np.array([0.0, 0.5, -0.5, 0.0], np.float32)
    noise = rooms.babble([short], 10, rng)
    assert len(noise) == 10
    assert noise[0] != 0  # it begins where there is sound
    np.testing.assert_array_equal(noise[4:8], noise[:4])
    np.testing.assert_allclose(np.sort(noise[:4]), np.array([-1, 0, 0, 1]) * np.sqrt(2), atol=1e-6)


def test_silent_recordings_are_no_voices(voices):
    silent = np.zeros(100, np.float32)
    assert rooms.sounding([silent, voices[0]])[0] is voices[0]
    with pytest.raises(UserError, match="silent"):
        rooms.sounding([silent, silent])


def test_a_room_decays_and_keeps_level_and_length(rng):
    """By Schroeder's integral: 60 dB within .3 to .6 s; the direct sound has half of the energy."""
    for seed in range(8):
        response = rooms.impulse_response(RATE, np.random.default_rng(seed))
        np.testing.assert_array_equal(response, rooms.impulse_response(RATE, np.random.default_rng(seed)))
        assert response[0] == 1.0
        tail = response[1:]
        assert np.square(tail).sum() == pytest.approx(1.0)
        left = 10 * np.log10(np.cumsum(np.square(tail)[::-1])[::-1])
        falls = np.flatnonzero(left < -25)[0] - np.flatnonzero(left < -5)[0]  # 20 dB
        assert 0.27 < 3 * falls / RATE < 0.66
    query = rng.standard_normal(RATE // 2).astype(np.float32)
    wet = rooms.reverberate(query, response)
    assert (wet.shape, wet.dtype) == (query.shape, np.float32)
    assert level(wet) == pytest.approx(level(query), abs=1e-3)
    np.testing.assert_allclose(
        wet / wet[0], np.convolve(query, response)[: len(query)] / query[0], rtol=1e-3, atol=1e-2
    )
    silence = np.zeros(100, np.float32)
    np.testing.assert_array_equal(rooms.reverberate(silence, response), silence)
