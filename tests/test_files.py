"""A reader never sees half of a file, and nothing is replaced that a verb did not write."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest

from wav2tok.errors import UserError
from wav2tok.files import locked, make_folder, read_json, replacing, replacing_folder, require_own, write_json


def test_a_file_is_replaced_when_the_block_succeeds(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.txt"
    with replacing(path) as temporary:
        temporary.write_text("one")
        assert not path.exists()
        assert temporary.suffix == ".txt"
    assert path.read_text() == "one"
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(path.parent.iterdir()) == [path]


def test_a_file_stays_when_the_block_fails(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def write() -> None:
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    for name in ("one", "two"):
        with replacing_folder(path, ["one", "two"]) as temporary:
            (temporary / name).write_text(name)
    assert [p.name for p in path.iterdir()] == ["two"]
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_stays_when_the_block_fails(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    path.mkdir()
    (path / "kept").touch()

    def write() -> None:
        with replacing_folder(path, ["kept"]) as temporary:
            (temporary / "new").touch()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write()
    assert [p.name for p in path.iterdir()] == ["kept"]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.promise("The output folder holds files of others", "It is refused, and nothing is replaced.")
def test_a_folder_with_something_else_in_it_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    (path / "own").mkdir(parents=True)
    (path / "notes.txt").write_text("mine")
    with (
        pytest.raises(UserError, match=r"folder would be replaced, but it also holds notes\.txt"),
        replacing_folder(path, ["own"]),
    ):
        raise AssertionError("nothing is written")
    assert (path / "notes.txt").read_text() == "mine"
    (path / "notes.txt").rename(path / ".DS_Store")
    with replacing_folder(path, ["own"]) as temporary:
        (temporary / "own").touch()
    assert [p.name for p in path.iterdir()] == ["own"]


@pytest.mark.promise("--out names the working folder", "It is refused, and nothing is replaced.")
def test_the_current_folder_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in (".", str(tmp_path), f"../{tmp_path.name}"):
        with pytest.raises(UserError, match="is the current folder"), replacing_folder(name):
            raise AssertionError("nothing is written")


def test_a_link_to_a_folder_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with replacing_folder(tmp_path / "link") as temporary:
        (temporary / "new").touch()
    assert (tmp_path / "link").is_symlink()
    assert [p.name for p in (tmp_path / "real").iterdir()] == ["new"]


def test_files_in_a_folder_that_is_not_ours_are_not_replaced(tmp_path: Path) -> None:
    require_own(tmp_path / "absent", "mark", ["a"])
    require_own(tmp_path, "mark", ["a"])
    (tmp_path / "a").touch()
    with pytest.raises(UserError, match=r"a would be replaced, but .* has no mark"):
        require_own(tmp_path, "mark", ["a"])
    (tmp_path / "mark").touch()
    require_own(tmp_path, "mark", ["a"])
    with pytest.raises(UserError, match="is a file; name a folder"):
        require_own(tmp_path / "a", "mark", ["a"])


def test_json_round_trip_and_no_nan(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"a": [1, 2.5, None, "ü"]})
    assert read_json(path) == {"a": [1, 2.5, None, "ü"]}
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(path, {"a": float("nan")})
    assert read_json(path) == {"a": [1, 2.5, None, "ü"]}


def test_missing_and_broken_json_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"a\.json does not exist"):
        read_json(tmp_path / "a.json")
    (tmp_path / "b.json").write_text("{")
    with pytest.raises(UserError, match=r"b\.json is not valid JSON"):
        read_json(tmp_path / "b.json")
    (tmp_path / "c.json").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match=r"c\.json"):
        read_json(tmp_path / "c.json")


@pytest.mark.promise("--out names a device, a pipe or a socket", "It is refused, and stays what it is.")
def test_what_is_no_regular_file_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (Path(os.devnull), tmp_path / "pipe"):
        before = path.stat().st_mode
        with pytest.raises(UserError, match="which is not replaced"), replacing(path):
            raise AssertionError("nothing is written")
        with pytest.raises(UserError, match="is a device, a pipe or a socket; name a folder"), replacing_folder(path):
            raise AssertionError("nothing is written")
        with pytest.raises(UserError, match="is a device, a pipe or a socket; name a folder"):
            require_own(path, "mark", ["a"])
        assert path.stat().st_mode == before


@pytest.mark.parametrize("inside", ["own/take.wav", "sub/own", "sub"])
def test_what_lies_deeper_in_a_folder_is_not_lost(tmp_path: Path, inside: str) -> None:
    """A folder that is called like a file of ours is not ours."""
    path = tmp_path / "folder" / inside
    path.parent.mkdir(parents=True)
    path.mkdir() if inside == "sub" else path.write_text("mine")
    with pytest.raises(UserError, match=f"it also holds {inside}"), replacing_folder(tmp_path / "folder", ["own"]):
        raise AssertionError("nothing is written")
    assert path.exists()


@pytest.mark.promise(
    "--out names a folder that holds the inputs, such as the recordings", "It is refused before the work."
)
def test_a_folder_that_holds_an_input_is_not_replaced(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "own").write_text("read")
    (tmp_path / "link").symlink_to(out)
    for given in (out, tmp_path / "link", tmp_path / "out" / ".." / "out"):
        with (
            pytest.raises(UserError, match="which is read; name another folder"),
            replacing_folder(given, ["own"], [None, tmp_path / "absent", out / "own"]),
        ):
            raise AssertionError("nothing is written")
    assert (out / "own").read_text() == "read"


def test_a_file_that_comes_meanwhile_is_not_lost(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()

    def write() -> None:
        with replacing_folder(out) as folder:
            (folder / "new").touch()
            (out / "notes").write_text("mine")

    with pytest.raises(UserError, match="it also holds notes"):
        write()
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "notes"]


HOLD = """
import sys, pathlib
from wav2tok.files import locked
with locked(pathlib.Path(sys.argv[1])):
    print("locked", flush=True)
    sys.stdin.read()
"""


@pytest.mark.promise(
    "Two processes write to one output folder", "The second is refused; a killed process holds nothing."
)
def test_one_process_writes_to_a_folder_and_its_death_lets_the_next_one(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("out")
    (tmp_path / "out").mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path / "out"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "locked\n"
        for path in (tmp_path / "out", tmp_path / "link"):
            with pytest.raises(UserError, match="another process is writing to"), locked(path):
                raise AssertionError("it is locked")
        holder.kill()
        holder.wait()
        with locked(tmp_path / "out"):
            assert not list((tmp_path / "out").iterdir())


def test_a_folder_that_was_made_for_nothing_goes(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), locked(tmp_path / "new" / "deeper"):
        raise ZeroDivisionError
    assert not list(tmp_path.iterdir())


@dataclasses.dataclass
class Kind:
    approved: bool
    score: float


@pytest.mark.promise(
    'A file of results whose values have wrong types, such as "approved": "no"',
    "It is refused; nothing counts as approved but true.",
)
@pytest.mark.parametrize(
    "text",
    ['{"approved": "no", "score": 1}', '{"approved": 1, "score": 1}', '{"score": 1}', "[]",
     '{"approved": true, "score": NaN}', '{"approved": true, "score": Infinity}', '{"approved": true, "score": "1"}'],
)  # fmt: skip
def test_a_file_of_other_types_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"approved": true, "score": 1, "more": []}')
    assert read_json(path, Kind)["approved"] is True
    path.write_text(text)
    with pytest.raises(UserError, match=r"a\.json is not (as it was written|valid JSON)"):
        read_json(path, Kind)


def test_an_address_makes_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="s3:/bucket/x is an address"):
        write_json("s3://bucket/x/a.json", {})
    assert not list(tmp_path.iterdir())
    make_folder(tmp_path / "s3:" / "bucket")  # by its absolute path, a folder may be called so
    assert [path.name for path in tmp_path.iterdir()] == ["s3:"]
