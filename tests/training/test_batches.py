"""Batches of spectra: the clips of a pair are of one place, and reading ahead changes nothing."""

from pathlib import Path

import pytest
import torch

from tests.training.trainings import clipped, trainer
from wav2tok.config.schema import Config
from wav2tok.training.batches import Batches, LoadedBatch
from wav2tok.training.pairs import Pairs


def place_of(part: torch.Tensor, whole: torch.Tensor) -> int:
    """The only frame of ``whole`` at which ``part`` begins."""
    (start,) = [i for i in range(len(whole) - len(part) + 1) if torch.equal(whole[i : i + len(part)], part)]
    return start


def test_both_views_of_a_pair_are_clips_of_the_same_place(
    tiny_split: Path, tiny_config: Config, tmp_path: Path
) -> None:
    config = clipped(tiny_config)
    made, most = trainer(tiny_split, config, tmp_path), config.clip_frames
    assert most == 12
    assert int(made.store.frames.min()) > most
    whole, frames = made.store.batch(made.store.heads(10**9))
    starts = set()
    for pairs in made.sampler.epoch(0, 0, 8, 4):
        loaded = made.batches.load(pairs)
        n = len(pairs.anchors)
        assert loaded.spectrum.shape == (2 * n, most, config.features.n_mels)
        assert loaded.frames.tolist() == [most] * 2 * n
        assert torch.equal(loaded.labels, pairs.labels)
        for i, (anchor, partner) in enumerate(zip(pairs.anchors, pairs.partners, strict=True)):
            for recording, part in ((anchor, loaded.spectrum[i]), (partner, loaded.spectrum[n + i])):
                possible = int(frames[recording]) - most + 1
                start = place_of(part, whole[recording, : frames[recording]])
                assert 0 <= float(pairs.places[i]) - start / possible < 1 / possible
                starts.add(start)
    assert len(starts) > 5  # not the beginning alone


def test_clips_of_short_recordings_are_the_recordings(tiny_split: Path, tiny_config: Config, tmp_path: Path) -> None:
    made = trainer(tiny_split, tiny_config, tmp_path)
    (pairs, *_) = made.sampler.epoch(0, 0, 8, 1)
    loaded = made.batches.load(pairs)
    both = torch.cat([pairs.anchors, pairs.partners])
    expected, frames = made.store.batch(made.store.heads(10**9)[both])
    assert torch.equal(loaded.spectrum, expected)
    assert torch.equal(loaded.frames, frames)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_batches_read_ahead_are_those_read_one_by_one(
    tiny_split: Path, tiny_config: Config, tmp_path: Path, count: int
) -> None:
    made = trainer(tiny_split, clipped(tiny_config), tmp_path)
    batches = made.sampler.epoch(0, 0, 4, count)
    assert len(batches) == count
    got = list(made.batches.ahead(batches))
    assert len(got) == count
    for batch, pairs in zip(got, batches, strict=True):
        expected = made.batches.load(pairs)
        for part in ("spectrum", "frames", "labels"):
            assert torch.equal(getattr(batch, part), getattr(expected, part))


def test_a_batch_that_cannot_be_read_ends_the_epoch(
    tiny_split: Path, tiny_config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = trainer(tiny_split, tiny_config, tmp_path)
    batches = made.sampler.epoch(0, 0, 4, 3)
    load = Batches.load

    def broken(self: Batches, pairs: Pairs) -> LoadedBatch:
        if pairs is batches[1]:
            raise OSError("the disk is gone")
        return load(self, pairs)

    monkeypatch.setattr(Batches, "load", broken)
    coming = made.batches.ahead(batches)
    next(coming)
    with pytest.raises(OSError, match="the disk is gone"):
        next(coming)
