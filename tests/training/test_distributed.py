"""Trainings by torchrun in two processes that exchange by gloo, against the same training in one."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import torch
import yaml

from tests.helpers import changed
from tests.training.trainings import fit, weights
from wav2tok.config.parameters import to_dict
from wav2tok.config.schema import Config
from wav2tok.errors import UserError
from wav2tok.model import checkpoint
from wav2tok.training.distributed import joined

TIMED = ("seconds", "audio_per_second")


@pytest.fixture(scope="module")
def plain(tiny_config: Config) -> Config:
    """Without dropout, which differs between ranks; two epochs of contrast, one of EM."""
    return changed(tiny_config, encoder={"dropout": 0.0}, train={"patience": 1000})


@pytest.fixture(scope="module")
def one(tiny_split: Path, plain: Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("one") / "model"
    fit(tiny_split, out, plain)
    return out


@contextlib.contextmanager
def started(data: Path, out: Path, config: Config, ranks: int = 2) -> Iterator[subprocess.Popen[str]]:
    """``torchrun -m wav2tok train`` in ``ranks`` processes; what is left of it is killed."""
    params = out.with_suffix(".yaml")
    params.write_text(yaml.safe_dump(to_dict(config)))
    command = ["train", "--data", data, "--out", out, "--params", params, "--no-track", "--device", "cpu"]
    run = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks)]
    process = subprocess.Popen(
        [sys.executable, *run, "-m", "wav2tok", *map(str, command)],
        env=os.environ | {"OMP_NUM_THREADS": "1"}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.poll() is None:
            for each in (*psutil.Process(process.pid).children(recursive=True), process):
                each.kill()
        process.wait()


def spoken(printed: str) -> list[str]:
    """The sentences that the command line said, without the log of torchrun itself."""
    return [line for line in printed.splitlines() if line.startswith("wav2tok: ")]


def assert_near(ours: Path, theirs: Path) -> None:
    """The same weights, codebook and figures of every epoch within rounding."""
    for name, tensors in weights(theirs).items():
        for key, value in weights(ours)[name].items():
            if key == "model.score.b":
                continue  # added to all codewords, so no softmax sees it: its gradient, and Adam's steps, are rounding
            torch.testing.assert_close(value, tensors[key], rtol=1e-3, atol=1e-5, msg=f"{name} {key}")
    histories = [json.loads((folder / "history.json").read_text()) for folder in (ours, theirs)]
    assert len(histories[0]) == len(histories[1])
    for rows in zip(*histories, strict=True):
        a, b = ({k: v for k, v in row.items() if v is not None and k not in TIMED} for row in rows)
        assert a == pytest.approx(b, rel=1e-4)


def until(process: subprocess.Popen[str], start: str) -> None:
    """Read what a process prints up to a line that starts so."""
    assert process.stdout is not None
    assert any(line.startswith(start) for line in process.stdout)


@pytest.mark.slow
def test_two_processes_train_as_one(tiny_split: Path, plain: Config, one: Path, tmp_path: Path) -> None:
    with started(tiny_split, tmp_path / "model", plain) as process:
        printed, _ = process.communicate(timeout=300)
    assert process.returncode == 0, printed
    assert_near(tmp_path / "model", one)
    for epoch in (1, 2, 3):
        assert printed.count(f"epoch {epoch}/3") == 1  # the first rank alone reports


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["published", "triplets"])
def test_other_objectives_in_three_processes(tiny_split: Path, plain: Config, tmp_path: Path, recipe: str) -> None:
    """With the weights of a similarity, which only the loss uses; with triplets, of which no rank has whole ones."""
    train = {"recipe": "published"} if recipe == "published" else {"mode": "triplets"}
    config = changed(plain, train={"epochs": 2, "steps_per_epoch": 3, **train})
    fit(tiny_split, tmp_path / "one", config)
    with started(tiny_split, tmp_path / "model", config, ranks=3) as process:
        printed, _ = process.communicate(timeout=300)
    assert process.returncode == 0, printed
    assert_near(tmp_path / "model", tmp_path / "one")


@pytest.mark.slow
@pytest.mark.promise(
    "SIGTERM in a training of several processes",
    "The first writes a checkpoint, from which one process goes on with the same losses.",
)
def test_one_process_goes_on_where_two_were_terminated(
    tiny_split: Path, plain: Config, tmp_path: Path, lines: list[str]
) -> None:
    long = changed(plain, train={"epochs": 60})
    out = tmp_path / "model"
    with started(tiny_split, out, long) as process:
        until(process, "epoch 2/")
        process.send_signal(signal.SIGTERM)
        printed, _ = process.communicate(timeout=100)
    assert spoken(printed) == ["wav2tok: terminated; finished work is kept."]
    info = checkpoint.peek(out / "last.safetensors")
    assert info["step"] >= 16
    lines.clear()
    fit(tiny_split, out, long)
    assert any(line.startswith("resuming after epoch ") for line in lines)
    fit(tiny_split, tmp_path / "one", long)
    ours, theirs = (json.loads((folder / "history.json").read_text()) for folder in (out, tmp_path / "one"))
    reached = info["epoch"] + 1
    assert [row["loss"] for row in ours[:reached]] == pytest.approx([row["loss"] for row in theirs[:reached]], rel=1e-3)


@pytest.mark.slow
@pytest.mark.promise(
    "A process of a training of several is killed",
    "All end, one says so in a sentence, and the last checkpoint stays.",
)
def test_a_rank_that_is_killed_ends_all(tiny_split: Path, plain: Config, tmp_path: Path) -> None:
    with started(tiny_split, tmp_path / "model", changed(plain, train={"epochs": 500})) as process:
        until(process, "epoch 1/")
        ranks = {each.environ().get("RANK"): each for each in psutil.Process(process.pid).children(recursive=True)}
        ranks["1"].kill()
        printed, _ = process.communicate(timeout=100)
    assert process.returncode != 0
    assert spoken(printed) == [
        "wav2tok: another process of this training has ended; what was done is kept, and the same command resumes."
    ]
    assert checkpoint.peek(tmp_path / "model" / "last.safetensors")["step"] >= 8


@pytest.mark.slow
def test_what_all_ranks_meet_is_said_once(plain: Config, tmp_path: Path) -> None:
    with started(tmp_path / "nowhere.bin", tmp_path / "model", plain) as process:
        printed, _ = process.communicate(timeout=100)
    assert process.returncode != 0
    (said,) = spoken(printed)
    assert "nowhere.bin does not exist" in said


def test_without_torchrun_there_is_one_rank() -> None:
    with joined("auto") as (ranks, device):
        assert (ranks.size, ranks.first, device) == (1, True, "auto")


@pytest.mark.promise("Variables of torchrun hold no number", "Training names the variable at once.")
@pytest.mark.parametrize(
    ("name", "value", "limit"),
    [("RANK", "x", 1), ("RANK", "2", 1), ("RANK", "", 1), ("LOCAL_RANK", "-1", 1), ("LOCAL_RANK", "\u0661", 1),
     ("WORLD_SIZE", "2.5", 1 << 20), ("LOCAL_WORLD_SIZE", "9" * 5000, 1 << 20), ("MASTER_PORT", "99999", 65535)],
)  # fmt: skip
def test_a_variable_that_is_no_number_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, limit: int
) -> None:
    for variable in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"):
        monkeypatch.setenv(variable, "2")
    for variable in ("RANK", "LOCAL_RANK", "MASTER_PORT"):
        monkeypatch.setenv(variable, "0")
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "by hand")
    monkeypatch.setenv(name, value)
    said = rf"the environment has {name}={re.escape(value)}, where torchrun sets a number up to {limit};"
    with pytest.raises(UserError, match=said), joined("cpu"):
        pass
