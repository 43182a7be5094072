"""Two processes of a verb with one ``--out`` at the same moment: the second is refused, the first finishes whole."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from tests.cli.works import Work

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(sys.platform != "linux", reason="/proc/locks says who holds a lock"),
]

VERBS = {
    "sample": "sample new/x --melodies 2 --singers 2",
    "validate": "validate corpus --out new/x",
    "accept": "accept --validation validation --out new/x",
    "split": "split corpus --out new/x",
    "cluster": "cluster --data audios.bin --out new/x",
    "train": "train --data audios.bin --out new/x --no-track",
    "evaluate": "evaluate --data audios.bin --model model --out new/x --no-track",
    "export": "export --model model --out new/x",
    "register": "register --model export --report report --data audios.bin --out new/x",
    "drift": "drift --model export --out new/x corpus",
    "labels": "labels corpus --model export --out new/x",
    "changes": "changes --data audios.bin --model model --before wav2tok:humming --out new/x --no-track",
    "ingest": "ingest inbox --quarantine aside --out new/x --settle 0",
    "pull": "pull models:/wav2tok@champion --out new/x",
    "index build": "index build corpus --model model --out new/x",
    "index export": "index export --format opensearch --index index --out new/x",
}


def held(pid: int, place: Path) -> bool:
    """Whether a process holds the lock of ``new/x``: of the folder itself, of a file in it, or of a place beside it."""
    inodes = {path.stat().st_ino for path in (place / "new").rglob("*")} if (place / "new").exists() else set()
    for line in Path("/proc/locks").read_text().splitlines():
        fields = line.split()
        if str(pid) in fields and any(field.rpartition(":")[2] in map(str, inodes) for field in fields if ":" in field):
            return True
    return False


@pytest.mark.promise(
    "Two processes write to one --out at the same moment", "The second is refused in a sentence; the first finishes."
)
@pytest.mark.parametrize("verb", VERBS)
def test_the_second_writer_is_refused(verb: str, work: Work, tmp_path: Path) -> None:
    for attempt in range(8):
        place = work.copy(tmp_path / f"place{attempt}")
        if verb == "accept":
            work.run("validate corpus --out validation", place)
        first = work.start(VERBS[verb], place)
        while first.poll() is None and not held(first.pid, place):
            time.sleep(0.0005)
        if first.returncode is None:
            break
        assert first.returncode == 0, first.communicate()  # it was over before it was noticed: once more
    else:
        pytest.fail("the first was never met at work")
    os.kill(first.pid, signal.SIGSTOP)
    try:
        second = work.start(VERBS[verb], place)
        out, err = second.communicate(timeout=300)
    finally:
        os.kill(first.pid, signal.SIGCONT)
    assert second.returncode == 2, (out, err)
    sentence = err.splitlines()[-1]
    assert "another process is" in sentence, err
    assert sentence.startswith(f"wav2tok: {'OUT' if verb == 'sample' else '--out'}: "), err
    out, err = first.communicate(timeout=300)
    assert first.returncode == 0, (out, err)
    assert (place / "new" / "x").exists()
    assert not list(place.rglob(".wav2tok-*"))
