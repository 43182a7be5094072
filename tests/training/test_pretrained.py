"""Training on the features of a pretrained network, from recordings at another rate to the exported graph."""

from pathlib import Path

import numpy as np
import pytest

from tests.helpers import changed
from tests.training.trainings import fit
from wav2tok.audio import decode
from wav2tok.config.schema import Config
from wav2tok.corpus import audios_bin
from wav2tok.model import checkpoint
from wav2tok.tokenizer.tokenizer import Tokenizer


@pytest.mark.slow
@pytest.mark.parametrize(
    "features", [{"kind": "speech", "n_fft": 512, "hop": 1280}, {"kind": "contour", "n_fft": 2048, "hop": 512}]
)
@pytest.mark.parametrize("same_length", [False, True])
def test_a_pretrained_front_end_trains(
    tiny_split: Path, tiny_config: Config, tmp_path: Path, features: dict[str, object], same_length: bool
) -> None:
    config = changed(
        tiny_config,
        data={"sample_rate": 16000},
        features=features,
        encoder={"stack": 1},
        train={"epochs": 4, "same_length": same_length},
    )
    assert fit(tiny_split, tmp_path / "model", config).finished
    model = checkpoint.load(tmp_path / "model")[0]
    assert not [name for name in model.state_dict() if name.startswith("front_end")]
    tokenizer = Tokenizer.from_pretrained(tmp_path / "model", "cpu")
    waves = [decode.read(path, 16000) for path in audios_bin.read(tiny_split).test.paths]
    tokens = tokenizer.encode(waves, 16000)
    assert len(set(np.concatenate(tokens).tolist())) > 3
