"""The tiny corpus, its stored spectra, and models to train on it."""

from pathlib import Path

import pytest
import torch

from tests.helpers import changed
from tests.training.trainings import fit
from wav2tok.config.schema import Config
from wav2tok.corpus import audios_bin
from wav2tok.corpus.recordings import Recordings
from wav2tok.model.wav2tok import Wav2Tok, create
from wav2tok.spectra.e_step import e_step
from wav2tok.spectra.store import SpectrumStore, build


@pytest.fixture(scope="module")
def recordings(tiny_split: Path) -> Recordings:
    return audios_bin.read(tiny_split).train


@pytest.fixture(scope="module")
def store(recordings: Recordings, tiny_config: Config) -> SpectrumStore:
    return build(recordings.paths, create(tiny_config).front_end, None, torch.device("cpu"))


@pytest.fixture
def model(tiny_config: Config, store: SpectrumStore) -> Wav2Tok:
    """Untrained, with a codebook of its own embeddings."""
    model = create(tiny_config)
    e_step(model, store, tiny_config, 0, warm=False)
    return model


@pytest.fixture(scope="module")
def long_config(tiny_config: Config) -> Config:
    """Six epochs: four of contrast, two of EM."""
    return changed(tiny_config, train={"epochs": 6})


@pytest.fixture(scope="module")
def whole(tiny_split: Path, long_config: Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training that nothing interrupted."""
    out = tmp_path_factory.mktemp("whole") / "model"
    fit(tiny_split, out, long_config)
    return out
