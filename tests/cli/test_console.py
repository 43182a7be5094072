"""What a verb shows while it works: lines, and bars on a terminal only."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

WORK = """
import sys
from wav2tok import progress
from wav2tok.cli import console
console.listen()
if "clean" in sys.argv:
    console.keep_output_clean()
progress.log.info("begun")
for number in progress.track(range(20), "counting"):
    if number == 10:
        print("half", flush=True)
progress.log.warning("done with [brackets]")
"""
TENTHS = [f"counting: {n}/20" for n in range(2, 21, 2)]


def on_a_terminal(command: Sequence[object], terminals: Sequence[str]) -> tuple[int, str, str]:
    """Run ``command`` with ``terminals`` (stdout, stderr) on a pseudo-terminal: exit code, its text, the piped text."""
    master, slave = pty.openpty()
    streams = {name: slave if name in terminals else subprocess.PIPE for name in ("stdout", "stderr")}
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "80"}
    process = subprocess.Popen([*map(str, command)], stdin=subprocess.DEVNULL, env=environment, **streams)
    os.close(slave)
    shown = b""
    while True:
        try:
            chunk = os.read(master, 4096)
        except OSError:  # the end on Linux
            break
        if not chunk:
            break
        shown += chunk
    piped = b"".join(out for out in process.communicate() if out)
    os.close(master)
    return process.returncode, shown.decode(), piped.decode()


def test_lines_where_stderr_is_not_a_terminal():
    done = subprocess.run([sys.executable, "-c", WORK], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["begun", *TENTHS[:5], "half", *TENTHS[5:], "warning: done with [brackets]"]


def test_a_bar_on_a_terminal_leaves_piped_lines_alone():
    code, shown, piped = on_a_terminal([sys.executable, "-c", WORK], ["stderr"])
    assert code == 0
    assert piped.splitlines() == ["begun", "half", "warning: done with [brackets]"]
    assert "counting" in shown
    assert "20/20" in shown
    assert "half" not in shown


def test_lines_stand_above_the_bar_on_one_terminal():
    code, shown, _ = on_a_terminal([sys.executable, "-c", WORK], ["stdout", "stderr"])
    assert code == 0
    for text in ("begun", "half", "warning: done with [brackets]", "20/20"):
        assert text in shown
    assert "counting: " not in shown


def test_a_verb_with_results_on_its_output_prints_no_count():
    command = [sys.executable, "-c", WORK, "clean"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout.splitlines() == ["half"]
    assert [json.loads(line) for line in done.stderr.splitlines()] == [
        {"info": "begun"},
        {"warning": "done with [brackets]"},
    ]
    _, shown, _ = on_a_terminal(command, ["stdout", "stderr"])
    assert "counting" not in shown
    _, shown, piped = on_a_terminal(command, ["stderr"])
    assert "20/20" in shown
    assert piped == done.stdout


def test_tokenize_draws_a_bar_and_keeps_its_json_lines(tiny_model, tiny_corpus):
    """The bar goes to the terminal on stderr; stdout in a pipe has the same bytes as without a terminal."""
    wav2tok = Path(sys.executable).parent / "wav2tok"
    command = [wav2tok, "tokenize", tiny_corpus / "arch", "--model", tiny_model, "--device", "cpu"]
    code, shown, piped = on_a_terminal(command, ["stderr"])
    assert code == 0
    assert "tokenizing" in shown
    assert "7/7" in shown
    assert piped == subprocess.run([*map(str, command)], capture_output=True, text=True).stdout
    assert [Path(json.loads(line)["path"]).parent.name for line in piped.splitlines()] == ["arch"] * 7
