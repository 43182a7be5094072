"""Damaged files of every kind are read or refused in a sentence, whatever the bytes. `make fuzz` tries thousands."""

import contextlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wav2tok.audio import decode
from wav2tok.config import parameters
from wav2tok.corpus import audios_bin
from wav2tok.errors import UserError
from wav2tok.model import checkpoint
from wav2tok.search.index import Index
from wav2tok.tokenizer.tokenizer import Tokenizer

PROJECT = Path(__file__).resolve().parents[1]


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
@pytest.mark.promise("A damaged audios.bin", "It is read or refused in a sentence; no code in it runs.")
def test_splits(tiny_split: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzzed.bin"
    path.write_bytes(damaged(data, tiny_split.read_bytes()))
    refused_or_read(lambda: audios_bin.read(path))


@given(data=st.data())
@pytest.mark.promise("A damaged recording", "It is read or refused in a sentence.")
def test_recordings(tiny_corpus: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzzed.flac"
    path.write_bytes(damaged(data, (tiny_corpus / "arch" / "ada_0.flac").read_bytes()))
    refused_or_read(lambda: decode.read(path, 8000))


@given(data=st.data())
@pytest.mark.promise("A damaged params.yaml", "It is read or refused in a sentence.")
def test_parameters(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzzed.yaml"
    lines = (PROJECT / "params.yaml").read_bytes().splitlines(keepends=True)
    # Comments are long and cannot go wrong.
    path.write_bytes(damaged(data, b"".join(line for line in lines if not line.lstrip().startswith(b"#"))))
    refused_or_read(lambda: parameters.load(path))


@given(data=st.data())
@pytest.mark.promise("A damaged checkpoint", "It is read or refused in a sentence.")
def test_checkpoints(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.getbasetemp() / "fuzzed"
    folder.mkdir(exist_ok=True)
    for name in ("wav2tok_best.safetensors", "config.json"):
        shutil.copy(tiny_model / name, folder / name)
    path = folder / data.draw(st.sampled_from(["wav2tok_best.safetensors", "config.json"]))
    path.write_bytes(damaged(data, path.read_bytes()))
    refused_or_read(lambda: checkpoint.load(folder))


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
    refused_or_read(lambda: Index.load(folder))
