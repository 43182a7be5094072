"""A view changes one thing: tempo, key, or the level of babble."""

import math

import numpy as np
import pytest

from tests.audio.voices import RATE, level, ten_voices
from wav2tok.audio import rooms
from wav2tok.evaluation.retrieval import views
from wav2tok.evaluation.retrieval.protocol import View


@pytest.fixture
def voices():
    return ten_voices()


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
    noise = rooms.babble(voices, len(query), rng)
    mixed = views.make(query, View("SNR", snr), RATE, noise)
    assert mixed.dtype == np.float32
    assert mixed.shape == query.shape
    assert level(query) - level(mixed.astype(np.float64) - query) == pytest.approx(snr, abs=1e-3)


def test_babble_in_a_room_is_relative_to_what_is_heard_there(rng, voices):
    query, response = rng.standard_normal(9000).astype(np.float32), rooms.impulse_response(RATE, rng)
    noise = rooms.babble(voices, len(query), rng)
    wet = views.make(query, View("ROOM", math.inf), RATE, None, response)
    mixed = views.make(query, View("ROOM", 5.0), RATE, noise, response)
    assert level(wet) - level(mixed.astype(np.float64) - wet) == pytest.approx(5.0, abs=1e-3)
    with pytest.raises(ValueError, match="needs an impulse response"):
        views.make(query, View("ROOM", 5.0), RATE, noise)
    with pytest.raises(ValueError, match="needs a noise"):
        views.make(voices[0], View("SNR", 0.0), RATE)
