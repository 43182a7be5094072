"""f0 against tones of known frequency, and its two stages against plain oracles."""

import itertools

import numpy as np
import pytest

from wav2tok.evaluation.baselines import f0 as module
from wav2tok.evaluation.baselines.f0 import f0, f0_tracks, hop_samples
from wav2tok.evaluation.baselines.f0_kernels import decode, observe

RATES = (8000, 16000, 44100)


def tone(frequency, rate, amplitudes=(1.0,), seconds=1.0):
    """A harmonic tone of constant (a number) or moving (a function of time in s) frequency: the waveform, float32
    [N], and the frequency of each sample, Hz [N]."""
    times = np.arange(round(rate * seconds)) / rate
    hertz = np.broadcast_to(frequency(times) if callable(frequency) else float(frequency), times.shape)
    phase = 2 * np.pi * np.cumsum(hertz) / rate
    parts = [a * np.where(h * hertz < rate / 2, np.sin(h * phase + h), 0.0) for h, a in enumerate(amplitudes, 1)]
    return (0.2 * sum(parts)).astype(np.float32), hertz


def cents(waveform, hertz, rate, edge=3):
    """How far the track is off, in cents; every frame must be voiced but ``edge`` at either end."""
    track = f0(waveform, rate)
    assert len(track) == 1 + len(waveform) // hop_samples(rate)
    truth = hertz[np.minimum(np.arange(len(track)) * hop_samples(rate), len(hertz) - 1)]
    inside = slice(edge, -edge)
    assert (track[inside] > 0).all()
    return 1200 * np.log2(track[inside] / truth[inside])


SAWTOOTH = tuple(1 / h for h in range(1, 13))


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("amplitudes", [(1.0,), SAWTOOTH])
def test_steady_tones_at_every_rate(rate, amplitudes):
    for frequency in (65, 98.7, 150, 220, 331, 440, 622, 950):
        assert np.abs(cents(*tone(frequency, rate, amplitudes), rate)).max() < 20, frequency


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize(
    "frequency",
    [
        lambda t: 220 * 2 ** (0.5 / 12 * np.sin(2 * np.pi * 5.5 * t)),  # a vibrato of half a semitone
        lambda t: 110 * 2**t,
        lambda t: 660 * 2**-t,
    ],
    ids=["vibrato", "rise", "fall"],
)
def test_moving_tones_at_every_rate(rate, frequency):
    assert np.abs(cents(*tone(frequency, rate, SAWTOOTH), rate)).max() < 20


@pytest.mark.parametrize("rate", RATES)
def test_steps_from_note_to_note_are_followed(rate):
    notes = np.array([0, 7, 12, -5, 4])
    waveform, hertz = tone(lambda t: 220 * 2 ** (notes[(t * 5).astype(int)] / 12), rate, SAWTOOTH)
    track = f0(waveform, rate)[:-1]
    truth = hertz[np.arange(len(track)) * hop_samples(rate)]
    right = np.abs(np.log2(np.maximum(track, 1) / truth)) < 20 / 1200
    # Only frames that two notes share may be off or unvoiced: two at each of the four steps.
    assert (~right).sum() <= 8


def test_octave_errors_are_rare_whatever_the_timbre(rng):
    wrong = total = 0
    for _ in range(60):
        # A voice's spectrum falls by 6 dB an octave or more; harmonics of random strength, the fundamental often weaker
        # than those above it; noise 20 dB below.
        waveform, hertz = tone(rng.uniform(80, 800), 16000, rng.uniform(0.1, 1, 8) / np.arange(1, 9), 0.5)
        waveform += 0.1 * waveform.std() * rng.standard_normal(len(waveform)).astype(np.float32)
        off = np.abs(cents(waveform, hertz, 16000))
        wrong, total = wrong + (off > 50).sum(), total + len(off)
    assert wrong / total < 0.01


@pytest.mark.parametrize("rate", RATES)
def test_silence_noise_and_constants_are_unvoiced(rate, rng):
    assert not f0(np.zeros(rate, np.float32), rate).any()
    assert not f0(np.full(rate, 0.3, np.float32), rate).any()
    assert (f0(rng.standard_normal(5 * rate).astype(np.float32), rate) > 0).mean() < 0.01


def test_voice_begins_and_ends_where_it_does(rng):
    """Also beside digital silence, which an offset of the recording's mean turns into a constant."""
    waveform, _ = tone(200, 16000, SAWTOOTH)
    for pause in (np.zeros(16000, np.float32), 0.01 * rng.standard_normal(16000).astype(np.float32)):
        voiced = f0(np.concatenate([pause, waveform + 0.05, pause]), 16000) > 0
        assert np.flatnonzero(voiced)[[0, -1]] == pytest.approx([62, 125], abs=3)
        assert voiced[66:121].all()


def test_the_level_does_not_matter():
    waveform, _ = tone(lambda t: 200 * 2**t, 16000, SAWTOOTH)
    np.testing.assert_allclose(f0(waveform * 1e-3, 16000), f0(waveform, 16000), rtol=1e-3)


def test_recordings_of_any_length():
    assert f0(np.zeros(0, np.float32), 16000).tolist() == [0.0]
    assert f0(np.ones(1, np.float32), 16000).tolist() == [0.0]
    waveform, _ = tone(200, 16000, SAWTOOTH, 3.0)
    assert [len(track) for track in f0_tracks(16000)([waveform[:255], waveform[:256]])] == [1, 2]


def test_pieces_do_not_show(monkeypatch):
    waveform, _ = tone(lambda t: 200 * 2**t, 16000, SAWTOOTH)
    whole = f0(waveform, 16000)
    monkeypatch.setattr(module, "_FRAMES_AT_ONCE", 7)
    np.testing.assert_array_equal(f0(waveform, 16000), whole)


def test_candidates_are_those_of_yin_over_a_thousand_thresholds(rng):
    """The closed form against YIN run with each threshold of a beta(2, 18) distribution."""
    rate, window, longest, shortest = 8000, 267, 133, 8
    waveform, _ = tone(180, rate, (0.3, 1.0, 0.5, 0.8), 0.2)
    waveform = (waveform + 0.03 * rng.standard_normal(len(waveform))).astype(np.float64)
    lags = longest + 2
    starts = np.array([0, 400, 900])
    difference = np.array(
        [
            [((waveform[s : s + window] - waveform[s + k : s + k + window]) ** 2).sum() for k in range(lags)]
            for s in starts
        ]
    )
    products = np.array(
        [[waveform[s : s + window] @ waveform[s + k : s + k + window] for k in range(lags)] for s in starts]
    )
    energy = np.concatenate(([0.0], np.cumsum(waveform**2)))
    bins = (np.log2(60.0), 60.0, 244)
    probabilities, frequencies = observe(
        products.astype(np.float32), energy, starts, window, shortest, *bins, float(rate), 0.01
    )

    edges = np.linspace(0, 1, 1001)
    mass = np.diff(1 - (1 - edges) ** 18 * (1 + 18 * edges))
    for d, found, hertz in zip(difference, probabilities, frequencies, strict=True):
        normal = np.concatenate(([1.0], d[1:] * np.arange(1, lags) / np.cumsum(d[1:])))
        troughs = [k for k in range(shortest, lags - 1) if normal[k] < normal[k - 1] and normal[k] <= normal[k + 1]]
        floors = {}
        for k in troughs:
            a, b, _ = np.polyfit([-1, 0, 1], normal[k - 1 : k + 2], 2)
            floors[k] = max(normal[k] - b * b / (4 * a), 0.0)
        expected = dict.fromkeys(troughs, 0.0)
        for threshold, weight in zip((edges[:-1] + edges[1:]) / 2, mass, strict=True):
            below = [k for k in troughs if floors[k] < threshold]
            if below:
                expected[below[0]] += weight
            else:
                expected[min(troughs, key=floors.__getitem__)] += 0.01 * weight
        held = np.zeros(244)
        for k, weight in expected.items():
            a, b, _ = np.polyfit([-1, 0, 1], d[k - 1 : k + 2], 2)
            frequency = rate / (k - b / (2 * a))
            place = round((np.log2(frequency) - bins[0]) * 60)
            held[place] += weight
            if weight > 0.1:
                assert hertz[place] == pytest.approx(frequency, rel=1e-4)
        assert held.max() > 0.5
        np.testing.assert_allclose(found, held, atol=0.01)


def test_the_path_is_the_likeliest_of_all(rng):
    frames, count = 4, 3
    for _ in range(20):
        voiced = np.log(rng.random((frames, count))).astype(np.float32)
        unvoiced = np.log(rng.random(frames) / 2).astype(np.float32)
        steps = np.log([0.25, 0.5, 0.25]).astype(np.float32)
        stay, switch = np.log(0.8), np.log(0.2)
        best, winner = -np.inf, None
        for path in itertools.product(itertools.product((0, 1), range(count)), repeat=frames):
            score = sum(voiced[t, m] if state == 0 else unvoiced[t] for t, (state, m) in enumerate(path))
            for (a, m), (b, n) in itertools.pairwise(path):
                score += steps[n - m + 1] + (stay if a == b else switch) if abs(n - m) <= 1 else -np.inf
            if score > best:
                best, winner = score, [m if state == 0 else -1 for state, m in path]
        assert decode(voiced, unvoiced, steps, stay, switch).tolist() == winner
