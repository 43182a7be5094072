from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wav2tok.sample.melodies import melodies
from wav2tok.sample.performance import Performance, perform
from wav2tok.sample.singers import Voice, draw
from wav2tok.sample.voice import control_rate, sing

RATE = 16000
CLEAN: Voice = replace(draw(0, 0).voice, aspiration_db=-200.0)


def steady(f0: float, seconds: float = 1.0, sample_rate: int = RATE) -> Performance:
    rate = control_rate(sample_rate)
    ones = np.ones(int(seconds * rate) + 1)
    return Performance(rate, f0 * ones, ones, 0 * ones, 0 * ones)


def autocorrelation_f0(wave: np.ndarray, sample_rate: int) -> float:
    """Hz of the first high peak of the autocorrelation, to a fraction of a sample."""
    spectrum = np.fft.rfft(wave * np.hanning(len(wave)), 2 * len(wave))
    correlation = np.fft.irfft(np.abs(spectrum) ** 2)[: sample_rate // 60]
    low = sample_rate // 600
    strong = correlation[low:] > 0.9 * correlation[low:].max()
    start = low + int(np.argmax(strong))
    lag = start + int(np.argmax(correlation[start : int(start * 1.3)]))
    a, b, c = correlation[lag - 1 : lag + 2]
    return sample_rate / (lag + 0.5 * (a - c) / (a - 2 * b + c))


@settings(max_examples=30, deadline=None)
@given(st.floats(85, 420), st.floats(0, 1), st.sampled_from([8000, 16000, 44100]))
def test_a_steady_note_has_the_given_pitch(f0, openness, sample_rate):
    wave = sing(steady(f0, 0.5, sample_rate), replace(CLEAN, openness=openness), sample_rate, np.random.default_rng(0))
    assert abs(1200 * np.log2(autocorrelation_f0(wave, sample_rate) / f0)) < 15


@settings(max_examples=25, deadline=None)
@given(st.floats(90, 3500), st.sampled_from([8000, 16000]))
def test_there_is_no_aliasing(f0, sample_rate):
    # No tilt: the highest harmonics are as strong as they can be.
    voice = replace(CLEAN, openness=1.0, tilt_db=0.0)
    wave = sing(steady(f0, 1.0, sample_rate), voice, sample_rate, np.random.default_rng(0))
    power = np.abs(np.fft.rfft(wave * np.blackman(len(wave)))) ** 2
    frequency = np.fft.rfftfreq(len(wave), 1 / sample_rate)
    offset = np.abs(frequency - f0 * np.maximum(np.round(frequency / f0), 1))
    assert power[offset > 8].sum() < 1e-6 * power.sum()
    assert power[frequency > 0.985 * sample_rate / 2].sum() < 1e-6 * power.sum()


def test_only_the_loudness_curve_sets_the_level():
    for openness in (0.0, 1.0):
        wave = sing(steady(150.0), replace(CLEAN, openness=openness), RATE, np.random.default_rng(0))
        assert np.sqrt((wave**2).mean()) == pytest.approx(1.0, rel=0.02)


def test_an_open_mouth_is_brighter_than_a_hum():
    def bright(voice: Voice, performance: Performance) -> float:
        wave = sing(performance, voice, RATE, np.random.default_rng(0))
        power = np.abs(np.fft.rfft(wave)) ** 2
        return float(power[len(power) // 10 :].sum() / power.sum())  # above 800 Hz

    note = steady(150.0)
    shut = replace(note, closure=np.ones_like(note.closure))
    opened = replace(CLEAN, openness=1.0)
    assert bright(opened, note) > 5 * bright(replace(CLEAN, openness=0.0), note)
    assert bright(opened, shut) == pytest.approx(bright(replace(CLEAN, openness=0.0), note))


@pytest.mark.parametrize("articulation", ["legato", "m", "n", "da"])
def test_a_hum_without_breath_has_no_clicks(articulation):
    style = replace(draw(1, 0).style, articulation=articulation, breath_db=-200.0, jitter=0.0, shimmer_db=0.0)
    performance = perform(next(melodies(1, 0)), style, control_rate(RATE), np.random.default_rng(0))
    wave = sing(performance, replace(CLEAN, openness=0.0, tilt_db=10.0), RATE, np.random.default_rng(0))
    # A jump is heard above 6 kHz, where this voice has nothing.
    frames = np.lib.stride_tricks.sliding_window_view(wave, 512)[::128] * np.blackman(512)
    high = (np.abs(np.fft.rfft(frames))[:, 192:] ** 2).sum(axis=1)
    whole = (np.abs(np.fft.rfft(frames)) ** 2).sum(axis=1).max()
    assert high.max() < 1e-6 * whole
    clicked = wave.copy()
    clicked[len(wave) // 2 :] += 0.2  # the measure does hear a jump
    frames = np.lib.stride_tricks.sliding_window_view(clicked, 512)[::128] * np.blackman(512)
    assert (np.abs(np.fft.rfft(frames))[:, 192:] ** 2).sum(axis=1).max() > 1e-6 * whole
