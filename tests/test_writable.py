"""Nothing is replaced that a verb did not write, nor what it reads."""

import os
from pathlib import Path

import pytest

from wav2tok.errors import UserError
from wav2tok.files import make_folder, replacing, replacing_folder, write_json
from wav2tok.writable import require_own


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


def test_an_address_makes_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="s3:/bucket/x is an address"):
        write_json("s3://bucket/x/a.json", {})
    assert not list(tmp_path.iterdir())
    make_folder(tmp_path / "s3:" / "bucket")  # by its absolute path, a folder may be called so
    assert [path.name for path in tmp_path.iterdir()] == ["s3:"]
