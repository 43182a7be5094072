"""Another performance of a contour: what changes, by how much, and what never does."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers import features
from wav2tok.config.schema import Augment
from wav2tok.config.training import ContourChange
from wav2tok.model.features.contour import Contour
from wav2tok.model.features.kind import Kind
from wav2tok.model.frames import repeat_last
from wav2tok.training import contours
from wav2tok.training.contours import vary

RATE = 15.625
CHANGES = Augment().contour_changes
IN_TIME: tuple[ContourChange, ...] = ("notes", "tempo")
IN_PITCH = tuple(change for change in CHANGES if change not in IN_TIME)
LENGTHS = st.lists(st.integers(1, 120), min_size=1, max_size=4)
SEEDS = st.integers(0, 999)


class Still(Kind):
    """Only what `vary` needs of `Contour`: how to interpolate. It spares the network."""

    between = Contour.between

    def centers(self) -> torch.Tensor:
        raise NotImplementedError

    def power(self, waveform: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError


KIND = Still(features("contour"), 16000, 2)


def sung(lengths: list[int], seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Contours of notes between 20 and 40 semitones, a fifth of the frames without a pitch."""
    draw = torch.Generator().manual_seed(seed)
    shape = len(lengths), max(lengths)
    pitch = 20 + 20 * torch.rand(*shape, generator=draw)
    sure = torch.rand(*shape, generator=draw)
    frames = torch.tensor(lengths)
    return repeat_last(torch.stack([pitch, torch.where(sure < 0.2, 0.0, sure)], dim=2), frames), frames


def varied(
    x: torch.Tensor, frames: torch.Tensor, seed: int, *changes: ContourChange, strength: float = 1.0
) -> tuple[torch.Tensor, torch.Tensor]:
    everyone = torch.ones(len(frames), dtype=torch.bool)
    return vary(x, frames, KIND, RATE, strength, changes, torch.Generator().manual_seed(seed), everyone)


@given(lengths=LENGTHS, seed=SEEDS, strength=st.floats(0.01, 1))
@settings(max_examples=40, deadline=None)
def test_the_same_seed_gives_the_same_contours_and_every_length_is_that_of_its_frames(
    lengths: list[int], seed: int, strength: float
) -> None:
    x, frames = sung(lengths, seed)
    got, new = varied(x, frames, seed, *CHANGES, strength=strength)
    again, lengths_again = varied(x, frames, seed, *CHANGES, strength=strength)
    assert torch.equal(got, again)
    assert torch.equal(new, lengths_again)
    assert got.shape == (len(lengths), int(new.max()), 2)
    assert int(new.min()) >= 1
    assert torch.equal(got, repeat_last(got, new))
    assert bool(got.isfinite().all())
    assert float(got[:, :, 1].min()) >= 0
    assert float(got[:, :, 1].max()) <= 1


@given(lengths=LENGTHS, seed=SEEDS)
@settings(max_examples=20, deadline=None)
def test_a_recording_that_must_not_change_does_not(lengths: list[int], seed: int) -> None:
    x, frames = sung([*lengths, 50], seed)
    changed = torch.zeros(len(frames), dtype=torch.bool)
    changed[-1] = True
    got, new = vary(x, frames, KIND, RATE, 1.0, CHANGES, torch.Generator().manual_seed(seed), changed)
    assert torch.equal(new[:-1], frames[:-1])
    for row, one in enumerate(lengths):
        assert torch.equal(got[row, :one], x[row, :one])


@given(lengths=LENGTHS, seed=SEEDS, strength=st.floats(0.01, 1))
@settings(max_examples=40, deadline=None)
def test_changes_of_pitch_keep_time_and_what_has_no_pitch(lengths: list[int], seed: int, strength: float) -> None:
    x, frames = sung(lengths, seed)
    got, new = varied(x, frames, seed, *IN_PITCH, strength=strength)
    assert torch.equal(new, frames)
    assert torch.equal(got[:, :, 1], x[:, :, 1])
    silent = x[:, :, 1] == 0
    assert torch.equal(got[silent], x[silent])


@given(lengths=LENGTHS, seed=SEEDS, strength=st.floats(0.01, 1))
@settings(max_examples=40, deadline=None)
def test_changes_of_pitch_are_bounded_one_by_one(lengths: list[int], seed: int, strength: float) -> None:
    x, frames = sung(lengths, seed)
    moved = varied(x, frames, seed, "vibrato", strength=strength)[0] - x
    assert float(moved.abs().max()) <= contours.VIBRATO_SEMITONES * strength + 1e-4
    slipped = (varied(x, frames, seed, "octaves", strength=strength)[0] - x)[:, :, 0].abs()
    assert bool(((slipped < 1e-4) | ((slipped - 12).abs() < 1e-4)).all())
    gliding = varied(x, frames, seed, "glides", strength=strength)[0]
    for row, one in enumerate(lengths):
        voiced = x[row, :one, 1] > 0
        if voiced.any():
            before, after = x[row, :one, 0][voiced], gliding[row, :one, 0][voiced]
            assert float(after.min()) >= float(before.min()) - 1e-3
            assert float(after.max()) <= float(before.max()) + 1e-3


@given(lengths=LENGTHS, seed=SEEDS, strength=st.floats(0.01, 1))
@settings(max_examples=40, deadline=None)
def test_notes_only_come_again_or_not_at_all(lengths: list[int], seed: int, strength: float) -> None:
    x, frames = sung(lengths, seed)
    got, new = varied(x, frames, seed, "notes", strength=strength)
    for row, (before, after) in enumerate(zip(lengths, new.tolist(), strict=True)):
        source = (got[row, :after, None] == x[row, None, :before]).all(2)
        assert bool(source.any(1).all())
        assert int(source.sum(0).max()) <= 2 or before != len(x[row, :before].unique(dim=0))


@given(length=st.integers(2, 300), seed=SEEDS, strength=st.floats(0.01, 1))
@settings(max_examples=40, deadline=None)
def test_a_bent_tempo_keeps_the_order_and_stays_within_its_swing(length: int, seed: int, strength: float) -> None:
    rising = torch.stack([torch.arange(length).float(), torch.ones(length)], dim=1)[None]
    got, new = varied(rising, torch.tensor([length]), seed, "tempo", strength=strength)
    count, swing = int(new), float(torch.tensor(contours.BEND * strength).exp())
    assert (length - 1) / swing - 1 <= count - 1 <= (length - 1) * swing + 1
    place = got[0, :count, 0]
    assert float(place[0]) == 0
    assert float(place[-1]) == pytest.approx(length - 1, abs=1e-3) or count == 1
    assert bool((place.diff() >= 0).all())


def test_dropped_and_repeated_notes_come_as_often_as_stated() -> None:
    x, frames = sung([400] * 200, 0)
    _, new = varied(x, frames, 0, "notes")
    assert float(new.float().std()) > 10
    assert float((new / frames).mean()) == pytest.approx(1, abs=0.03)


def test_a_repeated_note_is_sung_to_its_end_before_it_comes_again() -> None:
    rising = torch.stack([torch.arange(400).float(), torch.ones(400)], dim=1)[None].expand(20, -1, -1)
    got, new = varied(rising, torch.full((20,), 400), 0, "notes")
    back = [int((row[:count, 0].diff() < 0).sum()) for row, count in zip(got, new.tolist(), strict=True)]
    steps = torch.cat([row[:count, 0].diff() for row, count in zip(got, new.tolist(), strict=True)])
    longest = contours.NOTE_SECONDS[1] * RATE
    assert sum(back) > 20  # a copy starts where its note started
    assert float(steps.min()) >= -longest
    assert float((steps == 0).float().mean()) < 1e-3  # no frame is merely held, except in stretches cut at an end


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_changes_something(change: ContourChange) -> None:
    x, frames = sung([100] * 10, 0)
    got, new = varied(x, frames, 0, change)
    assert not torch.equal(new, frames) or not torch.equal(got, x)
