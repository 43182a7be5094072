"""Processes that are really killed while they write: nothing is lost, and the next writer leaves nothing behind."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from wav2tok.errors import UserError
from wav2tok.files import alone, replacing, replacing_folder

DYING = """
import os, pathlib, shutil, signal, sys
from wav2tok import files
steps, last = 0, int(sys.argv[2])
def dying(change):
    def changed(*arguments, **more):
        global steps
        if steps == last:
            os.kill(os.getpid(), signal.SIGKILL)
        steps += 1
        return change(*arguments, **more)
    return changed
for name in ("mkdir", "touch", "write_text", "chmod", "replace", "unlink", "rmdir"):
    setattr(pathlib.Path, name, dying(getattr(pathlib.Path, name)))
shutil.rmtree = dying(shutil.rmtree)
target = pathlib.Path(sys.argv[1])
if target.suffix:
    with files.replacing(target) as new:
        new.write_text("new")
else:
    with files.replacing_folder(target, ["old"]) as folder:
        (folder / "new").write_text("new")
"""
HOLDING = """
import pathlib, sys
from wav2tok.files import replacing
with replacing(pathlib.Path(sys.argv[1])) as new:
    new.write_text("slow")
    print("writing", flush=True)
    sys.stdin.read()
"""


def die(target: Path, step: int) -> bool:
    """Let a process write ``target`` and kill it before its ``step``-th change of the disk; False if it has fewer."""
    code = subprocess.run([sys.executable, "-c", DYING, target, str(step)], check=False).returncode
    assert code in (0, -signal.SIGKILL)
    return code != 0


def fail(target: Path) -> None:
    """Begin to write a folder, and fail."""
    with replacing_folder(target, ["old", "new"]):
        raise ZeroDivisionError


@pytest.mark.promise(
    "SIGKILL while a file is written",
    "The file is the old or the new one, whole. The next run that writes it removes what was left beside it.",
)
def test_what_a_process_killed_at_any_step_has_left_of_a_file_goes(tmp_path: Path) -> None:
    path, step = tmp_path / "a.txt", 0
    path.write_text("old")
    while die(path, step):
        assert path.read_text() in ("old", "new")
        with replacing(path) as new:
            new.write_text("old")
        assert list(tmp_path.iterdir()) == [path]
        step += 1
    assert step > 8


@pytest.mark.promise(
    "SIGKILL while a folder is replaced",
    "The next run that writes it finds the old or the new folder, whole; one that was moved away is put back.",
)
def test_a_process_killed_at_any_step_loses_no_folder(tmp_path: Path) -> None:
    path, step, put_back = tmp_path / "folder", 0, 0
    path.mkdir()
    (path / "old").write_text("old")
    while die(path, step):
        put_back += not path.exists()
        with pytest.raises(ZeroDivisionError):
            fail(path)
        assert [(one.name, one.read_text()) for one in path.iterdir()] in ([("old", "old")], [("new", "new")])
        assert list(tmp_path.iterdir()) == [path]
        shutil.rmtree(path)
        path.mkdir()
        (path / "old").write_text("old")
        step += 1
    assert put_back == 1
    assert step > 10


@pytest.mark.promise(
    "Two processes write the same file", "Each writes a file of its own; the one that ends last stays, whole."
)
def test_the_places_of_the_living_stay(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDING, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as living:
        assert living.stdin is not None
        assert living.stdout is not None
        assert living.stdout.readline() == "writing\n"
        with replacing(path) as new:
            new.write_text("quick")
        assert path.read_text() == "quick"
        assert len(list(tmp_path.iterdir())) == 2
        living.stdin.close()
        assert living.wait() == 0
    assert path.read_text() == "slow"
    assert list(tmp_path.iterdir()) == [path]


def test_what_another_machine_has_begun_stays_for_a_day(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with replacing(path) as new:
        theirs = tmp_path / "theirs"
        shutil.copytree(new.parent, theirs)
        number = new.parent
    theirs.rename(number)
    (number / "host").write_text("another machine")
    with replacing(path):
        pass
    assert (number / "new.txt").exists()
    yesterday = time.time() - 90_000
    os.utime(number / "host", (yesterday, yesterday))
    with replacing(path):
        pass
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("umask", [0o077, 0o002, 0o022])
@pytest.mark.promise("Another umask", "New files have the mode that the umask gives; a replaced file keeps its own.")
def test_modes_are_those_of_the_user(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        with replacing(tmp_path / "file.txt"):
            pass
        with replacing_folder(tmp_path / "folder") as folder:
            (folder / "inside").touch()
        for name, mode in (("file.txt", 0o666), ("folder", 0o777), ("folder/inside", 0o666)):
            assert (tmp_path / name).stat().st_mode & 0o777 == mode & ~umask
        (tmp_path / "file.txt").chmod(0o640)
        (tmp_path / "folder").chmod(0o750)
        with replacing(tmp_path / "file.txt"), replacing_folder(tmp_path / "folder", ["inside"]):
            pass
        assert (tmp_path / "file.txt").stat().st_mode & 0o777 == 0o640
        assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o750
    finally:
        os.umask(before)


def test_a_long_name_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("a" * 250 + ".txt")
    with replacing(path) as new:
        new.write_text("whole")
    assert path.read_text() == "whole"


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_two_processes_do_not_work_at_one_result(kind: str, tmp_path: Path) -> None:
    """Whoever comes second is refused before its work, and the death of the first lets it in."""
    target = tmp_path / "new" / "result"
    call = "alone(target)" if kind == "file" else "replacing_folder(target)"
    code = (
        "import pathlib, sys; from wav2tok.files import *; target = pathlib.Path(sys.argv[1])\n"
        f"with {call}:\n    print('begun', flush=True); sys.stdin.read()"
    )
    writer = alone if kind == "file" else replacing_folder
    with subprocess.Popen(
        [sys.executable, "-c", code, target], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "begun\n"
        with pytest.raises(UserError, match=r"another process is writing to .*result; wait"), writer(target):
            raise AssertionError("it is being written")
        first.kill()
        first.wait()
    with writer(target):
        pass
    assert [path.name for path in (tmp_path / "new").iterdir()] == (["result"] if kind == "folder" else [])
