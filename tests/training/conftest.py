"""The tiny corpus as training holds it."""

from pathlib import Path

import pytest
import torch

from wav2tok.config import Config
from wav2tok.corpus import splits
from wav2tok.corpus.splits import Recordings
from wav2tok.model import Wav2Tok, create
from wav2tok.training.steps import expectation
from wav2tok.training.store import SpectrumStore, build


@pytest.fixture(scope="module")
def recordings(tiny_split: Path) -> Recordings:
    return splits.read(tiny_split).train


@pytest.fixture(scope="module")
def store(recordings: Recordings, tiny_config: Config) -> SpectrumStore:
    return build(recordings.paths, create(tiny_config).front_end, None, torch.device("cpu"))


@pytest.fixture
def model(tiny_config: Config, store: SpectrumStore) -> Wav2Tok:
    """Untrained, with a codebook of its own embeddings."""
    model = create(tiny_config)
    expectation(model, store, tiny_config, (0, 0), warm=False)
    return model
