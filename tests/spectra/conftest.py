"""The training recordings of the tiny corpus, their spectra, and an untrained model."""

from pathlib import Path

import pytest
import torch

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
