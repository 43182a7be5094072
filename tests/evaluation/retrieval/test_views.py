"""A view changes one thing: tempo, key, or the level of babble."""

import math

import numpy as np
import pytest

from wav2tok.errors import UserError
from wav2tok.evaluation.retrieval import views
from wav2tok.evaluation.retrieval.protocol import View

RATE = 16000


def level(waveform):
    return 10 * np.log10(np.mean(waveform.astype(np.float64) ** 2))


@pytest.fixture
def voices():
    """Ten tones, each of its own frequency, level and length."""
    return [
        (0.01 * (i + 1) * np.sin(2 * np.pi * (200 + 100 * i) * np.arange(RATE // 4 + 500 * i) / RATE)).astype(
            np.float32
        )
        for i in range(10)
    ]


def test_tempo_and_key_change_alone():
    seconds = np.arange(RATE) / RATE
    tone = (0.4 * np.sin(2 * np.pi * 440 * seconds)).astype(np.float32)

    def pitch(waveform):
        middle = waveform[len(waveform) // 4 :][: RATE // 2] * np.hanning(RATE // 2)
        return np.argmax(np.abs(np.fft.rfft(middle))) * 2

    slower, higher = views.make(tone, View("TS", 0.8), RATE), views.make(tone, View("PS", 5.0), RATE)
    assert len(slower) == round(RATE / 0.8)
    assert len(higher) == RATE
    assert pitch(slower) == pytest.approx(440, abs=3)
    assert pitch(higher) == pytest.approx(440 * 2 ** (5 / 12), abs=4)
    np.testing.assert_array_equal(slower, views.make(tone, View("TS", 0.8), RATE))
    assert views.make(tone, View("V"), RATE) is tone


@pytest.mark.parametrize("snr", [40.0, 20.0, 5.0, 0.0, -10.0])
@pytest.mark.parametrize("loudness", [1e-4, 0.3])
def test_the_ratio_of_query_to_noise_is_the_requested_one(rng, voices, snr, loudness):
    query = (loudness * rng.standard_normal(9000)).astype(np.float32)
    noise = views.babble(voices, len(query), rng)
    mixed = views.make(query, View("SNR", snr), RATE, noise)
    assert mixed.dtype == np.float32
    assert mixed.shape == query.shape
    assert level(query) - level(mixed.astype(np.float64) - query) == pytest.approx(snr, abs=1e-3)


def test_only_the_level_of_the_noise_differs_between_ratios(rng, voices):
    query = rng.standard_normal(5000).astype(np.float32)
    noise = views.babble(voices, len(query), rng)
    loud, soft = (views.mix(query, noise, snr).astype(np.float64) - query for snr in (0.0, 20.0))
    np.testing.assert_allclose(soft * 10, loud, atol=1e-5)


def test_silence_stays_silent(voices, rng):
    silence = np.zeros(4000, np.float32)
    np.testing.assert_array_equal(views.mix(silence, views.babble(voices, 4000, rng), 0.0), silence)


def test_babble_is_six_voices_at_one_level(voices, rng):
    noise = views.babble(voices, RATE, rng)
    # Tones at multiples of 100 Hz over one second: each is one line of its spectrum.
    power = np.abs(np.fft.rfft(noise)) ** 2
    shares = np.array([power[f - 20 : f + 21].sum() for f in range(200, 1200, 100)])
    present = shares > 0.02 * shares.max()
    assert present.sum() == views.VOICES
    assert shares[present].min() > 0.5 * shares[present].max()
    assert level(noise) == pytest.approx(10 * np.log10(views.VOICES), abs=0.5)


def test_babble_follows_its_generator(voices):
    first, again, other = (views.babble(voices, 3000, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


def test_few_and_short_voices_still_fill_the_query(rng):
    short = np.array([0.0, 0.5, -0.5, 0.0], np.float32)
    noise = views.babble([short], 10, rng)
    assert len(noise) == 10
    assert noise[0] != 0  # it begins where there is sound
    np.testing.assert_array_equal(noise[4:8], noise[:4])
    np.testing.assert_allclose(np.sort(noise[:4]), np.array([-1, 0, 0, 1]) * np.sqrt(2), atol=1e-6)


def test_silent_recordings_are_no_voices(voices):
    silent = np.zeros(100, np.float32)
    assert views.sounding([silent, voices[0]])[0] is voices[0]
    with pytest.raises(UserError, match="silent"):
        views.sounding([silent, silent])
    with pytest.raises(ValueError, match="noise"):
        views.make(voices[0], View("SNR", 0.0), RATE)


def test_a_room_decays_and_keeps_level_and_length(rng):
    """By Schroeder's integral: 60 dB within .3 to .6 s; the direct sound has half of the energy."""
    for seed in range(8):
        response = views.impulse_response(RATE, np.random.default_rng(seed))
        np.testing.assert_array_equal(response, views.impulse_response(RATE, np.random.default_rng(seed)))
        assert response[0] == 1.0
        tail = response[1:]
        assert np.square(tail).sum() == pytest.approx(1.0)
        left = 10 * np.log10(np.cumsum(np.square(tail)[::-1])[::-1])
        falls = np.flatnonzero(left < -25)[0] - np.flatnonzero(left < -5)[0]  # 20 dB
        assert 0.27 < 3 * falls / RATE < 0.66
    query = rng.standard_normal(RATE // 2).astype(np.float32)
    wet = views.make(query, View("ROOM", math.inf), RATE, None, response)
    assert (wet.shape, wet.dtype) == (query.shape, np.float32)
    assert level(wet) == pytest.approx(level(query), abs=1e-3)
    np.testing.assert_allclose(
        wet / wet[0], np.convolve(query, response)[: len(query)] / query[0], rtol=1e-3, atol=1e-2
    )
    silence = np.zeros(100, np.float32)
    np.testing.assert_array_equal(views.reverberate(silence, response), silence)


def test_babble_in_a_room_is_relative_to_what_is_heard_there(rng, voices):
    query, response = rng.standard_normal(9000).astype(np.float32), views.impulse_response(RATE, rng)
    noise = views.babble(voices, len(query), rng)
    wet = views.make(query, View("ROOM", math.inf), RATE, None, response)
    mixed = views.make(query, View("ROOM", 5.0), RATE, noise, response)
    assert level(wet) - level(mixed.astype(np.float64) - wet) == pytest.approx(5.0, abs=1e-3)
    with pytest.raises(ValueError, match="needs an impulse response"):
        views.make(query, View("ROOM", 5.0), RATE, noise)
