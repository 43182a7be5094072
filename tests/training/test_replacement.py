"""A training that starts over: the finished model in the folder stays until the new one is whole."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.helpers import changed
from tests.training.trainings import fit, interrupted_after
from wav2tok.config.schema import Config
from wav2tok.errors import UserError
from wav2tok.files import locked
from wav2tok.training import loop
from wav2tok.training.replacement import NEXT, SETTLING, settle


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.fixture
def old(tiny_model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_model, tmp_path / "model"))


@pytest.mark.promise("A training that starts over fails", "The finished model in its folder stays as it was.")
def test_a_training_that_fails_leaves_the_finished_model(
    tiny_split: Path, tiny_config: Config, old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(old)

    def diverges(*arguments: Any, **options: Any) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        loss, parts = objective(*arguments, **options)
        return loss * torch.nan, {name: part * torch.nan for name, part in parts.items()}

    objective = loop.objective
    monkeypatch.setattr(loop, "objective", diverges)
    with pytest.raises(UserError, match="not finite"):
        fit(tiny_split, old, changed(tiny_config, encoder={"dim": 12}), fresh=True)
    assert contents(old) == before


def test_a_training_that_is_stopped_leaves_it_and_goes_on(
    tiny_split: Path, tiny_config: Config, old: Path, tmp_path: Path, lines: list[str]
) -> None:
    before, other = contents(old), changed(tiny_config, train={"epochs": 2})
    other = changed(other, encoder={"dim": 12})
    with interrupted_after(1):
        fit(tiny_split, old, other, fresh=True)
    assert contents(old) == before
    lines.clear()
    fit(tiny_split, old, other)
    assert f"resuming after epoch 1 in {old / NEXT}" in lines
    fit(tiny_split, tmp_path / "from_scratch", other)
    new, scratch = contents(old), contents(tmp_path / "from_scratch")
    assert new["tokenizer.onnx"] == scratch["tokenizer.onnx"] != before["tokenizer.onnx"]
    assert sorted(path.name for path in old.iterdir()) == sorted(scratch)


def test_what_a_kill_left_of_a_whole_training_is_put_in_its_place(old: Path, tmp_path: Path) -> None:
    wanted = contents(old)
    (old / "wav2tok_7.safetensors").write_text("an epoch of the old training")
    (old / "notes.txt").write_text("mine")
    shutil.copytree(old, old / NEXT, ignore=shutil.ignore_patterns("*_7*", "notes.txt", NEXT))
    (old / "tokenizer.onnx").write_text("old")
    half = Path(shutil.copytree(old, tmp_path / "half"))
    settle(old, "wav2tok")
    # Killed while the files were moved, and while the new training was not whole.
    (half / NEXT).rename(half / SETTLING)
    (half / SETTLING / "config.json").replace(half / "config.json")
    (half / "wav2tok_7.safetensors").unlink()
    settle(half, "wav2tok")
    for folder in (old, half):
        assert contents(folder) == wanted | {"notes.txt": b"mine"}
        assert not (folder / NEXT).exists()
        assert not (folder / SETTLING).exists()
    (old / NEXT).mkdir()
    (old / NEXT / "config.json").write_text("begun")
    settle(old, "wav2tok")
    assert contents(old) == wanted | {"notes.txt": b"mine"}


def test_two_trainings_do_not_share_a_folder(tiny_split: Path, tiny_config: Config, old: Path) -> None:
    before = contents(old)
    with locked(old), pytest.raises(UserError, match="another process is writing to"):
        fit(tiny_split, old, tiny_config, fresh=True)
    assert contents(old) == before
