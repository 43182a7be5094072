"""Models and indexes of strangers are refused in one sentence; standard error of ``tokenize`` holds JSON alone."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import soundfile

from wav2tok.errors import UserError
from wav2tok.model import checkpoint
from wav2tok.search.index import Index
from wav2tok.tokenizer.format import METADATA_KEY
from wav2tok.tokenizer.tokenizer import Tokenizer
from wav2tok.training.progress import Progress


@pytest.fixture
def graph(tiny_model: Path) -> onnx.ModelProto:
    return onnx.load(tiny_model / "tokenizer.onnx")


def _refused(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        Tokenizer.from_pretrained(str(path), "cpu").encode([np.zeros(8000, np.float32)], 8000)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


ODD: dict[str, list[Any]] = {
    "sample_rate": [-1, 0, 1, 2**31, 16000.5, "16000", None, [16000], True],
    "hop": [0, -1, 10**400, "a"],
    "stack": [0, 1000],
    "tile": [0, "x"],
    "num_tokens": [0, 9, 2**31],
    "width": [-5],
    "reach": [-1],
    "score": ["good", [1]],
    "config": [None, [], {}, {"features": 3}, {"features": {"n_fft": "x"}}],
    "codebook": [None, {}, {"shape": [8], "float32": ""}, {"shape": [10**9, 10**9], "float32": "AAAA"}, {"shape": 3}],
    "pretrained": [[1]],
}


@pytest.mark.promise("A graph with metadata that no tokenizer has", "It is refused in a sentence.")
@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in ODD.items() for value in values])
def test_metadata_that_no_tokenizer_has(graph: onnx.ModelProto, tmp_path: Path, key: str, value: Any) -> None:
    (entry,) = [one for one in graph.metadata_props if one.key == METADATA_KEY]
    entry.value = json.dumps(json.loads(entry.value) | {key: value})
    onnx.save(graph, tmp_path / "odd.onnx")
    assert "odd.onnx" in _refused(tmp_path / "odd.onnx")


@pytest.mark.parametrize("text", ["", "[]", "[" * 20_000, "NaN", "{}", '{"hop": 1e999}', "7"])
def test_metadata_that_is_none(graph: onnx.ModelProto, tmp_path: Path, text: str) -> None:
    (entry,) = [one for one in graph.metadata_props if one.key == METADATA_KEY]
    entry.value = text
    onnx.save(graph, tmp_path / "odd.onnx")
    assert "odd.onnx" in _refused(tmp_path / "odd.onnx")


@pytest.mark.promise("A model file that is not a graph", "It is refused in a sentence.")
def test_files_that_are_no_graph(graph: onnx.ModelProto, tiny_model: Path, tmp_path: Path) -> None:
    whole = (tiny_model / "tokenizer.onnx").read_bytes()
    bad = {"empty": b"", "text": b"hello", "cut": whole[: len(whole) // 2], "zeros": bytes(5000)}
    for name, content in bad.items():
        (tmp_path / f"{name}.onnx").write_bytes(content)
        assert f"{name}.onnx" in _refused(tmp_path / f"{name}.onnx")
    os.mkfifo(tmp_path / "pipe.onnx")
    _refused(tmp_path / "pipe.onnx")
    graph.graph.output[0].name = "other"
    onnx.save(graph, tmp_path / "other.onnx")
    _refused(tmp_path / "other.onnx")


@pytest.mark.promise("A graph that names other files", "They are not read; the graph is refused.")
def test_weights_in_other_files_are_not_read(graph: onnx.ModelProto, tmp_path: Path) -> None:
    onnx.save(graph, tmp_path / "split.onnx", save_as_external_data=True, location="weights", size_threshold=0)
    assert "keeps its weights in other files" in _refused(tmp_path / "split.onnx")
    (tmp_path / "weights").unlink()
    assert "keeps its weights in other files" in _refused(tmp_path / "split.onnx")


@pytest.mark.parametrize(
    "values",
    [{"epoch": -1}, {"epoch": [1]}, {"step": 1.5}, {"best": float("nan")}, {"best": "x"}, {"history": 3},
     {"finished": "perhaps"}, {"history": [[1]]}],
)  # fmt: skip
def test_progress_that_no_training_has(values: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=next(iter(values))):
        Progress.last_reported(values)


def test_progress_is_read_as_it_was_written() -> None:
    history = [{"epoch": 1, "loss": 0.5}]
    read = Progress.last_reported({"epoch": 1, "step": 8, "best": 0.5, "history": history, "fingerprint": "x"})
    assert (read.epoch, read.step, read.best) == (1, 8, 0.5)
    assert json.dumps(read.history) == json.dumps(history)


@pytest.mark.promise("A checkpoint that is empty, cut off or of other bytes", "It is refused in a sentence.")
def test_checkpoints_that_are_none(tiny_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_model, folder)
    best = folder / "wav2tok_best.safetensors"
    whole = best.read_bytes()
    for content in (b"", b"\xff" * 100, whole[:200], whole[:8] + b"[" * (len(whole) - 8)):
        best.write_bytes(content)
        with pytest.raises(UserError, match=r"wav2tok_best\.safetensors is not a checkpoint"):
            checkpoint.load(folder)


def test_damaged_indexes_are_refused(tiny_model: Path, tiny_corpus: Path, tmp_path: Path) -> None:
    """Any byte of the header of a segment may be another: it is refused, or what it says is within the file."""
    tokenizer = Tokenizer.from_pretrained(str(tiny_model), "cpu")
    files = sorted(tiny_corpus.rglob("*.flac"))
    Index.build(files, tokenizer).save(tmp_path / "index")
    (segment,) = (tmp_path / "index").glob("*.segment")
    whole = segment.read_bytes()
    for place in range(0, min(len(whole), 1200), 7):
        segment.write_bytes(whole[:place] + bytes([whole[place] ^ 0x15]) + whole[place + 1 :])
        try:
            Index.load(tmp_path / "index").stats()
        except UserError as error:
            assert "damaged" in str(error)  # noqa: PT017 - or it is read
    segment.write_bytes(b"")
    with pytest.raises(UserError, match="is damaged"):
        Index.load(tmp_path / "index")
    segment.write_bytes(whole)
    manifest = tmp_path / "index" / "index.json"
    values = json.loads(manifest.read_text())
    for change in ({"num_tokens": -1}, {"frame_seconds": 0}, {"parts": 3}, {"root": 5}, {"generation": []} | {"x": 1}):
        manifest.write_text(json.dumps(values | change))
        with pytest.raises(UserError, match="is damaged"):
            Index.load(tmp_path / "index")
    elsewhere = [part | {"file": "../../elsewhere"} for part in values["parts"]]
    manifest.write_text(json.dumps(values | {"parts": elsewhere}))
    with pytest.raises(UserError, match="is damaged"):
        Index.load(tmp_path / "index")


@pytest.mark.promise(
    "Decoders and libraries that write to standard error", "Standard error of tokenize is JSON lines and nothing else."
)
@pytest.mark.skipif("MP3" not in soundfile.available_formats(), reason="this libsndfile has no MP3")
def test_standard_error_is_json_and_nothing_else(tiny_model: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    soundfile.write(tmp_path / "a.mp3", 0.1 * rng.standard_normal(16_000), 16_000)
    whole = bytearray((tmp_path / "a.mp3").read_bytes())
    for place in range(400, len(whole), 97):
        whole[place] ^= 0xFF
    (tmp_path / "damaged.mp3").write_bytes(whole)
    (tmp_path / "cut.mp3").write_bytes(whole[:700])
    (tmp_path / "junk.mp3").write_bytes(rng.bytes(5000))
    command = [sys.executable, "-m", "wav2tok", "tokenize", str(tmp_path), "--model", str(tiny_model)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    failures = [json.loads(line) for line in done.stderr.splitlines()]
    assert failures
    assert all(failure.keys() == {"path", "error"} for failure in failures)
