"""Recordings as a sequence, and the digests of their contents."""

import dataclasses
import hashlib
import os
from pathlib import Path

import pytest

from wav2tok.corpus.digests import contents
from wav2tok.corpus.recordings import Recording, Recordings, group_of

THREE = Recordings(("x/ada_1.wav", "y/ben_1.wav", "y/c.wav"), ("x", "y", "y"), (), (0.5, None, 2.0), ("1", "2", None))


@pytest.mark.parametrize(("path", "group"), [("x/ada_1_2.flac", "ada"), ("x/ada.flac", "ada"), ("_1.wav", "")])
def test_group_of(path: str, group: str) -> None:
    assert group_of(path) == group


def test_a_sequence_of_recordings() -> None:
    first, second, third = THREE
    assert first == Recording("x/ada_1.wav", "x", "ada", 0.5, "1")
    assert third == THREE[2] == THREE[-1] == Recording("y/c.wav", "y", "c", 2.0, None)
    assert second in THREE
    assert list(THREE[1:]) == [second, third]
    assert list(THREE.take([2, 0])) == [third, first]
    assert len(THREE[:0]) == 0
    assert THREE[:1] + THREE[1:] == THREE
    assert list(reversed(THREE)) == [third, second, first]


def test_recordings_without_classes_take_the_classes_of_others_away() -> None:
    listed = dataclasses.replace(THREE, classes=None)
    assert [r.label for r in listed] == [None] * 3
    assert (THREE + listed).classes is None
    assert (THREE + listed).groups == THREE.groups * 2


def test_other_classes_leave_the_rest_as_it_is() -> None:
    column = dataclasses.replace(THREE, groups=("g", "h", "h"))
    assert dataclasses.replace(column, classes=column.paths).groups == ("g", "h", "h")
    assert column.take([1]).groups == ("h",)


@pytest.mark.parametrize("stage", [None, "train"])
def test_contents_are_those_of_the_files_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str | None
) -> None:
    """Within a stage of DVC too: someone may rerun it alone, on files that were edited after ``validate``."""
    if stage is None:
        monkeypatch.delenv("DVC_STAGE", raising=False)
    else:
        monkeypatch.setenv("DVC_STAGE", stage)
    file = tmp_path / "a"
    file.write_text("before")
    times = file.stat()
    recordings = Recordings((str(file),), digests=(hashlib.sha256(b"before").hexdigest(),))
    assert contents(recordings) == list(recordings.digests)
    file.write_text("after!")  # as long as before
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert contents(recordings) == [hashlib.sha256(b"after!").hexdigest()]
