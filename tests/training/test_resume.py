"""Trainings that stop and go on, are killed and go on, go back to an epoch, or begin with other weights."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.helpers import changed
from tests.training.trainings import assert_same, fit, interrupted_after
from wav2tok.config.parameters import to_dict
from wav2tok.config.schema import Config
from wav2tok.errors import UserError
from wav2tok.model import checkpoint
from wav2tok.model.folder import ModelFolder
from wav2tok.training.prepare import TrainRun, prepare


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("epoch", [1, 4, 5])
def test_resuming_equals_an_uninterrupted_training(
    tiny_split: Path, long_config: Config, whole: Path, tmp_path: Path, epoch: int, lines: list[str]
) -> None:
    """Stopped within the first stage, at its end, and within the second."""
    with interrupted_after(epoch):
        fit(tiny_split, tmp_path, long_config)
    assert checkpoint.peek(tmp_path / "last.safetensors")["epoch"] == epoch
    lines.clear()
    fit(tiny_split, tmp_path, long_config)
    assert any(line.startswith(f"resuming after epoch {epoch}") for line in lines)
    assert not any(line.startswith(f"epoch {epoch}/") for line in lines)
    assert_same(whole, tmp_path)


KILLED = """
import json, os, signal, sys
from pathlib import Path
from wav2tok.config.parameters import from_dict
from wav2tok.model import checkpoint
from wav2tok.stages.train import TrainRun, train
from wav2tok.training import loop

# One process per case, forked from one that has done the imports; each kills itself at its call.
data, out, config, cases = sys.argv[1:]
for where, call in json.loads(cases):
    child = os.fork()
    if child:
        print(os.waitpid(child, 0)[1], flush=True)
        continue
    owner, name = {"step": (loop.Trainer, "step"), "save": (checkpoint, "save_file")}[where]
    real, calls = getattr(owner, name), 0
    def counted(*args, **more):
        global calls
        calls += 1
        if calls == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **more)
    setattr(owner, name, counted)
    folder = Path(out) / f"{where}{call}"
    train(TrainRun(Path(data), folder, None, from_dict(json.loads(config)), "cpu", False))
    os._exit(0)
"""
# A step within each of the six epochs of eight; and before the best model of the third epoch and the last one of the
# fourth are in their places, be they ones that improve or not.
CASES = [("step", epoch * 8 + 4) for epoch in range(6)] + [("save", 6), ("save", 7)]


@pytest.fixture(scope="module")
def killed(tiny_split: Path, long_config: Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of trainings that SIGKILL ended, one for each of `CASES`."""
    out = tmp_path_factory.mktemp("killed")
    arguments = [str(tiny_split), str(out), json.dumps(to_dict(long_config)), json.dumps(CASES)]
    done = subprocess.run(
        [sys.executable, "-c", KILLED, *arguments], env=dict(os.environ), capture_output=True, text=True, check=True
    )
    assert [int(status) for status in done.stdout.split()] == [int(signal.SIGKILL)] * len(CASES), done.stderr
    return out


@pytest.mark.slow
@pytest.mark.parametrize(("where", "call"), CASES)
def test_a_killed_training_resumes_exactly(
    tiny_split: Path, long_config: Config, whole: Path, killed: Path, where: str, call: int, lines: list[str]
) -> None:
    out = killed / f"{where}{call}"
    history = json.loads((out / "history.json").read_text()) if (out / "history.json").exists() else []
    assert len(history) < 6
    if where == "step":
        assert len(history) == (call - 1) // 8
    lines.clear()
    fit(tiny_split, out, long_config)
    assert any(line.startswith("resuming after epoch") for line in lines) == bool(history)
    assert_same(whole, out)
    assert not list(out.glob("*.tmp*"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"augment": {"noise_db": 9.0}}, r"augment\.noise_db is .* there and 9\.0 here"),
        ({"recipe": {"learning_rate": 4e-3}}, r"recipes\.staged\.learning_rate is .* there and 0\.004 here"),
        ({"train": {"epochs": 1}}, r"train\.epochs is 6 there and 1 here"),
        ({"train": {"name": "other"}}, r"train\.name is wav2tok there and other here"),
    ],
)
def test_another_training_is_not_replaced_unless_asked(
    tiny_split: Path,
    long_config: Config,
    tmp_path: Path,
    change: dict[str, dict[str, object]],
    said: str,
    lines: list[str],
) -> None:
    with interrupted_after(1):
        fit(tiny_split, tmp_path, long_config)
    before = contents(tmp_path)
    with pytest.raises(UserError, match=rf"{said}.*train\.start_epoch.*fresh") as refusal:
        fit(tiny_split, tmp_path, changed(long_config, **change))
    assert refusal.value.parameter == "fresh"
    assert contents(tmp_path) == before
    lines.clear()
    with interrupted_after(1):
        fit(tiny_split, tmp_path, changed(long_config, **change), replace=True)
    assert not any(line.startswith("resuming") for line in lines)
    assert len(json.loads((tmp_path / "history.json").read_text())) == 1


def test_weights_without_a_training_to_resume_are_not_replaced(
    tiny_split: Path, long_config: Config, whole: Path, tmp_path: Path
) -> None:
    out = Path(shutil.copytree(whole, tmp_path / "model"))
    (out / "last.safetensors").unlink()
    with pytest.raises(UserError, match=r"holds wav2tok_5\.safetensors of a training without last"):
        fit(tiny_split, out, long_config)
    assert (out / "wav2tok_best.safetensors").read_bytes() == (whole / "wav2tok_best.safetensors").read_bytes()


@pytest.mark.parametrize("name", ["tokenizer.onnx", "history.json", "wav2tok_best.safetensors", "last.safetensors"])
def test_files_of_other_programs_are_not_replaced(
    tiny_split: Path, long_config: Config, tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(UserError, match=rf"{name} would be replaced.*no config\.json"):
        fit(tiny_split, tmp_path, long_config, fresh=True)
    (tmp_path / "config.json").write_text('{"architectures": ["BertModel"]}')
    with pytest.raises(UserError, match="architectures"):
        fit(tiny_split, tmp_path, long_config, fresh=True)
    assert (tmp_path / name).read_text() == "mine"


def test_files_beside_a_training_stay(tiny_split: Path, long_config: Config, whole: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(whole, tmp_path / "model"))
    for name in ("notes.txt", "mine.onnx", "mine.safetensors"):
        (out / name).write_text("mine")
    with interrupted_after(1):
        fit(tiny_split, out, long_config, fresh=True)
    assert {(out / name).read_text() for name in ("notes.txt", "mine.onnx", "mine.safetensors")} == {"mine"}


def test_a_finished_training_is_left_as_it_is(
    tiny_split: Path, long_config: Config, whole: Path, tmp_path: Path, lines: list[str]
) -> None:
    out = Path(shutil.copytree(whole, tmp_path / "model"))
    fit(tiny_split, out, long_config)
    assert any(line.startswith("finished after epoch 6") for line in lines)
    assert not any(line.startswith("epoch ") for line in lines)
    assert contents(out) == contents(whole)


def test_replace_repeats_a_finished_training_and_resumes_an_interrupted_one(
    tiny_split: Path, long_config: Config, whole: Path, tmp_path: Path, lines: list[str]
) -> None:
    out = Path(shutil.copytree(whole, tmp_path / "model"))
    with interrupted_after(2):
        fit(tiny_split, out, long_config, replace=True)
    assert any(line.startswith("epoch 1/") for line in lines)
    assert any(line.startswith("first stage, ") for line in lines)
    lines.clear()
    fit(tiny_split, out, long_config, replace=True)
    assert any(line.startswith("resuming after epoch 2") for line in lines)
    stages = [line.split(",")[0] for line in lines if "stage, " in line]
    assert stages == ["first stage", "second stage"]
    assert_same(whole, out)


def test_fresh_starts_over(
    tiny_split: Path, long_config: Config, whole: Path, tmp_path: Path, lines: list[str]
) -> None:
    with interrupted_after(2):
        fit(tiny_split, tmp_path, long_config)
    lines.clear()
    fit(tiny_split, tmp_path, long_config, fresh=True)
    assert not any(line.startswith("resuming") for line in lines)
    assert_same(whole, tmp_path)


@pytest.fixture(scope="module")
def kept(tiny_split: Path, long_config: Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The training ``whole`` with a checkpoint of every epoch."""
    out = tmp_path_factory.mktemp("kept") / "model"
    fit(tiny_split, out, changed(long_config, train={"autosave_epoch": 1}))
    return out


@pytest.fixture
def copied(kept: Path, tmp_path: Path) -> Path:
    """A copy of ``kept`` to go on in."""
    return Path(shutil.copytree(kept, tmp_path / "model"))


def test_checkpoints_are_kept_by_name_and_epoch(whole: Path, kept: Path) -> None:
    """Every fifth epoch by default; of each epoch where that is asked for, and training is none the wiser."""
    assert sorted(p.stem for p in whole.glob("wav2tok_*")) == ["wav2tok_5", "wav2tok_best"]
    assert sorted(p.stem for p in kept.glob("wav2tok_*")) == [*(f"wav2tok_{e}" for e in range(1, 7)), "wav2tok_best"]
    assert_same(whole, kept)
    for epoch in range(1, 7):
        assert checkpoint.peek(ModelFolder(kept).epoch("wav2tok", epoch))["epoch"] == epoch


@pytest.mark.slow
@pytest.mark.parametrize("epoch", [1, 2, 4, 5])
def test_going_back_to_an_epoch_gives_the_same_training_again(
    tiny_split: Path, long_config: Config, copied: Path, kept: Path, epoch: int, lines: list[str]
) -> None:
    """Schedule, E-step phase, random state and early stopping are those of then, the best model too."""
    config = changed(long_config, train={"autosave_epoch": 1, "start_epoch": epoch})
    trainer = prepare(TrainRun(tiny_split, copied, None, config, "cpu", False))
    assert trainer.progress.epoch == epoch
    best = checkpoint.peek(ModelFolder(copied).best("wav2tok"))
    assert (best["best_epoch"], best["best"]) == (trainer.progress.best_epoch, trainer.progress.best)
    assert best["best_epoch"] <= epoch
    assert not [p for p in copied.glob("wav2tok_*") if p.stem[-1].isdigit() and int(p.stem[-1]) > epoch]
    assert len(json.loads((copied / "history.json").read_text())) == epoch
    # Killed before the next epoch ends, it resumes from here, with or without train.start_epoch.
    begun = config if epoch % 2 else changed(config, train={"start_epoch": 0})
    lines.clear()
    fit(tiny_split, copied, begun)
    assert sum(line.startswith("epoch ") for line in lines) == 6 - epoch
    assert_same(kept, copied)


@pytest.mark.parametrize("start_epoch", [0, 6])
def test_a_finished_training_resumes_for_more_epochs(
    tiny_split: Path, long_config: Config, copied: Path, start_epoch: int
) -> None:
    length = {"start_epoch": start_epoch, "epochs": 8, "patience": 9}
    config = changed(long_config, train={"autosave_epoch": 1, **length})
    progress = fit(tiny_split, copied, config)
    assert [row["epoch"] for row in progress.history] == list(range(1, 9))
    assert checkpoint.read_config(copied).train.epochs == 8


def test_an_epoch_that_cannot_be_resumed_is_refused(tiny_split: Path, long_config: Config, copied: Path) -> None:
    before = {path.name: path.read_bytes() for path in copied.iterdir()}
    for change, said in (
        (
            {"train": {"start_epoch": 9, "epochs": 9}},
            r"wav2tok_9\.safetensors does not exist .*wav2tok_1, .*name one that does",
        ),
        ({"train": {"start_epoch": 2}, "recipe": {"alpha": 0.2}}, "other parameters or recordings"),
    ):
        with pytest.raises(UserError, match=said):
            fit(tiny_split, copied, changed(long_config, **change))
    with pytest.raises(UserError, match=r"train\.start_epoch is 2, which resumes, and fresh is set"):
        fit(tiny_split, copied, changed(long_config, train={"start_epoch": 2}), fresh=True)
    assert {path.name: path.read_bytes() for path in copied.iterdir()} == before


@pytest.mark.parametrize(
    ("what", "file"),
    [
        ("", "wav2tok_best"),
        ("wav2tok", "wav2tok_best"),
        ("wav2tok_best", "wav2tok_best"),
        ("wav2tok_3", "wav2tok_3"),
        ("wav2tok_3.safetensors", "wav2tok_3"),
    ],
)
def test_a_training_begins_with_the_weights_that_are_named(
    tiny_split: Path, long_config: Config, kept: Path, tmp_path: Path, what: str, file: str
) -> None:
    config = changed(
        long_config, train={"init_from": str(kept / what), "epochs": 1, "name": "mine"}, encoder={"dropout": 0.3}
    )
    trainer = prepare(TrainRun(tiny_split, tmp_path, None, config, "cpu", False))
    theirs = load_file(kept / f"{file}.safetensors")
    ours = trainer.model.state_dict()
    assert all(torch.equal(ours[name], theirs[f"model.{name}"]) for name in ours)
    untrained = load_file(tmp_path / "untrained.safetensors")
    assert not torch.equal(untrained["model.codebook"], theirs["model.codebook"])
    assert trainer.progress.epoch == 0


def test_token_ids_keep_their_meaning_when_a_training_begins_with_weights(
    tiny_split: Path, long_config: Config, kept: Path, tmp_path: Path
) -> None:
    """The first E-step of the first stage is warm, where a training from nothing begins cold."""
    change = {"train": {"init_from": str(kept), "epochs": 1}, "recipe": {"learning_rate": 1e-5, "contrast_share": 1.0}}
    fit(tiny_split, tmp_path, changed(long_config, **change))
    before = load_file(kept / "wav2tok_best.safetensors")["model.codebook"]
    after = load_file(tmp_path / "last.safetensors")["model.codebook"]
    assert (before @ after.T).argmax(1).tolist() == list(range(len(before)))


def test_names_share_a_folder(tiny_split: Path, long_config: Config, copied: Path) -> None:
    """A name without a folder is looked for in OUT, and another training there leaves its weights alone."""
    theirs = {path.name: path.read_bytes() for path in copied.glob("wav2tok_*")}
    config = changed(long_config, train={"init_from": "wav2tok_2", "name": "second", "epochs": 1})
    fit(tiny_split, copied, config, fresh=True)
    assert {path.name: path.read_bytes() for path in copied.glob("wav2tok_*")} == theirs
    assert checkpoint.load(copied)[2]["epoch"] == 1
    assert (copied / "second_best.safetensors").exists()


def test_weights_that_do_not_fit_are_refused_and_nothing_is_lost(
    tiny_split: Path, long_config: Config, copied: Path, tmp_path: Path
) -> None:
    before = {path.name: path.read_bytes() for path in copied.iterdir()}
    for change, said in (
        ({"train": {"init_from": "nobody"}}, r"train\.init_from is 'nobody'.*wav2tok_1, "),
        ({"train": {"init_from": ""}}, r"train\.init_from is ''"),
        ({"train": {"init_from": str(tmp_path)}}, r"train\.init_from is '.*which is neither a model folder"),
        (
            {"train": {"init_from": "wav2tok_2"}},
            r"would overwrite .*wav2tok_2\.safetensors; use another",
        ),
        ({"train": {"init_from": "wav2tok"}}, r"would overwrite .*wav2tok_best"),
        ({"train": {"init_from": "wav2tok_1"}, "encoder": {"hidden": 6}}, r"encoder\.hidden is 8 there and 6 here"),
        (
            {"train": {"init_from": "wav2tok_1"}, "codebook": {"num_tokens": 9}},
            r"codebook\.num_tokens is 8 there and 9 here",
        ),
        (
            {"train": {"init_from": "wav2tok_1"}, "recipe": {"use_cosine": False}},
            "use_cosine is True there and False here",
        ),
    ):
        with pytest.raises(UserError, match=said):
            fit(tiny_split, copied, changed(long_config, **change), fresh=True)
    assert {path.name: path.read_bytes() for path in copied.iterdir()} == before
