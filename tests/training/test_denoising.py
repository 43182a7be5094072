"""Denoising: copies in time with what they copy, and a matrix that brings their frames nearer to the clean ones."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.audio.voices import RATE, ten_voices
from tests.helpers import changed
from tests.training.trainings import fit
from wav2tok.audio import decode
from wav2tok.config.schema import Config
from wav2tok.corpus.splits import read_splits
from wav2tok.model import checkpoint
from wav2tok.model.wav2tok import Wav2Tok, create
from wav2tok.training import denoising


@pytest.fixture(scope="module")
def config(tiny_config: Config) -> Config:
    linear = {"kind": "linear", "dim": 24, "stack": 1, "context": 1, "denoising": True}
    return changed(tiny_config, encoder=linear, train={"epochs": 0})


def test_a_copy_is_as_long_as_its_recording_and_follows_the_generator() -> None:
    voices = ten_voices()
    one, again, other = (
        denoising.degraded(voices[0], voices[1:], RATE, np.random.default_rng(seed)) for seed in (4, 4, 5)
    )
    assert (one.shape, one.dtype) == (voices[0].shape, np.float32)
    np.testing.assert_array_equal(one, again)
    assert not np.allclose(one, other)


def distance(model: Wav2Tok, waveforms: list[np.ndarray], clean: list[np.ndarray], target: Wav2Tok) -> float:
    """The mean squared distance of ``model``'s frames before they get unit length to the target's clean ones."""
    found = denoising._frames(model, waveforms) @ model.encoder.get_parameter("weight").double().T
    expected = denoising._frames(target, clean) @ target.encoder.get_parameter("weight").double().T
    return float((found - expected).detach().square().mean())


def test_degraded_frames_of_other_recordings_come_nearer_to_the_clean_ones(tiny_split: Path, config: Config) -> None:
    splits = read_splits(tiny_split, config)
    untrained, model = create(config), create(config)
    denoising.denoise(model, splits.train.paths, config)
    rate = config.data.sample_rate
    clean = [decode.read(path, rate) for path in splits.test.paths]
    voices = [decode.read(path, rate) for path in splits.train.paths]
    generator = np.random.default_rng(9)
    heard = [denoising.degraded(waveform, voices, rate, generator) for waveform in clean]
    assert distance(model, heard, clean, untrained) < 0.8 * distance(untrained, heard, clean, untrained)
    again = create(config)
    denoising.denoise(again, splits.train.paths, config)
    assert torch.equal(again.encoder.get_parameter("weight"), model.encoder.get_parameter("weight"))


def test_a_training_starts_from_the_denoised_features(tiny_split: Path, config: Config, tmp_path: Path) -> None:
    progress = fit(tiny_split, tmp_path / "m", config)
    assert (progress.epoch, progress.best_epoch, progress.finished) == (0, 0, True)
    best, untrained = (checkpoint.load(tmp_path / "m", name)[0] for name in ("wav2tok_best", "untrained"))
    start = torch.eye(24, 72).roll(24, 1)
    assert torch.equal(untrained.encoder.get_parameter("weight"), start)
    assert not torch.allclose(best.encoder.get_parameter("weight"), start, atol=0.1)
    assert not torch.allclose(best.codebook, untrained.codebook, atol=0.1)


def test_no_more_audio_is_read_than_needed(tiny_split: Path, config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = read_splits(tiny_split, config).train.paths
    rate = config.data.sample_rate
    monkeypatch.setattr(denoising, "SECONDS", 1.0)
    chosen = denoising._drawn(paths, rate, np.random.default_rng(0))
    assert 1 < len(chosen) < len(paths)
    assert sum(map(len, chosen[:-1])) < rate <= sum(map(len, chosen))
