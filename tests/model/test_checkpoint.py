"""Checkpoints are restored bit by bit, and damaged ones are refused."""

import dataclasses
from pathlib import Path

import pytest
import torch

from wav2tok.config.schema import Config
from wav2tok.errors import UserError
from wav2tok.model import checkpoint
from wav2tok.model.wav2tok import Wav2Tok, create


def trained(config: Config) -> tuple[Wav2Tok, torch.optim.Adam]:
    """A model after two steps of Adam on anything."""
    model = create(config)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2, betas=(0.9, 0.98))
    for seed in range(2):
        x = torch.randn(2, 20, 24, generator=torch.Generator().manual_seed(seed))
        optimizer.zero_grad()
        model.embed(x, torch.tensor([20, 9])).sum().backward()
        optimizer.step()
    model.codebook.normal_(generator=torch.Generator().manual_seed(7))
    return model, optimizer


def test_model_optimizer_and_info_come_back_bit_by_bit(tmp_path: Path, tiny_config: Config) -> None:
    model, optimizer = trained(tiny_config)
    info = {"epoch": 3, "best": 0.1 + 0.2, "history": [{"loss": 1 / 3}], "fingerprint": "x"}
    path = tmp_path / "last.safetensors"
    checkpoint.save(path, model, tiny_config, info, optimizer)
    other = create(dataclasses.replace(tiny_config, seed=5))
    fresh = torch.optim.Adam(other.parameters(), lr=1e-2, betas=(0.9, 0.98))
    assert checkpoint.restore(path, other, fresh) == info == checkpoint.peek(path)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name]), name
    ours, theirs = optimizer.state_dict()["state"], fresh.state_dict()["state"]
    assert ours.keys() == theirs.keys()
    for index in ours:
        assert all(torch.equal(ours[index][key], theirs[index][key]) for key in ours[index])


def test_equal_checkpoints_are_equal_files(tmp_path: Path, tiny_config: Config) -> None:
    model, optimizer = trained(tiny_config)
    checkpoint.save(tmp_path / "best", model, tiny_config, {"epoch": 0})
    written = set()
    for number in range(10):
        path = tmp_path / str(number)
        checkpoint.save(path, model, tiny_config, {"epoch": 1, "name": "ü\n"}, optimizer, tmp_path / "best")
        written.add(path.read_bytes())
    assert len(written) == 1
    assert checkpoint.peek(tmp_path / "0")["name"] == "ü\n"


def test_load_gives_a_model_in_evaluation_mode(tmp_path: Path, tiny_config: Config) -> None:
    model, _ = trained(tiny_config)
    checkpoint.write_config(tmp_path, tiny_config)
    checkpoint.save(tmp_path / "wav2tok_best.safetensors", model, tiny_config, {"best": 1})
    loaded, config, info = checkpoint.load(tmp_path)
    assert config == tiny_config
    assert info == {"best": 1}
    assert not loaded.training
    assert torch.equal(loaded.codebook, model.codebook)


@pytest.mark.parametrize("damage", ["half", "empty", "text", "foreign", "flipped"])
def test_a_damaged_checkpoint_is_a_user_error(tmp_path: Path, tiny_config: Config, damage: str) -> None:
    from safetensors.torch import save_file

    model, _ = trained(tiny_config)
    checkpoint.write_config(tmp_path, tiny_config)
    path = tmp_path / "wav2tok_best.safetensors"
    checkpoint.save(path, model, tiny_config, {})
    whole = path.read_bytes()
    if damage == "foreign":
        save_file({"x": torch.zeros(2)}, path)
    else:
        flipped = whole[:9] + b"\xff" + whole[10:]
        path.write_bytes({"half": whole[: len(whole) // 2], "empty": b"", "text": b"{}", "flipped": flipped}[damage])
    with pytest.raises(UserError, match=r"best\.safetensors"):
        checkpoint.load(tmp_path)


def test_a_folder_in_the_place_of_a_checkpoint_is_a_user_error(tmp_path: Path, tiny_config: Config) -> None:
    checkpoint.write_config(tmp_path, tiny_config)
    (tmp_path / "wav2tok_best.safetensors").mkdir()
    with pytest.raises(UserError, match=r"best\.safetensors"):
        checkpoint.load(tmp_path)


def test_a_checkpoint_of_another_shape_is_a_user_error(tmp_path: Path, tiny_config: Config) -> None:
    model, _ = trained(tiny_config)
    checkpoint.save(tmp_path / "wav2tok_best.safetensors", model, tiny_config, {})
    wider = dataclasses.replace(tiny_config, encoder=dataclasses.replace(tiny_config.encoder, hidden=9))
    checkpoint.write_config(tmp_path, wider)
    with pytest.raises(UserError, match="does not fit the configuration"):
        checkpoint.load(tmp_path)


def test_what_is_missing_is_named(tmp_path: Path, tiny_config: Config) -> None:
    with pytest.raises(UserError, match=r"no config\.json"):
        checkpoint.load(tmp_path)
    checkpoint.write_config(tmp_path, tiny_config)
    with pytest.raises(UserError, match=r"best\.safetensors does not exist"):
        checkpoint.load(tmp_path)


def test_saving_that_fails_leaves_the_old_one(tmp_path: Path, tiny_config: Config) -> None:
    model, _ = trained(tiny_config)
    path = tmp_path / "last.safetensors"
    checkpoint.save(path, model, tiny_config, {"epoch": 1})
    with pytest.raises(ValueError, match="JSON compliant"):
        checkpoint.save(path, model, tiny_config, {"epoch": float("nan")})
    assert checkpoint.peek(path) == {"epoch": 1}
    assert list(tmp_path.iterdir()) == [path]
