"""Several large values together are refused before anything is allocated, and usual ones never are."""

import re
from pathlib import Path

import pytest
import torch

from tests.helpers import changed
from wav2tok.config.parameters import load
from wav2tok.config.schema import Config
from wav2tok.errors import UserError
from wav2tok.model.wav2tok import create
from wav2tok.training import memory
from wav2tok.training.memory import needs, require_memory

CPU = torch.device("cpu")
GIB = 2.0**30


@pytest.mark.parametrize("profile", ["speech", "humming", "general", "published"])
def test_the_profiles_need_little(profile: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = load(None, [f"profile={profile}"])
    assert sum(need.size for need in needs(create(config), config, 32, 6.0)) < 2 * GIB


@pytest.mark.promise("Parameters that together would take too much memory", "One sentence, before the training starts.")
@pytest.mark.parametrize(
    ("overrides", "first"),
    [
        ({"features": {"hop": 16}, "encoder": {"stack": 1}, "recipe": {"stretch_seconds": 30.0}}, "stretch_seconds"),
        ({"codebook": {"num_tokens": 65_536}, "recipe": {"use_cosine": False}}, "codebook.num_tokens"),
        ({"encoder": {"hidden": 512, "layers": 4}, "features": {"hop": 16}}, "encoder.hidden"),
    ],
)
def test_large_values_together_are_refused(
    overrides: dict[str, dict[str, object]], first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "memory", lambda device: 16 * GIB)
    config = changed(Config(), **overrides)
    with pytest.raises(UserError, match=rf"lower [\w.]*{re.escape(first)}") as caught:
        require_memory(create(config), config, 96, 20.0, CPU)
    assert "cpu has 16 GiB" in str(caught.value)


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        ({"encoder": {"hidden": 8192, "layers": 64}}, "encoder.hidden"),
        ({"encoder": {"kind": "transformer", "hidden": 4096, "ffn": 65_536}}, "encoder.ffn"),
        ({"codebook": {"num_tokens": 65_536}, "encoder": {"dim": 8192}}, "codebook.num_tokens"),
        ({"features": {"kind": "cqt", "n_fft": 65_536, "bins_per_octave": 96}}, "features.bins_per_octave"),
    ],
)
def test_a_model_that_would_be_enormous_is_refused(overrides: dict[str, dict[str, object]], named: str) -> None:
    with pytest.raises(UserError, match=rf"the model would hold [\d,]+ numbers by .*{re.escape(named)}"):
        create(changed(Config(), **overrides))
