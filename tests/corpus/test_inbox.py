"""The inbox: every recording is accounted for, and each reason for the quarantine has a recording that gets it."""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile

from tests.conftest import RATE
from wav2tok.corpus import inbox
from wav2tok.corpus.inbox import Judgement
from wav2tok.errors import UserError


@pytest.fixture
def place(tmp_path, tiny_corpus):
    """A corpus, and an inbox with two good recordings of a new voice that arrived an hour ago."""
    shutil.copytree(tiny_corpus, tmp_path / "data")
    for number, melody in enumerate(("arch", "fall")):
        arrive(tmp_path, f"{melody}/hana_0.flac", np.random.default_rng(number).uniform(-0.2, 0.2, RATE // 2))
    return tmp_path


def arrive(place, name, wave):
    path = place / "inbox" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.asarray(wave, dtype=np.float32), RATE)
    an_hour_ago(path)


def an_hour_ago(path):
    os.utime(path, (time.time() - 3600,) * 2)


def copied(place, source, name):
    path = place / "inbox" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, path)
    an_hour_ago(path)


def judge(place, config, settle=10.0):
    return inbox.judge(place / "inbox", place / "data", config, settle)


GOOD = ("arch/hana_0.flac", "fall/hana_0.flac")


def test_of_a_recording_and_its_copy_that_arrive_together_the_first_is_taken_in(place, tiny_config):
    wave, _ = soundfile.read(place / "inbox" / GOOD[0])
    arrive(place, "arch/ivo_0.flac", 0.5 * wave)
    found = judge(place, tiny_config)
    assert found.good == GOOD
    assert found.bad["arch/ivo_0.flac"][0].startswith("copy: ")


def test_good_recordings_are_taken_in(place, tiny_config):
    content = [(place / "inbox" / name).read_bytes() for name in GOOD]
    found = judge(place, tiny_config)
    assert dataclasses.replace(found, compared=None) == Judgement(GOOD)
    assert found.compared is not None
    assert found.compared.says.startswith("Compared with the corpus, 2 recordings were added and 0 are gone.")
    inbox.move(place / "inbox", place / "data", place / "quarantine", found)
    assert [(place / "data" / name).read_bytes() for name in GOOD] == content
    assert [path for path in (place / "inbox").rglob("*") if path.is_file()] == []
    assert not (place / "quarantine").exists()
    assert judge(place, tiny_config) == Judgement()


def spoil(place, how):
    corpus, name = place / "data", "climb/ivo_0.flac"
    if how == "unreadable":
        copied(place, corpus.parent / "inbox" / GOOD[0], name)
        (place / "inbox" / name).write_bytes(b"not audio")
        an_hour_ago(place / "inbox" / name)
    elif how == "too_short":
        arrive(place, name, np.full(100, 0.1))
    elif how == "silent":
        arrive(place, name, np.zeros(RATE))
    elif how == "duplicate":
        copied(place, corpus / "climb" / "ada_0.flac", name)
    elif how == "duplicate_across_classes":
        copied(place, corpus / "arch" / "ada_0.flac", name)
    elif how in ("copy", "copy_across_classes"):
        wave, _ = soundfile.read(corpus / ("climb" if how == "copy" else "arch") / "ada_0.flac")
        arrive(place, name, 0.5 * wave)
    elif how == "another recording of that name":
        name = "climb/ada_0.flac"
        arrive(place, name, np.random.default_rng(9).uniform(-0.2, 0.2, RATE))
    elif how == "has no class":
        name = "ivo_0.flac"
        arrive(place, name, np.random.default_rng(9).uniform(-0.2, 0.2, RATE))
    return name


@pytest.mark.parametrize(
    "how",
    [
        "unreadable",
        "too_short",
        "silent",
        "duplicate",
        "duplicate_across_classes",
        "copy",
        "copy_across_classes",
        "another recording of that name",
        "has no class",
    ],
)
@pytest.mark.promise(
    "A recording that fails a check arrives", "It goes to the quarantine, and the reason is written down."
)
def test_what_fails_is_put_aside_with_the_reason(place, tiny_config, how):
    name = spoil(place, how)
    content = (place / "inbox" / name).read_bytes()
    found = judge(place, tiny_config)
    assert found.good == GOOD
    assert list(found.bad) == [name]
    assert any(how in reason for reason in found.bad[name])
    inbox.move(place / "inbox", place / "data", place / "quarantine", found)
    assert (place / "quarantine" / name).read_bytes() == content
    (line,) = map(json.loads, (place / "quarantine" / "reasons.jsonl").read_text().splitlines())
    assert (line["path"], tuple(line["reasons"])) == (name, found.bad[name])


def test_of_two_new_copies_the_first_is_taken_and_of_two_labels_none(place, tiny_config):
    copied(place, place / "inbox" / GOOD[0], "arch/hana_1.flac")
    found = judge(place, tiny_config)
    assert (found.good, list(found.bad)) == (GOOD, ["arch/hana_1.flac"])
    copied(place, place / "inbox" / GOOD[1], "zigzag/hana_0.flac")
    found = judge(place, tiny_config)
    assert (found.good, set(found.bad)) == (GOOD[:1], {"arch/hana_1.flac", GOOD[1], "zigzag/hana_0.flac"})


def test_a_recording_that_still_changes_waits(place, tiny_config):
    os.utime(place / "inbox" / GOOD[1])
    found = judge(place, tiny_config)
    assert (found.good, found.waiting) == (GOOD[:1], GOOD[1:])
    assert judge(place, tiny_config, settle=0).good == GOOD


def test_a_recording_with_a_date_of_the_future_does_not_wait_for_ever(place, tiny_config):
    early, late = (place / "inbox" / name for name in GOOD[:2])
    for path, ahead in ((early, 3600), (late, 10 * 86_400)):
        os.utime(path, (time.time() + ahead,) * 2)
    found = judge(place, tiny_config)
    assert (found.waiting, found.good) == ((GOOD[0],), (GOOD[1],))


def test_names_in_the_quarantine_stay_apart(place, tiny_config):
    for seconds in (1, 2, 3):
        arrive(place, "climb/ivo_0.flac", np.zeros(seconds * RATE))
        inbox.move(place / "inbox", place / "data", place / "quarantine", judge(place, tiny_config))
    lengths = {path.stem: soundfile.info(path).frames / RATE for path in (place / "quarantine" / "climb").iterdir()}
    assert lengths == {"ivo_0": 1, "ivo_0-2": 2, "ivo_0-3": 3}


@pytest.mark.promise("An inbox within the corpus, or around it", "It is refused, and no recording is moved.")
def test_an_inbox_and_a_corpus_that_hold_one_another(place, tiny_config):
    for folder in (place / "data" / "climb", place):
        with pytest.raises(UserError, match="overlap, so recordings of the corpus would be moved"):
            inbox.judge(folder, place / "data", tiny_config, 0)


def test_a_folder_that_is_missing_or_the_corpus_itself(place, tiny_config):
    with pytest.raises(UserError, match="is not a folder"):
        inbox.judge(place / "none", place / "data", tiny_config, 0)
    with pytest.raises(UserError, match="is the corpus itself"):
        inbox.judge(place / "data", place / "data", tiny_config, 0)


@pytest.mark.parametrize("step", range(8))
@pytest.mark.promise(
    "SIGKILL while recordings are taken in",
    "Each recording is in the inbox or in the corpus, whole; the next run completes the move.",
)
def test_a_process_killed_at_any_step_loses_nothing(place, tiny_config, step):
    """The process dies before its n-th change of a file; the next run completes the move."""
    contents = {name: (place / "inbox" / name).read_bytes() for name in GOOD}
    script = f"""
import os, pathlib, signal
from wav2tok.corpus import inbox
steps = 0
def dying(change):
    def changed(self, *rest, **more):
        global steps
        if steps == {step}:
            os.kill(os.getpid(), signal.SIGKILL)
        steps += 1
        return change(self, *rest, **more)
    return changed
pathlib.Path.replace, pathlib.Path.unlink = dying(pathlib.Path.replace), dying(pathlib.Path.unlink)
root = pathlib.Path({str(place)!r})
inbox.move(root / "inbox", root / "data", root / "quarantine", inbox.Judgement({GOOD!r}))
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -signal.SIGKILL
    for name, content in contents.items():
        copies = [path for path in (place / "inbox" / name, place / "data" / name) if path.exists()]
        assert copies
        assert all(path.read_bytes() == content for path in copies)
    inbox.move(place / "inbox", place / "data", place / "quarantine", judge(place, tiny_config))
    assert all((place / "data" / name).read_bytes() == content for name, content in contents.items())
    assert not any((place / "inbox" / name).exists() for name in GOOD)
    assert not list((place / "data").rglob(".*"))
