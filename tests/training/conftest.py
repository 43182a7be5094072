"""The tiny corpus, its stored spectra, and models to train on it."""

from pathlib import Path

import pytest

from tests.helpers import changed
from tests.spectra.conftest import model, recordings, store  # noqa: F401  # fixtures
from tests.training.trainings import fit
from wav2tok.config.schema import Config


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
