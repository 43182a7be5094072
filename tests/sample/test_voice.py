from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from wav2tok.sample.performance import Performance
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
