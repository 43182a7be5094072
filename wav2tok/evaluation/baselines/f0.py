"""The fundamental frequency of a voice, frame by frame: probabilistic YIN.

After M. Mauch and S. Dixon, "pYIN: a fundamental frequency estimator using probabilistic threshold distributions"
(ICASSP 2014), on A. de Cheveigné and H. Kawahara's YIN (JASA 111, 2002): the cumulative mean normalised difference
(by FFT), candidates weighted by a beta(2, 18) distribution of thresholds, the parabola's place of each, and a hidden
Markov model over pitch bins, voiced and not. What differs from the paper: the distribution of thresholds is integrated
in closed form instead of at 100 points; bins of 20 cents, with the candidate's own frequency given back; a hop of
16 ms, with the paper's moves and changes of voicing (per frame of 5.8 ms) brought to it.

Against harmonic tones of 80 to 800 Hz whose spectrum falls by 6 dB an octave, in noise 20 dB below, .2 % of the frames
are off by more than half a semitone at 16 kHz. With eight harmonics as strong as the first, tones above 700 Hz (a
period of 20 samples) can be taken for their octave or twelfth below. One core tracks 400 to 800 s of audio a second.

Every length is in seconds and every frequency in Hz until it meets the sampling rate: nothing assumes one.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np

from wav2tok.evaluation.systems import Represent

LOWEST_HZ, HIGHEST_HZ = 60.0, 1000.0
HOP_SECONDS = 0.016
BINS_PER_OCTAVE = 60
# Two of the longest periods: enough to tell a low voice from noise, and short beside a sung note.
_WINDOW_SECONDS = 2 / LOWEST_HZ
# The paper's: of thresholds that no trough meets, this share goes to the lowest trough.
_NO_TROUGH = 0.01
# The paper's, each frame of 256 samples at 44.1 kHz: moves of up to 25 bins of 10 cents, a change of voicing of .01.
_PAPER_HOP_SECONDS = 256 / 44_100
_OCTAVES_PER_SECOND = 25 / 120 / _PAPER_HOP_SECONDS
_PAPER_SWITCH = 0.01
# Stands for "no candidate here", so that a path may cross one weak frame.
_LEAST = 1e-10
_FRAMES_AT_ONCE = 2048


def f0(waveform: np.ndarray, sample_rate: int) -> np.ndarray:
    """The fundamental frequency every 16 ms, the first frame centred on the first sample.

    Args:
        waveform: float32 [N], of any length.
        sample_rate: of the waveform, in Hz; 4000 at least.

    Returns:
        float32 [T], T = 1 + N // hop, in Hz; 0 where the frame is unvoiced.
    """
    from wav2tok.evaluation.baselines.f0_kernels import decode

    probabilities, frequencies = _candidates(waveform, sample_rate)
    count = probabilities.shape[1]
    # Rounding may bring the sum of one frame's candidates above 1.
    rest = np.maximum(1 - probabilities.sum(axis=1), 0) / count
    hop = hop_samples(sample_rate) / sample_rate
    band = round(_OCTAVES_PER_SECOND * hop * BINS_PER_OCTAVE)
    triangle = (band + 1.0 - np.abs(np.arange(-band, band + 1))) / (band + 1) ** 2
    switch = 1 - (1 - _PAPER_SWITCH) ** (hop / _PAPER_HOP_SECONDS)
    path = decode(
        np.log(np.maximum(probabilities, np.float32(_LEAST))),
        np.log(np.maximum(rest, np.float32(_LEAST / count))),
        np.log(triangle).astype(np.float32),
        float(np.log(1 - switch)),
        float(np.log(switch)),
    )
    found = frequencies[np.arange(len(path)), path]
    centres = (LOWEST_HZ * 2 ** (path / BINS_PER_OCTAVE)).astype(np.float32)
    return np.where(path < 0, np.float32(0), np.where(found > 0, found, centres))


def f0_tracks(sample_rate: int) -> Represent:
    """A function from waveforms, float32 [N] at ``sample_rate``, to `f0` tracks, float32 [T]; it uses all cores."""

    def represent(waveforms: list[np.ndarray]) -> list[np.ndarray]:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return list(pool.map(partial(f0, sample_rate=sample_rate), waveforms))

    return represent


def hop_samples(sample_rate: int) -> int:
    """Samples from frame to frame: 16 ms."""
    return max(1, round(HOP_SECONDS * sample_rate))


def _candidates(waveform: np.ndarray, sample_rate: int) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and frequencies (Hz) of the candidates in each pitch bin, float32 [T, M] both."""
    from wav2tok.evaluation.baselines.f0_kernels import observe

    window = round(_WINDOW_SECONDS * sample_rate)
    shortest = max(2, int(sample_rate / HIGHEST_HZ))
    lags = int(np.ceil(sample_rate / LOWEST_HZ)) + 2  # 0 to the longest period and its neighbour
    hop, count = hop_samples(sample_rate), round(np.log2(HIGHEST_HZ / LOWEST_HZ) * BINS_PER_OCTAVE) + 1
    # A period in the middle of the range, so that its two windows lie evenly about the frame's centre.
    before = (window + round(sample_rate / np.sqrt(LOWEST_HZ * HIGHEST_HZ))) // 2
    signal = np.asarray(waveform if len(waveform) else [0], dtype=np.float32)
    # A constant offset does not change the difference, but costs precision in the sums that make it. The ends are held,
    # because a jump to silence is not in the recording.
    signal = np.pad(signal - signal.mean(), (before, window + lags), mode="edge")
    energy = np.concatenate(([0.0], np.cumsum(signal.astype(np.float64) ** 2)))
    starts = np.arange(1 + len(waveform) // hop) * hop
    frames = np.lib.stride_tricks.sliding_window_view(signal, window + lags)[::hop][: len(starts)]
    size = 1 << (window + lags - 1).bit_length()
    parts = []
    for first in range(0, len(starts), _FRAMES_AT_ONCE):
        part = frames[first : first + _FRAMES_AT_ONCE]
        spectra = np.conj(np.fft.rfft(part[:, :window], size)) * np.fft.rfft(part, size)
        products = np.ascontiguousarray(np.fft.irfft(spectra, size)[:, :lags])
        bins = (float(np.log2(LOWEST_HZ)), float(BINS_PER_OCTAVE), count)
        place = starts[first : first + _FRAMES_AT_ONCE]
        parts.append(observe(products, energy, place, window, shortest, *bins, float(sample_rate), _NO_TROUGH))
    probabilities, frequencies = zip(*parts, strict=True)
    return np.concatenate(probabilities), np.concatenate(frequencies)
