"""The log of searches: read as it was written or refused in a sentence; sounds that are forgotten."""

import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wav2tok.errors import UserError
from wav2tok.search import asked
from wav2tok.search.asked import Asked, Sounds

ONE = Asked("2026-11-30T12:00:00Z", "models:/wav2tok/3", "cea5", (5, 7, 2), ("a.flac", "ü\udcff\n.flac"), (0.0, 0.25))
TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.lists(st.tuples(st.lists(st.integers(0, 9999)), st.lists(st.tuples(TEXT, st.floats(0, 2))))))
def test_searches_are_read_as_they_were_written(tmp_path_factory, rows):
    log = tmp_path_factory.mktemp("asked") / "log"
    log.touch()
    written = []
    for tokens, answers in rows:
        paths, distances = tuple(path for path, _ in answers), tuple(distance for _, distance in answers)
        written.append(Asked("now", "model", "identity", tuple(tokens), paths, distances))
        asked.append(written[-1], log, 1)
    assert list(asked.read(log)) == written


def test_a_line_that_was_cut_off_is_left_out_and_names_need_not_be_text(tmp_path):
    log = tmp_path / "log"
    asked.append(ONE, log, 1)
    asked.append(ONE, log, 1)
    log.write_bytes(log.read_bytes()[:-5])
    assert list(asked.read(log)) == [ONE]


@pytest.mark.parametrize(
    "line",
    ["x", "[]", '{"time": "now"}', '{"time": "", "model": "", "identity": "", "tokens": [-1], "paths": [], '
     '"distances": [], "sound": null}', '{"time": "", "model": "", "identity": "", "tokens": [1], "paths": [], '
     '"distances": [], "sound": "../../etc/passwd"}'],
)  # fmt: skip
def test_another_line_is_refused_by_its_number(tmp_path, line):
    log = tmp_path / "log"
    asked.append(ONE, log, 1)
    with log.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(UserError, match="log line 2 is not a search"):
        list(asked.read(log))
    with pytest.raises(UserError, match="none does not exist"):
        list(asked.read(tmp_path / "none"))


def test_sounds_that_are_old_or_too_many_are_deleted_and_nothing_else(tmp_path):
    sounds = Sounds(tmp_path / "sounds", days=2, megabytes=1)
    names = [sounds.keep(bytes([number]) * 300_000) for number in range(3)]
    (tmp_path / "sounds" / "notes.txt").write_bytes(b"mine" * 300_000)
    os.utime(tmp_path / "sounds" / "notes.txt", (0, 0))
    for age, name in zip((3, 1, 0), names, strict=True):
        os.utime(tmp_path / "sounds" / name, (time.time() - 86_400 * age,) * 2)
    sounds.forget()
    assert {path.name for path in (tmp_path / "sounds").iterdir()} == {"notes.txt", *names[1:]}
    newest = sounds.keep(bytes([9]) * 600_000)  # 1.2 MB: the oldest goes
    assert {path.name for path in (tmp_path / "sounds").iterdir()} == {"notes.txt", names[2], newest}
    assert (tmp_path / "sounds").stat().st_mode & 0o777 == 0o700


def test_a_log_that_is_full_is_renamed_and_the_one_before_it_deleted(tmp_path):
    """Also if several services write to it: each search is in one of the two files, or was in the deleted one."""
    log, megabytes = tmp_path / "log", 20_000 / (1 << 20)

    def write(service):
        for number in range(50):
            one = Asked(f"{service} {number:04}", "model", "identity", tuple(range(100)), (), ())
            asked.append(one, log, megabytes)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log", "log.1"]
    assert all(0 < path.stat().st_size <= 20_000 for path in tmp_path.iterdir())
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in tmp_path.iterdir())
    kept = [one.time for path in (asked.former(log), log) for one in asked.read(path)]
    assert len(set(kept)) == len(kept)
    for service in range(4):  # of each service the last ones, without a gap
        own = [int(time.split()[1]) for time in kept if time.startswith(f"{service} ")]
        assert own == list(range(50 - len(own), 50))


def test_a_log_that_is_full_is_one_search_however_long_that_is(tmp_path):
    for number in range(3):
        asked.append(Asked(str(number), "model", "identity", tuple(range(100)), (), ()), tmp_path / "log", 1e-6)
    assert [one.time for path in (tmp_path / "log.1", tmp_path / "log") for one in asked.read(path)] == ["1", "2"]
