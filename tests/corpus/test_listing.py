"""Which recordings a folder holds."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from wav2tok.audio import decode
from wav2tok.config.schema import Split
from wav2tok.corpus import manifest
from wav2tok.corpus.listing import listing
from wav2tok.corpus.recordings import Recording
from wav2tok.errors import UserError
from wav2tok.files import sha256


def sing(root: Path, *names: str) -> Path:
    for i, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        decode.write(root / name, 0.3 * np.sin(np.arange(4000) * (0.1 + 0.01 * i)), 8000)
    return root


def test_classes_are_subfolders(tmp_path: Path) -> None:
    recordings = listing(sing(tmp_path, "b/x_1.wav", "a/y_1.wav", "a/deep/z_1.flac"), Split(), None)
    assert recordings.paths == tuple((tmp_path / n).as_posix() for n in ("a/deep/z_1.flac", "a/y_1.wav", "b/x_1.wav"))
    assert recordings.classes == ("a", "a", "b")
    assert recordings.groups == ("z", "y", "x")
    assert list(recordings)[1] == Recording((tmp_path / "a/y_1.wav").as_posix(), "a", "y", None, None)


def test_list_data_have_no_classes(tmp_path: Path) -> None:
    sing(tmp_path, "b/x_1.wav", "a/y_1.wav", "loose.wav")
    recordings = listing(tmp_path, Split(kind="list"), None)
    assert recordings.classes is None
    assert len(recordings) == 3


def test_a_folder_without_subfolders_is_a_list(tmp_path: Path) -> None:
    recordings = listing(sing(tmp_path, "x_1.wav", "y_1.wav"), Split(kind="dict"), None)
    assert recordings.classes is None
    assert len(recordings) == 2


def test_a_loose_file_next_to_classes_is_named(tmp_path: Path) -> None:
    sing(tmp_path, "a/x_1.wav", "loose.wav")
    with pytest.raises(UserError, match=r"loose\.wav is not in a class folder"):
        listing(tmp_path, Split(), None)


def test_an_empty_or_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no readable recordings"):
        listing(tmp_path, Split(), None)
    with pytest.raises(UserError, match="not a folder"):
        listing(tmp_path / "missing", Split(), None)


def test_a_manifest_omits_unreadable_files_and_gives_groups_lengths_and_digests(tmp_path: Path) -> None:
    root = sing(tmp_path / "data", "a/x_1.wav", "a/y_1.wav", "b/x_2.wav")
    (root / "b" / "bad_1.wav").write_text("no audio")
    entries = [dataclasses.replace(e, group=f"g{i}") for i, e in enumerate(manifest.build(root))]
    file = tmp_path / "manifest.csv"
    manifest.write_csv(entries, file)
    recordings = listing(root, Split(group_by="column"), file)
    assert [Path(p).name for p in recordings.paths] == ["x_1.wav", "y_1.wav", "x_2.wav"]
    assert recordings.classes == ("a", "a", "b")
    readable = [e for e in entries if not e.error]
    assert recordings.groups == tuple(e.group for e in readable)
    assert recordings.seconds == (0.5, 0.5, 0.5)
    assert recordings.digests == tuple(sha256(path) for path in recordings.paths)
    by_name = listing(root, Split(), file)
    assert by_name == dataclasses.replace(recordings, groups=("x", "y", "x"))
    with pytest.raises(UserError, match=r"read from a manifest\.csv, and none is given") as caught:
        listing(root, Split(group_by="column"), None)
    assert caught.value.parameter == "manifest"
