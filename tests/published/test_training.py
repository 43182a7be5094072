"""A training as a published command line describes it, and what overrides what."""

import pickle
from pathlib import Path

import pytest

from wav2tok.errors import UserError
from wav2tok.published.training import training


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a file of classes in three places, and one without classes."""
    monkeypatch.chdir(tmp_path)
    classes, plain = [{"a": ["1.wav"]}, {"a": ["2.wav"]}], [["1.wav"], ["2.wav"]]
    for place, content in (("audios.bin", classes), ("plain.bin", plain), ("artifacts/audios.bin", classes)):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).write_bytes(pickle.dumps(content))
    return tmp_path


def test_the_line_sets_data_device_and_parameters(lines: list[str]) -> None:
    task = training("python3 train.py --dataset audios --is_dict True --is_pairwise True --device cpu --EPOCHS 3")
    assert (task.data, task.device) == (Path("audios.bin"), "cpu")
    assert (task.config.profile, task.config.train.epochs) == ("published", 3)
    assert lines[0] == "dataset audios -> --data audios.bin"
    assert "EPOCHS 3 -> train.epochs=3" in lines
    assert any("--is_pairwise" in line for line in lines)


def test_arguments_override_the_line(here: Path) -> None:
    (here / "mine.yaml").write_text("seed: 4\ntrain: {epochs: 1, patience: 1}\n")
    task = training(
        "--dataset audios --is_dict False --device cuda:0 --EPOCHS 3",
        Path("plain.bin"),
        "cpu",
        here / "mine.yaml",
        ["train.epochs=9"],
    )
    assert (task.data, task.device, task.config.train.epochs) == (Path("plain.bin"), "cpu", 9)
    assert (task.config.seed, task.config.train.patience) == (4, 5)


def test_a_silent_line_has_the_defaults() -> None:
    task = training("--is_dict True")
    assert (task.data, task.device) == (Path("artifacts/audios.bin"), "auto")


def test_a_line_that_contradicts_the_data_is_refused_before_anything_is_logged(lines: list[str]) -> None:
    with pytest.raises(UserError, match=r"plain\.bin holds a list") as caught:
        training("--dataset plain --is_dict True")
    assert caught.value.parameter == "published_args"
    assert lines == []
