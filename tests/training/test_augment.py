"""Augmentation of spectra: what it leaves, what it changes and by how much."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers import features
from wav2tok.config.schema import Augment
from wav2tok.model.features import KINDS
from wav2tok.model.frames import repeat_last
from wav2tok.model.front_end import FrontEnd
from wav2tok.training.augment import augment, same_length

RATE = 16000
STILL = {"share": 1.0, "semitones": 0.0, "min_tempo": 1.0, "max_tempo": 1.0}


def front(kind: str = "logmel", n_mels: int = 64) -> FrontEnd:
    return FrontEnd(features(kind, n_mels=n_mels), RATE)


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
        matrix = front_end.kind.pitch_matrix(torch.tensor([ratio]))[0].double()
        assert (matrix > 0).sum(0).max() <= 2  # linear interpolation
        assert torch.allclose(matrix.sum(0), torch.ones(len(centers), dtype=torch.float64), atol=1e-5)
        expected = (centers / ratio).clamp(float(centers[0]), float(centers[-1]))
        assert torch.allclose(centers @ matrix, expected, rtol=1e-3, atol=0.5)


def test_a_shift_moves_a_tone_to_the_frequency_it_should_have(generator: torch.Generator) -> None:
    front_end = front("stft")
    x, frames = tone(front_end, 1500.0, 100)
    config = Augment(share=1.0, semitones=6.0, min_tempo=1.0, max_tempo=1.0)
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
        matrix = front_end.kind.pitch_matrix(torch.tensor([2 ** (semitones / 12)]))[0]
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


@pytest.mark.parametrize("kind", KINDS)
@given(seed=st.integers(0, 999), data=st.data())
@settings(max_examples=10)
def test_what_may_not_be_touched_comes_back_bit_by_bit(kind: str, seed: int, data: st.DataObject) -> None:
    """However the others of its batch are changed; and those are, as if all were allowed."""
    front_end = front(kind)
    lengths = data.draw(st.lists(st.integers(1, 20), min_size=2, max_size=5))
    allowed = torch.tensor(data.draw(st.lists(st.booleans(), min_size=len(lengths), max_size=len(lengths))))
    x, frames = random_spectrum(lengths, front_end.bands, seed)
    got, new = augment(x, frames, front_end, Augment(share=1.0), torch.Generator().manual_seed(seed), allowed)
    assert torch.equal(new[~allowed], frames[~allowed])
    for row, original, n, free in zip(got, x, new.tolist(), allowed.tolist(), strict=True):
        if not free:
            assert torch.equal(row[:n], original[:n])
            assert torch.equal(row[n:], original[n - 1].expand(len(row) - n, -1))
        else:
            assert n > original.shape[0] or not torch.equal(row[:n], original[:n])


@pytest.mark.parametrize("kind", KINDS)
def test_no_noise_is_none_at_all(kind: str, generator: torch.Generator) -> None:
    """With the least noise that there is, some bands change; without any, none does. (Not for stft and contour.)"""
    front_end = front(kind)
    x, frames = random_spectrum([12, 1, 7], front_end.bands)
    got, new = augment(x, frames, front_end, Augment(**STILL, noise_db=None), generator)
    assert torch.equal(got, x)
    assert torch.equal(new, frames)
    noisy, _ = augment(x, frames, front_end, Augment(**STILL, noise_db=0.0), generator)
    assert torch.equal(noisy, x) == (kind in ("stft", "contour"))


def test_pitch_and_tempo_are_the_same_with_and_without_noise() -> None:
    front_end = front("stft")  # to which noise is not added
    x, frames = random_spectrum([20, 30, 5], front_end.bands)
    one, two = (
        augment(x, frames, front_end, Augment(share=1.0, noise_db=level), torch.Generator().manual_seed(3))
        for level in (None, 10.0)
    )
    assert torch.equal(one[0], two[0])
    assert torch.equal(one[1], two[1])


@given(
    lengths=st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40)), min_size=1, max_size=4),
    members=st.integers(2, 3),
    seed=st.integers(0, 99),
)
@settings(max_examples=60)
def test_members_get_their_mean_length(lengths: list[tuple[int, int, int]], members: int, seed: int) -> None:
    """All first members, then all second ones; a half is rounded to the even number."""
    flat = [group[member] for member in range(members) for group in lengths]
    x, frames = random_spectrum(flat, 3, seed)
    got, new = same_length(x, frames, members, front().kind)
    expected = [round(sum(group[:members]) / members) for group in lengths]
    assert new.tolist() == expected * members
    assert got.shape == (len(flat), max(expected), 3)
    for row, original, before, after in zip(got, x, flat, new.tolist(), strict=True):
        # The first frame stays first and the last one last, with time between them running evenly.
        scale = (before - 1) / (after - 1) if after > 1 else 0.0
        for t in range(after):
            low = min(int(t * scale + 1e-9), before - 1)
            weight = t * scale - low
            wanted = (1 - weight) * original[low] + weight * original[min(low + 1, before - 1)]
            assert torch.allclose(row[t], wanted, atol=1e-4)
        assert torch.equal(row[after:], row[after - 1].expand(len(row) - after, -1))
        if before == after:
            assert torch.equal(row[:after], original[:after])


@pytest.mark.parametrize("kind", ["logmel", "stft", "cqt"])
def test_a_tone_keeps_its_pitch_when_lengths_are_made_the_same(kind: str) -> None:
    front_end = front(kind)
    x, frames = tone(front_end, 1000.0, 2)
    x, frames = x[:, : int(frames[0])], torch.tensor([int(frames[0]), int(frames[0]) // 3])
    got, new = same_length(repeat_last(x, frames), frames, 2, front_end.kind)
    assert new[0] == new[1] != frames[0]
    peak = x[0, 2:-2].mean(0).argmax()
    assert (got[:, 2:-2].argmax(2) == peak).all()


def test_slips_of_a_contour_are_drawn_after_all_else_and_only_where_views_change() -> None:
    front_end = front("contour")
    x, frames = random_spectrum([40] * 60, 2)
    x = x.abs().clamp_max(1)
    pitch = {**STILL, "semitones": 6.0, "share": 0.5}
    (plain, _), (slipped, new), (again, _) = (
        augment(x, frames, front_end, Augment(**pitch, contour=strength), torch.Generator().manual_seed(1))
        for strength in (0.0, 1.0, 1.0)
    )
    assert torch.equal(slipped, again)
    changed = (plain != x).flatten(1).any(1)
    kept = [i for i in range(len(x)) if not changed[i]]
    assert 15 < len(kept) < 45
    assert torch.equal(new[kept], frames[kept])
    assert torch.equal(slipped[kept, :40], x[kept])
    differs = [int(new[i]) != 40 or not torch.equal(slipped[i, :40], plain[i]) for i in range(len(x)) if changed[i]]
    assert all(differs)
