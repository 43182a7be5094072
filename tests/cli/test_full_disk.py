"""A disk that is full, at every verb that writes a folder: a real file system of memory, of which little is free."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from wav2tok.config.parameters import to_dict
from wav2tok.config.schema import Config
from wav2tok.errors import UserError
from wav2tok.files import replacing
from wav2tok.model import checkpoint
from wav2tok.tracking.unsent import Unsent

SIZE = 4 << 20


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """The folder of a file system of 4 MiB; the test is skipped where none can be mounted."""
    place = tmp_path / "disk"
    place.mkdir()
    program = shutil.which("mount")
    mounted = program and subprocess.run(
        [program, "-t", "tmpfs", "-o", f"size={SIZE}", "none", place], capture_output=True
    )
    if not mounted or mounted.returncode:
        pytest.skip("no file system can be mounted here (this needs root)")
    yield place
    subprocess.run(["umount", place], check=True)


def leave(disk: Path, free: int) -> None:
    """Fill the disk but for ``free`` bytes."""
    there = os.statvfs(disk)
    with (disk / "filler").open("wb") as file:
        file.write(bytes(there.f_bavail * there.f_frsize - free))


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "wav2tok", *map(str, arguments)], capture_output=True, text=True)


VERBS = {
    "validate": (["{corpus}", "--out", "{disk}/out"], 40_000),
    "split": (["{corpus}", "--out", "{disk}/out/audios.bin"], 0),
    "cluster": (["--data", "{split}", "--out", "{disk}/out", "--device", "cpu"], 56_000),
    "train": (["--data", "{split}", "--out", "{disk}/out", "--device", "cpu", "--no-track"], 200_000),
    "index": (["build", "{corpus}", "--model", "{model}", "--out", "{disk}/out"], 0),
}


@pytest.mark.slow
@pytest.mark.promise("A full disk", "One sentence names what did not fit, and nothing half-written is left.")
@pytest.mark.parametrize("verb", VERBS)
def test_a_full_disk_is_one_sentence(
    disk: Path, tmp_path: Path, tiny_corpus: Path, tiny_split: Path, tiny_model: Path, tiny_config: Config, verb: str
) -> None:
    arguments, free = VERBS[verb]
    places = {"corpus": tiny_corpus, "split": tiny_split, "model": tiny_model, "disk": disk}
    params = tmp_path / "params.yaml"
    params.write_text(yaml.safe_dump(to_dict(tiny_config)))
    more = [] if verb == "index" else ["--params", params]
    leave(disk, free)
    done = run(verb, *(one.format(**places) for one in arguments), *more)
    assert done.returncode == 2, done.stdout + done.stderr
    (said,) = done.stderr.splitlines()
    assert said.startswith(f"wav2tok: {disk}/out")
    assert "o space " in said
    left = [path for path in disk.rglob("*") if path.name.startswith(".") or path.suffix == ".segment"]
    assert not left


def test_a_checkpoint_that_does_not_fit_leaves_the_last_one(disk: Path, tiny_model: Path, tiny_config: Config) -> None:
    model, config, info = checkpoint.load(tiny_model)
    path = disk / "last.safetensors"
    checkpoint.save(path, model, config, info)
    before = path.read_bytes()
    leave(disk, 8192)
    with pytest.raises(UserError, match=rf"^{path} cannot be written, which takes 0\.\d\d MB where 0\.01 MB are free"):
        checkpoint.save(path, model, config, info)
    assert path.read_bytes() == before
    assert {one.name for one in disk.iterdir()} == {"last.safetensors", "filler"}


def test_a_place_that_cannot_be_made_leaves_nothing(disk: Path) -> None:
    leave(disk, 0)
    with pytest.raises(UserError, match="cannot be written"), replacing(disk / "out.txt") as new:
        new.write_bytes(bytes(10))
    assert {one.name for one in disk.iterdir()} == {"filler"}


def test_metrics_that_do_not_fit_leave_those_that_wait_whole(disk: Path) -> None:
    from mlflow.entities import Metric
    from mlflow.exceptions import MlflowException

    def away(entries: object) -> None:
        raise MlflowException("the server is away")

    kept = Unsent(disk / "unsent.jsonl")
    kept.send([Metric("loss", 1.0, 0, step) for step in range(10)], away)
    before = kept.path.read_bytes()
    leave(disk, 0)
    with pytest.raises(UserError, match=r"unsent\.jsonl cannot be written, which takes .* no space is left"):
        kept.send([Metric("loss", 1.0, 0, step) for step in range(1000)], away)
    assert kept.path.read_bytes() == before
    assert kept.count == 10


@pytest.mark.slow
@pytest.mark.promise("A disk that is read-only", "One sentence names what was to be written.")
def test_a_read_only_disk_is_one_sentence(disk: Path, tiny_corpus: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    for name in ("pull", "split"):
        out = disk / name
        done = run(name, "wav2tok:humming" if name == "pull" else tiny_corpus, "--out", out)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
        assert done.stderr.startswith(f"wav2tok: {out} cannot be written: the disk is read-only; ")
