"""A reader never sees half of a file, and one process at a time writes to a folder."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

from wav2tok.errors import UserError
from wav2tok.files import locked, read_json, replacing, replacing_folder, write_json


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


def test_a_link_to_a_folder_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with replacing_folder(tmp_path / "link") as temporary:
        (temporary / "new").touch()
    assert (tmp_path / "link").is_symlink()
    assert [p.name for p in (tmp_path / "real").iterdir()] == ["new"]


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
