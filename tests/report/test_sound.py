"""The sounds and spectrograms of a page."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from tests.report.pages import HOSTILE, PADDING, RATE, Strict, heard, players
from wav2tok.audio import decode
from wav2tok.report.page import sound


def test_players_play_the_recordings(source, judged):
    found = players(source)
    assert 2 + 3 <= len(found) <= 12
    whole = [len(decode.read(path, RATE)) for path in judged.retrieval.answers.paths]
    assert all(rate == RATE and min(abs(len(samples) - one) for one in whole) <= PADDING for samples, rate in found)
    title = re.search(r"\n([^\n]*): The first right answer ranks 7 of 8", Strict(source).text)
    assert title is not None
    assert HOSTILE[0] in title[1]


def test_long_recordings_are_cut_and_high_rates_lowered(tmp_path):
    wave = 0.5 * np.random.default_rng(0).uniform(-1, 1, 44100 * 14).astype(np.float32)
    part = sound.head(wave, 44100)
    samples, rate = heard(sound.address(part, 44100))
    assert rate == 16000
    assert len(samples) == pytest.approx(sound.SECONDS * rate, abs=PADDING)
    # White noise is the hardest to compress.
    assert len(sound.address(part, 44100)) < (1e5 if sound.MIME == "audio/mpeg" else 5e5)


@pytest.mark.parametrize(("rate", "played"), [(4000, 8000), (8000, 8000), (11000, 8000), (22050, 16000)])
def test_any_rate_can_be_played(rate, played):
    time = np.arange(rate) / rate
    samples, found = heard(sound.address((0.3 * np.sin(2 * np.pi * 440 * time)).astype(np.float32), rate))
    assert found == played
    spectrum = np.abs(np.fft.rfft(samples[: played // 2]))
    assert spectrum.argmax() * 2 == pytest.approx(440, abs=4)


@pytest.mark.parametrize("rate", [8000, 16000, 48000])
def test_a_spectrogram_shows_low_sounds_at_the_bottom_and_silence_dark(rate):
    def shades(wave):
        address = sound.spectrogram(wave.astype(np.float32), rate)
        return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))).convert("L"), float)

    seconds = np.arange(rate) / rate
    low, high = shades(0.3 * np.sin(2 * np.pi * 200 * seconds)), shades(0.3 * np.sin(2 * np.pi * 3000 * seconds))
    assert low.mean(axis=1).argmax() > high.mean(axis=1).argmax()
    assert shades(np.zeros(rate)).max() < 5
    assert shades(np.ones(10) * 0.1).shape[0] == low.shape[0]
