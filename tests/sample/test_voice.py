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
def test_a_steady_note_has_the_asked_pitch(f0, openness, sample_rate):
    wave = sing(steady(f0, 0.5, sample_rate), replace(CLEAN, openness=openness), sample_rate, np.random.default_rng(0))
    assert abs(1200 * np.log2(autocorrelation_f0(wave, sample_rate) / f0)) < 15


@settings(max_examples=25, deadline=None)
@given(st.floats(90, 3500), st.sampled_from([8000, 16000]))
def test_nothing_is_folded_back_at_the_nyquist_frequency(f0, sample_rate):
    # No tilt: the highest harmonics are as strong as they can be.
    voice = replace(CLEAN, openness=1.0, tilt_db=0.0)
    wave = sing(steady(f0, 1.0, sample_rate), voice, sample_rate, np.random.default_rng(0))
    power = np.abs(np.fft.rfft(wave * np.blackman(len(wave)))) ** 2
    frequency = np.fft.rfftfreq(len(wave), 1 / sample_rate)
    offset = np.abs(frequency - f0 * np.maximum(np.round(frequency / f0), 1))
    assert power[offset > 8].sum() < 1e-6 * power.sum()
    assert power[frequency > 0.985 * sample_rate / 2].sum() < 1e-6 * power.sum()


def test_harmonics_leave_at_the_nyquist_frequency_when_the_pitch_rises():
    rise = steady(400.0, 2.0, 8000)
    f0 = np.interp(np.arange(len(rise.f0_hz)) / rise.rate, [0.0, 0.5, 1.0, 2.0], [400.0, 400.0, 1230.0, 1230.0])
    voice = replace(CLEAN, openness=1.0, tilt_db=0.0)
    wave = sing(replace(rise, f0_hz=f0), voice, 8000, np.random.default_rng(0))[8800:]
    power = np.abs(np.fft.rfft(wave * np.blackman(len(wave)))) ** 2
    frequency = np.fft.rfftfreq(len(wave), 1 / 8000)
    partials = np.abs(frequency[:, None] - 1230.0 * np.arange(1, 4)).min(axis=1) < 8  # the fourth would be at 4920 Hz
    assert power[~partials].sum() < 1e-6 * power.sum()


def test_the_loudness_curve_alone_says_how_loud():
    for openness in (0.0, 1.0):
        wave = sing(steady(150.0), replace(CLEAN, openness=openness), RATE, np.random.default_rng(0))
        assert np.sqrt((wave**2).mean()) == pytest.approx(1.0, rel=0.02)


def test_silence_is_silent():
    quiet = steady(200.0)
    wave = sing(replace(quiet, amplitude=0 * quiet.amplitude), draw(1, 0).voice, RATE, np.random.default_rng(0))
    assert np.abs(wave).max() == 0


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


def test_breath_noise_has_the_asked_level_and_no_pitch():
    note = steady(200.0)
    breath = replace(note, amplitude=0 * note.amplitude, breath=0.1 * np.ones_like(note.breath))
    wave = sing(breath, CLEAN, RATE, np.random.default_rng(0))
    assert np.sqrt((wave**2).mean()) == pytest.approx(0.1, rel=0.2)
    power = np.abs(np.fft.rfft(wave)) ** 2
    assert power.max() < 0.05 * power.sum()


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
