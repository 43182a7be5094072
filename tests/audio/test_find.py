"""Each real file once, and nothing left out without a word."""

import os
from pathlib import Path

import pytest

from wav2tok.audio import find as module
from wav2tok.audio import foreign
from wav2tok.audio.find import find, once


def made(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)


def found(root: Path) -> list[str]:
    return [path.relative_to(root).as_posix() for path in find(root)]


@pytest.mark.promise("Symbolic links that lead in a circle", "Each file is found once, in a moment.")
def test_links_that_lead_in_a_circle_give_each_file_once(tmp_path: Path, lines: list[str]) -> None:
    made(tmp_path, "b/1.wav", "c/2.wav")
    (tmp_path / "b" / "self").symlink_to(".")
    (tmp_path / "c" / "up").symlink_to("..")
    (tmp_path / "c" / "next").symlink_to("../b")
    assert found(tmp_path) == ["b/1.wav", "c/2.wav"]
    assert any("b/self leads back to a folder that it is in" in line for line in lines)


def test_a_file_has_its_own_name_and_not_that_of_a_link(tmp_path: Path, lines: list[str]) -> None:
    made(tmp_path, "b/1.wav", "z/2.wav")
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b" / "0.wav").symlink_to("../z/2.wav")
    os.link(tmp_path / "b" / "1.wav", tmp_path / "z" / "3.wav")
    assert found(tmp_path) == ["b/1.wav", "z/2.wav"]
    assert "is the same file as" in lines[-1]


@pytest.mark.promise("Symbolic links that lead nowhere", "They are named, and the rest is read.")
def test_links_that_lead_nowhere_are_named(tmp_path: Path, lines: list[str]) -> None:
    made(tmp_path, "a/1.wav")
    (tmp_path / "a" / "gone.flac").symlink_to("nowhere")
    assert found(tmp_path) == ["a/1.wav"]
    assert lines == [f"1 link to no file in {tmp_path} left out: {tmp_path}/a/gone.flac"]


@pytest.mark.promise(
    "m4a, aac, webm, amr or wma among the recordings",
    "They are found if ffmpeg is installed; else they are counted, and the message says how to convert them.",
)
def test_files_that_need_ffmpeg_are_read_or_counted(
    tmp_path: Path, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made(tmp_path, "a/1.wav", "b/2.m4a", "b/3.M4A", "c/4.webm", "d/5.wv")
    monkeypatch.setattr(module.shutil, "which", lambda name: None)
    assert found(tmp_path) == ["a/1.wav"]
    counted = "(2 .m4a, 1 .webm, 1 .wv); convert them: ffmpeg -i "
    assert lines[0].startswith(f"4 files with sound in {tmp_path} not read {counted}")
    assert lines[1].startswith(f"3 folders in {tmp_path} with files but no recording that is read: ")
    lines.clear()
    monkeypatch.setattr(module.shutil, "which", lambda name: "/usr/bin/ffmpeg")
    assert found(tmp_path) == ["a/1.wav", "b/2.m4a", "b/3.M4A", "c/4.webm"]
    assert lines[0].startswith(f"1 file with sound in {tmp_path} not read (1 .wv)")


@pytest.mark.promise("aiff, au, caf, oga, sph or w64 among the recordings", "They are found as WAV is.")
def test_what_libsndfile_reads_is_found(tmp_path: Path) -> None:
    names = [f"a{suffix}" for suffix in sorted(module.SUFFIXES)]
    made(tmp_path, *names, "a.txt")
    assert found(tmp_path) == sorted(names)
    assert {".caf", ".au", ".w64", ".sph", ".oga"} <= module.SUFFIXES
    assert not module.SUFFIXES & (foreign.SUFFIXES | module.UNREAD)


@pytest.mark.promise("One file under several names", "It counts once: its identity is its device and inode.")
def test_a_path_is_what_it_leads_to(tmp_path: Path, lines: list[str]) -> None:
    made(tmp_path, "a/1.wav", "2.wav")
    paths = [f"{tmp_path}/a/1.wav", f"{tmp_path}/a/../a/1.wav", f"{tmp_path}/2.wav", f"{tmp_path}/a/1.wav"]
    assert once([*paths, "absent", "absent"]) == [paths[0], paths[2], "absent"]
    assert lines == [f"{paths[1]} is the same file as {paths[0]} and is taken once, and 2 more are such"]
