"""Damaged files of every kind are read or refused in a sentence, whatever the bytes. `make fuzz` tries thousands, and
where atheris is installed (``uv pip install atheris``) it also looks for bytes that run lines which no others ran."""

import contextlib
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.readers import READERS
from wav2tok.errors import UserError
from wav2tok.search.index import Index
from wav2tok.tokenizer.tokenizer import Tokenizer

PROJECT = Path(__file__).resolve().parents[1]
GUIDED_SECONDS = 45


def damaged(data: st.DataObject, whole: bytes) -> bytes:
    """``whole`` with some bytes changed, most of them near its start, where headers are; or cut off."""
    places = st.integers(0, min(400, len(whole))) | st.integers(0, len(whole))
    changed = bytearray(whole)
    for place, value in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), max_size=8)):
        changed[place : place + 1] = [value]
    return bytes(changed[: data.draw(st.just(len(whole)) | places)])


def refused_or_read(read: Callable[[], object]) -> None:
    with contextlib.suppress(UserError):  # any other error is a fault of the reader
        read()


@given(data=st.data())
@pytest.mark.promise("A damaged audios.bin", "It is read or refused in a sentence.")
def test_splits(tiny_split: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzzed.bin"
    path.write_bytes(damaged(data, tiny_split.read_bytes()))
    refused_or_read(lambda: READERS["audios.bin"](path))


@given(data=st.data())
@pytest.mark.promise("A damaged recording", "It is read or refused in a sentence.")
def test_recordings(tiny_corpus: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzzed.flac"
    path.write_bytes(damaged(data, (tiny_corpus / "arch" / "ada_0.flac").read_bytes()))
    refused_or_read(lambda: READERS["recording"](path))


@given(data=st.data())
@pytest.mark.promise("A damaged params.yaml", "It is read or refused in a sentence.")
def test_parameters(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzzed.yaml"
    lines = (PROJECT / "params.yaml").read_bytes().splitlines(keepends=True)
    # Comments are long and cannot go wrong.
    path.write_bytes(damaged(data, b"".join(line for line in lines if not line.lstrip().startswith(b"#"))))
    refused_or_read(lambda: READERS["params.yaml"](path))


@given(data=st.data())
@pytest.mark.promise("A damaged checkpoint", "It is read or refused in a sentence.")
def test_checkpoints(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.getbasetemp() / "fuzzed"
    folder.mkdir(exist_ok=True)
    for name in ("wav2tok_best.safetensors", "config.json"):
        shutil.copy(tiny_model / name, folder / name)
    path = folder / data.draw(st.sampled_from(["wav2tok_best.safetensors", "config.json"]))
    path.write_bytes(damaged(data, path.read_bytes()))
    refused_or_read(lambda: READERS["checkpoint"](path))


@pytest.fixture(scope="session")
def tiny_index(tiny_model: Path, tiny_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fuzz") / "index"
    Index.build([tiny_corpus], Tokenizer.from_pretrained(tiny_model)).save(path)
    return path


@given(data=st.data())
@pytest.mark.promise("A damaged index", "It is read or refused in a sentence.")
def test_indexes(tiny_index: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.getbasetemp() / "fuzzed-index"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(tiny_index, folder)
    path = folder / data.draw(st.sampled_from(sorted(path.name for path in tiny_index.iterdir() if path.is_file())))
    path.write_bytes(damaged(data, path.read_bytes()))
    refused_or_read(lambda: READERS["index"](path))


@pytest.fixture
def whole(
    tiny_split: Path, tiny_corpus: Path, tiny_model: Path, tiny_index: Path, tmp_path: Path
) -> Callable[[str], Path]:
    """A whole file for a reader, with what it needs beside it."""

    def make(kind: str) -> Path:
        place = tmp_path / "whole"
        if kind == "index":
            return Path(shutil.copytree(tiny_index, place)) / "index.json"
        place.mkdir()
        if kind == "checkpoint":
            shutil.copy(tiny_model / "config.json", place)
        source = {
            "audios.bin": tiny_split,
            "recording": tiny_corpus / "arch" / "ada_0.flac",
            "params.yaml": PROJECT / "wav2tok" / "config" / "profiles" / "humming.yaml",
            "checkpoint": tiny_model / "wav2tok_best.safetensors",
        }[kind]
        return Path(shutil.copy(source, place))

    return make


@pytest.mark.slow
@pytest.mark.parametrize("kind", READERS)
def test_led_by_the_lines_that_run(kind: str, whole: Callable[[str], Path]) -> None:
    if os.environ.get("WAV2TOK_EXAMPLES") != "fuzz" or importlib.util.find_spec("atheris") is None:
        pytest.skip("only make fuzz runs it, where atheris is installed")
    command = [sys.executable, "-m", "tests.fuzz_guided", kind, str(whole(kind)), str(PROJECT / ".fuzz" / kind)]
    done = subprocess.run([*command, f"-max_total_time={GUIDED_SECONDS}"], cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-5000:]
