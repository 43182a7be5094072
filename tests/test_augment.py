"""Augmentation of spectra: what it leaves, what it changes and by how much."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wav2tok.augment import augment, pitch_matrix
from wav2tok.config import Augment, Features
from wav2tok.features import FrontEnd, repeat_last

RATE = 16000
STILL = {"share": 1.0, "semitones": 0.0, "min_tempo": 1.0, "max_tempo": 1.0}


def front(kind: str = "logmel", n_mels: int = 64) -> FrontEnd:
    return FrontEnd(Features(kind=kind, n_mels=n_mels), RATE)


def random_spectrum(lengths: list[int], bands: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    frames = torch.tensor(lengths)
    x = torch.randn(len(lengths), max(lengths), bands, generator=torch.Generator().manual_seed(seed))
    return repeat_last(x, frames), frames


def tone(front_end: FrontEnd, hertz: float, copies: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The spectrum of a steady tone, ``copies`` times."""
    wave = torch.sin(2 * math.pi * hertz * torch.arange(6000) / RATE)[None]
    x = front_end.spectrum(wave, torch.tensor([6000]))
    return x.expand(copies, -1, -1), torch.full((copies,), x.shape[1])


def rate_of(peak: torch.Tensor, front_end: FrontEnd) -> torch.Tensor:
    return front_end.centers()[peak]


@pytest.mark.parametrize("kind", ["mfcc", "logmel", "stft"])
def test_nothing_is_touched_when_the_share_is_0(kind: str, generator: torch.Generator) -> None:
    front_end = front(kind)
    x, frames = random_spectrum([12, 1, 7], front_end.bands)
    got, new = augment(x, frames, front_end, Augment(share=0.0), generator)
    assert torch.equal(got, x)
    assert torch.equal(new, frames)


def test_about_the_asked_share_is_touched(generator: torch.Generator) -> None:
    front_end = front()
    x, frames = random_spectrum([5] * 400, front_end.bands)
    config = Augment(share=0.3, min_tempo=1.0, max_tempo=1.0)
    got, _ = augment(x, frames, front_end, config, generator)
    touched = (got != x).flatten(1).any(1).float().mean()
    assert 0.2 < float(touched) < 0.4


@given(lengths=st.lists(st.integers(1, 80), min_size=1, max_size=5), tempo=st.floats(0.5, 2.0), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_a_tempo_changes_the_lengths_as_asked(lengths: list[int], tempo: float, seed: int) -> None:
    front_end = front("stft")
    x, frames = random_spectrum(lengths, front_end.bands, seed)
    config = Augment(share=1.0, semitones=0.0, min_tempo=tempo, max_tempo=tempo)
    got, new = augment(x, frames, front_end, config, torch.Generator().manual_seed(seed))
    for row, original, before, after in zip(got, x, frames.tolist(), new.tolist(), strict=True):
        assert abs(after - before / tempo) <= 0.5 + 1e-3 or after == 1
        assert torch.allclose(row[0], original[0], atol=1e-5)
        if after > 1:
            assert torch.allclose(row[after - 1], original[before - 1], atol=1e-3)
        assert torch.equal(row[after - 1 :], row[after - 1].expand(len(row) - after + 1, -1))


def test_tempos_spread_over_their_range(generator: torch.Generator) -> None:
    front_end = front()
    x, frames = random_spectrum([200] * 200, front_end.bands)
    _, new = augment(x, frames, front_end, Augment(share=1.0), generator)
    ratio = 200 / new.float()
    assert 0.69 < float(ratio.min()) < 0.75
    assert 1.3 < float(ratio.max()) < 1.41


@pytest.mark.parametrize("semitones", [-6.0, -1.5, 0.0, 2.0, 6.0])
def test_the_pitch_matrix_takes_content_from_where_the_shifted_frequency_came(semitones: float) -> None:
    for front_end in (front("logmel"), front("stft")):
        centers = front_end.centers().double()
        ratio = 2 ** (semitones / 12)
        matrix = pitch_matrix(front_end, torch.tensor([ratio]))[0].double()
        assert (matrix > 0).sum(0).max() <= 2  # linear interpolation
        assert torch.allclose(matrix.sum(0), torch.ones(len(centers), dtype=torch.float64), atol=1e-5)
        expected = (centers / ratio).clamp(float(centers[0]), float(centers[-1]))
        assert torch.allclose(centers @ matrix, expected, rtol=1e-3, atol=0.5)


@pytest.mark.parametrize("direction", [1, -1])
def test_a_shift_moves_a_tone_to_the_frequency_it_should_have(direction: int, generator: torch.Generator) -> None:
    front_end = front("stft")
    x, frames = tone(front_end, 1500.0, 100)
    config = Augment(share=1.0, semitones=6.0 * direction, min_tempo=1.0, max_tempo=1.0)
    got, _ = augment(x, frames, front_end, config, generator)
    shift = 12 * torch.log2(rate_of(got.mean(1).argmax(1), front_end) / 1500.0)
    assert shift.abs().max() < 6.2
    assert shift.min() < -5
    assert shift.max() > 5


def test_the_shift_of_a_copy_is_the_one_that_its_generator_drew() -> None:
    """Up and down are not mixed up: content read at f / ratio appears at f."""
    front_end = front("stft")
    x, _ = tone(front_end, 1500.0, 1)
    for semitones in (-5.0, 4.0):
        matrix = pitch_matrix(front_end, torch.tensor([2 ** (semitones / 12)]))[0]
        peak = (x[0].mean(0) @ matrix).argmax()
        assert abs(12 * math.log2(float(front_end.centers()[peak]) / 1500.0) - semitones) < 0.2


def test_noise_fills_the_quiet_bands_and_leaves_the_loud_ones(generator: torch.Generator) -> None:
    front_end = front()
    x, frames = tone(front_end, 1000.0, 200)
    got, _ = augment(x, frames, front_end, Augment(**STILL), generator)
    decibel = 10 / math.log(10) * (got - x.amax())
    loud = x[0].mean(0).argmax()
    assert (got - x)[:, :, loud].abs().max() < 0.01
    floor = 10 * (10 ** (decibel[:, :, -20:] / 10)).mean((1, 2)).log10()
    # -60 to -40 dB by level, up to 6 dB more or less by tilt.
    assert -67 < float(floor.min()) < -57
    assert -43 < float(floor.max()) < -33


def test_the_same_generator_gives_the_same_copies() -> None:
    front_end = front()
    x, frames = random_spectrum([20, 30, 5], front_end.bands)
    config = Augment(share=1.0)
    one, two, other = (augment(x, frames, front_end, config, torch.Generator().manual_seed(s))[0] for s in (1, 1, 2))
    assert torch.equal(one, two)
    assert one.shape != other.shape or not torch.equal(one, other)
