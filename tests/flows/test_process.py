"""Stages as processes, run by the real DVC."""

import time

import pytest
import zc.lockfile

from flows import process
from flows.process import StageFailed
from wav2tok.errors import UserError


def test_lines_come_while_the_stage_runs_and_once_only_what_is_stale(untouched):
    untouched.turn("validate", "slow")
    heard: list[tuple[float, str]] = []
    assert process.run("validate", untouched.root, 5, lambda line: heard.append((time.monotonic(), line)))
    began = next(at for at, line in heard if line == "validate begins")
    assert time.monotonic() - began > 1
    assert untouched.ran() == ["validate"]
    assert not process.run("validate", untouched.root, 5, lambda line: None)
    assert untouched.ran() == []


def test_changed_recordings_are_recorded_in_data_dvc(untouched):
    before = (untouched.root / "data.dvc").read_text()
    (untouched.root / "data" / "b.flac").write_text("b")
    assert process.run("validate", untouched.root, 5, lambda line: None)
    assert (untouched.root / "data.dvc").read_text() != before


def test_a_failure_of_dvc_itself_is_reported_in_its_words(untouched):
    with pytest.raises(StageFailed, match=r"^split failed: .*artifacts/validation"):
        process.run("split", untouched.root, 5, lambda line: None)


def test_a_held_dvc_lock_is_reported_as_one(untouched):
    lock = zc.lockfile.LockFile(str(untouched.root / ".dvc" / "tmp" / "lock"))
    try:
        with pytest.raises(StageFailed, match="another retraining or dvc command holds the lock"):
            process.run("validate", untouched.root, 5, lambda line: None)
    finally:
        lock.close()


def test_a_folder_without_dvc_is_refused(tmp_path):
    with pytest.raises(UserError, match="is not a DVC project"), process.alone(tmp_path):
        pass
