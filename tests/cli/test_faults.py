"""Faults of the system: one sentence and exit code 2, and nothing lost without a word."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from wav2tok.cli import faults

VERB = [sys.executable, "-m", "wav2tok"]


def _run(command: str, folder: Path, text: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run a line of the shell in which ``$W`` is wav2tok."""
    environment = os.environ | {"W": " ".join(VERB), "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    return subprocess.run(["bash", "-c", command], cwd=folder, env=environment, input=text, capture_output=True)


@pytest.mark.promise(
    "A closed or full standard output, no standard input, a device as a file, a path that is too long",
    "One sentence and exit code 2.",
)
@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("$W params > /dev/full", "no space is left on the disk"),
        ("$W --help > /dev/full", "no space is left on the disk"),
        ("$W params >&-", "standard output is closed"),
        ("$W tokenize <&-", "no PATH was given"),
        ("$W params --params /dev/zero", "is a device, not a file"),
        ("mkfifo p.yaml; $W params --params p.yaml", "is a named pipe, not a file"),
        ("$W params --params $(printf 'a/%.0s' {1..3000})", "is longer than a path may be"),
        ("touch f; $W validate . --out f/below/it", "f"),
        ("$W index build a.wav --model m.onnx --out $(printf 'a%.0s' {1..300})", "File name too long; use a shorter"),
    ],
)
def test_a_fault_is_one_sentence(tmp_path: Path, command: str, sentence: str) -> None:
    done = _run(command, tmp_path)
    shown = done.stderr.decode()
    assert done.returncode == 2, shown
    assert sentence in shown
    assert len(shown.splitlines()) == 1, shown


@pytest.mark.promise(
    "A standard output whose encoding lacks a character, such as ü in ASCII", "Rows are printed, and are JSON."
)
def test_rows_are_json_in_any_encoding(tmp_path: Path, tiny_corpus: Path) -> None:
    named = tmp_path / "\u00fc\U0001d11e.flac"
    named.write_bytes((tiny_corpus / "arch" / "ada_0.flac").read_bytes())
    missing = tmp_path / "\u65e5.flac"
    command = "PYTHONIOENCODING=ascii $W tokenize --model wav2tok:humming"
    done = _run(command, tmp_path, f"{named}\n{missing}\n".encode())
    assert done.returncode == 1, done.stderr
    assert json.loads(done.stdout.decode("ascii"))["path"] == str(named)
    assert json.loads(done.stderr.decode("ascii").splitlines()[-1])["path"] == str(missing)


def test_without_standard_error_results_stay_clean(tmp_path: Path) -> None:
    done = _run("$W tokenize missing.wav --model missing.onnx 2>&-", tmp_path)
    assert (done.returncode, done.stdout) == (2, b"")


@pytest.mark.promise(
    "A list of files with a byte order mark, CRLF, names that are not text, or paths that are too long",
    "Each that can be read is tokenized; each of the others has its line.",
)
def test_a_list_of_any_names_loses_none(tmp_path: Path, tiny_model: Path, tiny_corpus: Path) -> None:
    """A byte-order mark, carriage returns, a path that is too long, bytes that are no text, a pipe, a slow rate."""
    import soundfile

    good = sorted(tiny_corpus.rglob("*.flac"))[:3]
    os.mkfifo(tmp_path / "x.wav")
    soundfile.write(tmp_path / "slow.wav", [0.1] * 4000, 1)
    names = [str(good[0]), str(good[1]) + "\r", "a/" * 3000 + "b.wav", "x.wav", "slow.wav", "", str(good[2]) + "\r"]
    text = b"\xef\xbb\xbf" + "\n".join(names).encode() + b"\n\xff.wav\n"
    done = _run(f"$W tokenize --model {tiny_model}", tmp_path, text)
    assert done.returncode == 1, done.stderr
    assert [str(path) in line for path, line in zip(good, done.stdout.decode().splitlines(), strict=True)] == [True] * 3
    failed = done.stderr.decode().splitlines()
    assert len(failed) == 4
    for line, reason in zip(failed, ("longer than", "a named pipe", "1 Hz", "UTF-8"), strict=True):
        assert reason in line


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(errno.ENOSPC, "x", "a/b"), "a/b: no space|a/b: No space"),
        (PermissionError(errno.EACCES, "x", "a/b"), "a/b: Permission denied; change its permissions"),
        (OSError(errno.EROFS, "x", b"a/b"), "a/b: Read-only file system; name a place"),
        (RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"), "no space is left"),
        (MemoryError(), "there is not enough memory"),
        (ValueError("a fault of ours"), None),
        (OSError(errno.ENOEXEC, "x"), None),
        (OSError("no number"), None),
    ],
)
def test_what_counts_as_a_fault(error: Exception, sentence: str | None) -> None:
    said = faults.sentence(error)
    assert (said is None) == (sentence is None)
    assert said is None or any(part in said for part in str(sentence).split("|"))


def test_a_fault_behind_another_error_is_found() -> None:
    outer = ValueError("cannot be saved")
    outer.__cause__ = OSError(errno.ENOSPC, "No space left on device", "a/b")
    assert "no space is left" in str(faults.sentence(outer))


def test_the_traceback_of_a_fault_of_ours_has_no_secrets(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "planted-7")
    try:
        raise ValueError("https://ada:hidden@host refuses planted-7")
    except ValueError as error:
        faults.show(type(error), error, error.__traceback__)
    shown = capsys.readouterr().err
    assert "ValueError: https://host refuses ***" in shown
    assert "test_faults.py" in shown


@pytest.mark.parametrize("uri", ["ftp://ada:hidden@host/x", "nonsense", "http://[::1"])
def test_an_address_that_is_no_store_is_named(tmp_path: Path, uri: str) -> None:
    done = _run(f"MLFLOW_TRACKING_URI='{uri}' $W history", tmp_path)
    said = done.stderr.decode()
    assert done.returncode == 2, said
    assert said.splitlines()[-1].startswith("wav2tok: ")
    assert " MLflow store " in said.splitlines()[-1]
    assert "Traceback" not in said
    assert "hidden" not in said
