"""Whitening: against its definition, and what it is for: directions in which takes of one thing differ lose weight."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from tests.helpers import changed
from tests.training.trainings import fit
from wav2tok.config.schema import Config
from wav2tok.model import checkpoint
from wav2tok.training.objective import Views
from wav2tok.training.whitening import whitening, within_class_covariance


def pair(seed: int, noise: torch.Tensor) -> Views:
    """Two takes of four distant sounds, three frames each, that differ by ``noise`` [d] times a normal number."""
    generator = torch.Generator().manual_seed(seed)
    sounds = torch.eye(len(noise))[:4].repeat_interleave(3, 0)[None]
    a, b = (F.normalize(sounds + noise * torch.randn(sounds.shape, generator=generator), dim=2) for _ in range(2))
    lengths = torch.tensor([12])
    return Views(a, lengths, b, lengths, torch.tensor([0]))


def test_the_covariance_is_that_of_differences_along_the_path() -> None:
    """Takes as long as each other, of sounds far apart, lie on each other frame by frame of the same sound."""
    noise = torch.full((6,), 1e-3)
    pairs = [pair(seed, noise) for seed in range(40)]
    covariance = within_class_covariance(pairs)
    assert covariance.shape == (6, 6)
    assert covariance.dtype == torch.float64
    # Of four sounds' differences two are independent draws; which of three equal frames is the partner is left open.
    spread = covariance.diagonal()
    assert float(spread[4:].max()) == pytest.approx(2e-6, rel=0.4)


def test_frames_past_the_end_do_not_count() -> None:
    views = pair(3, torch.full((6,), 0.1))
    padded = dataclasses.replace(
        views, a=F.pad(views.a, (0, 0, 0, 5), value=9.0), b=F.pad(views.b, (0, 0, 0, 2), value=7.0)
    )
    assert torch.allclose(within_class_covariance([views]), within_class_covariance([padded]))


def test_whitened_differences_are_equally_large_in_all_directions() -> None:
    rng = np.random.default_rng(0)
    factor = torch.from_numpy(rng.normal(size=(7, 7)))
    covariance = factor @ factor.T
    matrix = whitening(covariance, ridge=0.0)
    white = matrix @ covariance @ matrix.T
    assert torch.allclose(white, white[0, 0] * torch.eye(7, dtype=torch.float64), atol=1e-9)
    assert torch.allclose(matrix, matrix.T)
    assert float(torch.linalg.matrix_norm(matrix, 2)) == pytest.approx(1.0)


def test_a_ridge_bounds_how_much_a_quiet_direction_is_raised() -> None:
    covariance = torch.diag(torch.tensor([1.0, 1.0, 0.0], dtype=torch.float64))
    scale = whitening(covariance, ridge=0.1).diagonal()
    mean = 2 / 3
    assert float(scale[2] / scale[0]) == pytest.approx(((1 + 0.1 * mean) / (0.1 * mean)) ** 0.5)


def test_equal_recordings_leave_everything_as_it_is() -> None:
    assert torch.equal(whitening(torch.zeros(3, 3, dtype=torch.float64)), torch.eye(3, dtype=torch.float64))


def test_a_training_starts_from_the_whitened_features_and_judges_them(
    tiny_split: Path, tiny_config: Config, tmp_path: Path
) -> None:
    """Without a step the best model is that of epoch 0, whitened; the untrained one keeps the features' geometry."""
    linear = {"kind": "linear", "dim": 24, "stack": 1, "whitening": True}
    config = changed(tiny_config, encoder=linear, train={"epochs": 0})
    progress = fit(tiny_split, tmp_path / "m", config)
    assert (progress.epoch, progress.best_epoch, progress.finished) == (0, 0, True)
    assert [row["epoch"] for row in progress.history] == [0]
    weight = checkpoint.load(tmp_path / "m")[0].encoder.weight
    untrained = checkpoint.load(tmp_path / "m", "untrained")[0].encoder.weight
    assert torch.equal(untrained, torch.eye(24))
    assert not torch.allclose(weight, untrained, atol=0.1)
    assert torch.allclose(weight, weight.T, atol=1e-6)
