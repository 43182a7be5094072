"""`wav2tok train` takes a published line."""

import pickle
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.published.lines import CASE_1
from wav2tok import cli as command_line
from wav2tok.config.parameters import load
from wav2tok.config.schema import Config


@pytest.fixture
def cli(here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run ``wav2tok train --no-track ARGUMENTS``: (exit code, out, err, the `TrainRun`)."""
    from wav2tok.stages import train

    called: list[Any] = []
    monkeypatch.setattr(train, "train", called.append)

    def run(*arguments: str) -> tuple[int, str, str, Any]:
        called.clear()
        monkeypatch.setattr(sys, "argv", ["wav2tok", "train", "--no-track", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            command_line.main()
        code = end.value.code if isinstance(end.value.code, int) else 0
        printed = capsys.readouterr()
        return code, printed.out, printed.err, called[0] if called else None

    return run


@pytest.fixture
def files(here: Path) -> Path:
    classes, plain = [{"a": ["1.wav"]}, {"a": ["2.wav"]}], [["1.wav"], ["2.wav"]]
    for place, content in (("audios.bin", classes), ("plain.bin", plain), ("artifacts/audios.bin", classes)):
        (here / place).parent.mkdir(exist_ok=True)
        (here / place).write_bytes(pickle.dumps(content))
    return here


def test_train_takes_a_published_line(files: Path, cli: Any) -> None:
    code, out, err, called = cli("--out", "new", "--published-args", f"{CASE_1} --device cpu --EPOCHS 3")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert "EPOCHS 3 -> train.epochs=3" in lines
    assert [line.startswith("warning: ") for line in lines].count(True) == 1
    assert (called.data, called.out, called.device, called.fresh) == (Path("audios.bin"), Path("new"), "cpu", False)
    config = called.config
    assert (config.profile, config.train.epochs, config.recipe.batch_size) == ("published", 3, 4)


def test_other_options_override_the_line(files: Path, cli: Any) -> None:
    line = "--dataset audios --is_dict False --device cuda:0 --EPOCHS 3 --load_dir Old"
    _, _, err, called = cli("--data", "plain.bin", "--device", "cpu", "--set", "train.epochs=9", "--init-from", "New_5",
                           "--published-args", line)  # fmt: skip
    assert err == ""
    assert (called.data, called.device) == (Path("plain.bin"), "cpu")
    assert (called.config.train.epochs, called.config.train.init_from) == (9, "New_5")


def test_without_a_dataset_the_data_is_the_default(files: Path, cli: Any) -> None:
    _, _, err, called = cli("--published-args", "--is_dict True")
    assert (err, called.data, called.device) == ("", Path("artifacts/audios.bin"), "auto")


def test_init_from_alone(files: Path, cli: Any) -> None:
    for name in ("wav2tok_best", "old/model", "7"):
        _, out, err, called = cli("--init-from", name)
        assert (out, err) == ("", "")
        assert called.config == load(None, [f'train.init_from="{name}"'])
    assert cli()[3].config == Config()


@pytest.mark.parametrize(("arguments", "sentence"), [
    (["--published-args", "--epoch 3"], "--published-args: --epoch is not an option"),
    (["--published-args", "--dataset audios --is_dict yep"], "--is_dict yep is neither"),
    (["--published-args", "--dataset audios --is_dict False"], "audios.bin holds a dictionary"),
    (["--published-args", "--dataset plain --is_dict True"], "plain.bin holds a list"),
    (["--published-args", "--dataset plain --is_triplet True"], "--is_triplet"),
    (["--published-args", "--dataset absent --is_dict True"], "absent.bin does not exist"),
    (["--published-args", "--dataset audios --is_dict True", "--data", "plain.bin"], "plain.bin holds a list"),
    (["--published-args", "--dataset audios --is_dict True --EPOCHS 0"], "train.epochs is 0"),
])  # fmt: skip
def test_a_bad_line_ends_with_2_and_one_sentence(arguments: list[str], sentence: str, files: Path, cli: Any) -> None:
    code, _, err, called = cli("--out", "new", *arguments)
    assert (code, called) == (2, None)
    (line,) = err.splitlines()
    assert line.startswith("wav2tok: ")
    assert sentence in line
    assert not (files / "new").exists()
