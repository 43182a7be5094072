"""An index folder: damage is named, one writer at a time, foreign files stay, and a killed writer loses nothing."""

import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.search.collections import recording, tokenizer
from wav2tok.errors import UserError
from wav2tok.search.folder import verify
from wav2tok.search.index import Index
from wav2tok.search.manifest import LOCK, MANIFEST, Part
from wav2tok.search.writer import _to_merge, writing


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """An index of 30 recordings in two segments, of which one was removed."""
    path = tmp_path / "index"
    first = Index.create(path, tokenizer(), [recording(str(i), range(i, i + 9)) for i in range(20)])
    first.add([recording(str(i), range(i, i + 9)) for i in range(20, 31)]).remove(["3"])
    return path


def test_a_whole_index_is_verified(made: Path) -> None:
    assert verify(made) == []
    assert len(list(made.glob("*.segment"))) == 2
    assert len(list(made.glob("*.dead"))) == 1


@pytest.mark.promise(
    "A changed byte in a segment of an index, or in its list of what was removed", "index verify names the file."
)
@pytest.mark.parametrize("suffix", ["segment", "dead"])
def test_every_changed_byte_is_noticed(made: Path, suffix: str) -> None:
    file = next(made.glob(f"*.{suffix}"))
    content = bytearray(file.read_bytes())
    for place in [*range(0, len(content), max(1, len(content) // 50)), -1]:
        content[place] ^= 1
        file.write_bytes(content)
        assert verify(made) == [f"{file} is not what was written: its digest differs"]
        content[place] ^= 1
    file.unlink()
    assert verify(made) == [f"{file} is missing"]
    with pytest.raises(UserError, match=rf"{file.name} is missing; restore it"):
        Index.load(made)


@pytest.mark.parametrize("kept", [0, 4, 300, 2000])
def test_a_cut_segment_gets_a_sentence(made: Path, kept: int) -> None:
    file = next(made.glob("*.segment"))
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(UserError, match=rf"{file.name} is damaged; restore it"):
        Index.load(made)


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "{}", '{"format": 2}', '{"format": 2, "parts": [1]}'])
def test_a_damaged_manifest_gets_a_sentence(made: Path, text: str) -> None:
    (made / MANIFEST).write_text(text)
    with pytest.raises(UserError, match=r"index\.json is damaged; make the index again"):
        Index.load(made)


def test_what_is_no_index_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="missing does not exist; make one with"):
        Index.load(tmp_path / "missing")
    (tmp_path / "other").mkdir()
    with pytest.raises(UserError, match=r"other has no index\.json"):
        Index.load(tmp_path / "other")
    (tmp_path / "old.json").write_text('{"recordings": []}')
    with pytest.raises(UserError, match=r"old\.json is a file.* index again"):
        Index.load(tmp_path / "old.json")
    with pytest.raises(UserError, match=r"old\.json is a file"):
        Index.create(tmp_path / "old.json", tokenizer(), [])


def test_an_index_of_a_later_release_is_refused(made: Path) -> None:
    values = json.loads((made / MANIFEST).read_text())
    (made / MANIFEST).write_text(json.dumps(values | {"format": 3}))
    with pytest.raises(UserError, match="newer wav2tok"):
        Index.load(made)


def test_an_index_of_an_earlier_release_is_to_be_made_again(made: Path) -> None:
    values = json.loads((made / MANIFEST).read_text())
    (made / MANIFEST).write_text(json.dumps(values | {"format": 1}))
    with pytest.raises(UserError, match="older wav2tok; index again"):
        Index.load(made)


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / ".DS_Store").write_text("")
    with pytest.raises(UserError, match=r"holds notes\.txt"):
        Index.create(tmp_path, tokenizer(), [])
    assert sorted(one.name for one in tmp_path.iterdir()) == [".DS_Store", "notes.txt"]


def _hold(path: Path, ready: "multiprocessing.synchronize.Event") -> None:
    with writing(path):
        ready.set()
        time.sleep(60)


def test_there_is_one_writer_and_readers_do_not_wait(made: Path) -> None:
    ready = multiprocessing.get_context("spawn").Event()
    other = multiprocessing.get_context("spawn").Process(target=_hold, args=(made, ready))
    other.start()
    try:
        assert ready.wait(60)
        with pytest.raises(UserError, match=r"another process is changing .*index; wait"):
            Index.load(made).add([recording("new", range(9))])
        assert Index.load(made).search(np.arange(9))[0].path == "0"
    finally:
        other.kill()
        other.join()
    assert len(Index.load(made).add([recording("new", range(9))])) == 31


def test_what_a_killed_writer_left_is_deleted_by_the_next(made: Path) -> None:
    for name in ("00000009-0123abcd.segment", ".index-0123abcd"):
        (made / name).write_bytes(b"half")
    now = Index.load(made).add([recording("new", range(9))])
    assert len(now) == 31
    assert {one.name for one in made.iterdir()} == {
        MANIFEST,
        LOCK,
        *(name for part in now.manifest.parts for name in (part.file, part.dead) if name),
    }


def part(recordings: int, removed: int = 0) -> Part:
    return Part("f", "", recordings, recordings, 9 * recordings, removed=removed)


@pytest.mark.parametrize(
    ("sizes", "merged"),
    [
        ([1, 1, 1], None),
        ([1, 1, 1, 1], (0, 4)),
        ([4, 1, 1, 1], None),
        ([4, 4, 4, 1, 1, 1, 1], (0, 7)),
        ([100, 1, 1, 1, 1], (1, 5)),
        ([60_000, 10_000, 10_000, 10_000, 10_000], (1, 5)),
        ([30_000, 30_000, 30_000, 30_000], None),
    ],
)
def test_neighbours_of_similar_size_are_merged(sizes: list[int], merged: tuple[int, int] | None) -> None:
    assert _to_merge([part(size) for size in sizes]) == merged


def test_a_segment_of_which_half_is_gone_is_written_again(made: Path) -> None:
    assert _to_merge([part(100), part(10, removed=5)]) == (1, 2)
    now = Index.load(made).remove([str(i) for i in range(10, 20)])
    assert [(p.recordings, p.removed) for p in now.manifest.parts] == [(9, 0), (11, 0)]


_ADDS = """
import sys
from pathlib import Path
from tests.search.collections import recording
from wav2tok.search.index import Index
now = Index.load(Path(sys.argv[1]))
for i in range(int(sys.argv[2]), 100000):
    now = now.add([recording(str(i), [i % 60, i // 60 % 60, i // 3600, 7, 8, 9])])
    print(i, flush=True)
"""


@pytest.mark.promise("SIGKILL while an index is written", "What was added before stays, whole and in order.")
@pytest.mark.slow
def test_a_writer_killed_at_any_moment_loses_nothing_acknowledged(tmp_path: Path) -> None:
    """50 writers, each killed after a random time; what each had acknowledged is there, in order, and undamaged."""
    path = tmp_path / "index"
    Index.create(path, tokenizer(), [])
    generator = random.Random(0)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    count = 0
    for _ in range(50):
        with subprocess.Popen(
            [sys.executable, "-c", _ADDS, str(path), str(count)], stdout=subprocess.PIPE, env=environment
        ) as writer:
            assert writer.stdout is not None
            acknowledged = [int(writer.stdout.readline())]
            time.sleep(generator.random() * 0.3)
            writer.send_signal(signal.SIGKILL)
            acknowledged += [int(line) for line in writer.stdout.read().splitlines() if line]
        assert verify(path) == []
        held = [entry.path for entry in Index.load(path).entries]
        assert held[: acknowledged[-1] + 1] == [str(i) for i in range(acknowledged[-1] + 1)]
        count = len(held)
        assert count <= acknowledged[-1] + 2  # at most the change that was not acknowledged yet
    assert count > 200
