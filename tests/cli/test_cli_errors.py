"""User errors: one sentence on stderr that names the cause, exit code 2, and nothing half-written."""

import json
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from tests.helpers import free_port

no_cuda = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device, so that cuda is no error")


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, hidden ones too, with its bytes; folders end in a slash."""
    return {
        str(p.relative_to(folder)) + ("/" if p.is_dir() else ""): b"" if p.is_dir() else p.read_bytes()
        for p in folder.rglob("*")
    }


@pytest.fixture
def place(folder, tiny_split, tiny_model, tiny_corpus):
    """A working folder with valid inputs and invalid ones."""
    shutil.copy(tiny_split, folder / "audios.bin")
    shutil.copytree(tiny_model, folder / "model")
    (folder / "query.flac").symlink_to(tiny_corpus / "arch" / "ada_0.flac")
    (folder / "corpus").symlink_to(tiny_corpus)
    (folder / "empty").mkdir()
    (folder / "text.onnx").write_text("not a graph")
    (folder / "text.flac").write_text("not audio")
    (folder / "broken.yaml").write_text("train: [1, 2")
    (folder / "list.yaml").write_text("- 1\n")
    (folder / "text.bin").write_text("not a pickle")
    (folder / "text.json").write_text("{")
    (folder / "other").mkdir()
    about = {"identity": "another", "model": "models:/wav2tok/7", "frame_seconds": 0.01, "num_tokens": 8, "parts": []}
    (folder / "other" / "index.json").write_text(json.dumps({"format": 2} | about))
    (folder / "class.bin").write_bytes(pickle.dumps([[Path("a.flac")], [Path("b.flac")]]))
    return folder


CASES = {
    "a ready-made model to drift from": (
        "drift corpus --model wav2tok:humming --out new",
        "--model: wav2tok:humming is ready-made, and has no profile",
    ),
    "a ready-made model to export": (
        "export --model wav2tok:speech --out new",
        "--model: wav2tok:speech is a graph already",
    ),
    "no ready-made model to export": ("export --model wav2tok:song --out new", "is not a ready-made model"),
    "no audios.bin to train on": ("train --data absent.bin --out new", "absent.bin does not exist"),
    "no audios.bin to cluster": ("cluster --data absent.bin --out new", "absent.bin does not exist"),
    "no audios.bin to evaluate on": ("evaluate --data absent.bin --model model --out new", "absent.bin does not exist"),
    "a pickle with a class": ("train --data class.bin --out new", "class.bin is refused (it names pathlib"),
    "no pickle": ("train --data text.bin --out new", "text.bin is not an audios.bin"),
    "a folder as audios.bin": ("train --data empty --out new", "empty is a folder, not a file"),
    "an unknown parameter": ("train --data audios.bin --out new --set train.epoch=3", "train.epoch is not a parameter"),
    "an ill-typed parameter": ("train --data audios.bin --out new --set train.epochs=many", "train.epochs is 'many'"),
    "an impossible parameter": ("train --data audios.bin --out new --set train.epochs=0", "train.epochs is 0"),
    "a section as a value": ("train --data audios.bin --out new --set train=3", "train is 3"),
    "no KEY=VALUE": ("split corpus --out new --set seed", "'seed' is not KEY=VALUE"),
    "an unknown recipe": ("cluster --data audios.bin --out new --set train.recipe=mine", "train.recipe is 'mine'"),
    "no parameters": ("train --data audios.bin --out new --params absent.yaml", "absent.yaml does not exist"),
    "broken parameters": ("split corpus --out new --params broken.yaml", "broken.yaml cannot be read as YAML"),
    "parameters in a list": ("split corpus --out new --params list.yaml", "list.yaml holds no mapping"),
    "a folder as parameters": ("split corpus --out new --params empty", "empty"),
    "no model": ("tokenize query.flac --model absent", "absent does not exist"),
    "a folder without a model": ("tokenize query.flac --model empty", "empty holds no tokenizer.onnx"),
    "a model that is text": ("tokenize query.flac --model text.onnx", "text.onnx cannot be loaded by ONNX Runtime"),
    "a model that is not registered": ("tokenize query.flac --model models:/none@champion", "models:/none@champion"),
    "an unregistered model to pull": ("pull models:/none@champion --out new", "models:/none@champion"),
    "a run that is not there": ("tokenize query.flac --model runs:/0123/tokenizer", "runs:/0123/tokenizer"),
    "a version that is not there": ("promote 7 --why so --set register.name=none", "none version 7 cannot be promoted"),
    "no version": ("promote last --why so --set register.name=none", "none version last cannot be promoted"),
    "no folder to split": ("split absent --out new", "absent is not a folder"),
    "nothing to split": ("split empty --out new", "empty holds no readable recordings"),
    "unknown test groups": ("split corpus --out new --test-groups ada,zoe", "--test-groups: 'zoe'"),
    "every group to test": (
        "split corpus --out new --test-groups ada,ben,cleo,dan,eva,finn,gus",
        "--test-groups: all groups are named",
    ),
    "an unknown kind": ("split corpus --out new --kind tuple", "split.kind is 'tuple'"),
    "a column without a manifest": ("split corpus --out new --group-by column", "--manifest: groups by column"),
    "a sample where something is": ("sample model", "model is not empty"),
    "a sample of nothing": ("sample new --melodies 0", "melodies is 0"),
    "nothing to index": ("index empty --model model --out new", "empty holds no recordings"),
    "no index": ("search query.flac --index absent --model model", "--index: absent does not exist"),
    "a folder without an index": ("search query.flac --index empty", "--index: empty has no index.json"),
    "a file as an index": ("search query.flac --index text.json --model model", "--index: text.json is a file"),
    "an index of another model": (
        "spot query.flac --index other --model model",
        "--model: other was made with another tokenizer, models:/wav2tok/7 (identity another)",
    ),
    "files for OpenSearch in a bucket": (
        "index export --format opensearch --out s3://bucket/folder",
        "--out: s3://bucket/folder is an address",
    ),
    "no file of keys": ("serve --model model --api-keys absent", "--api-keys: absent does not exist; name a file with"),
    "searches logged to a split": (
        "serve --model model --index empty --log-queries audios.bin",
        "--log-queries: audios.bin is there and is not a log",
    ),
    "searches logged to a device": (
        "serve --model model --index empty --log-queries /dev/full",
        "--log-queries: /dev/full is there and is not a log",
    ),
    "sounds of searches kept in a file": (
        "serve --model model --index empty --log-queries new --log-audio audios.bin",
        "--log-audio: audios.bin is not a folder",
    ),
    "a codebook in the folder of a training": (
        "cluster --data audios.bin --out model --set codebook.num_tokens=6",
        "--out: model holds a training",
    ),
    "an index in a folder of something else": ("index query.flac --model model --out corpus", "--out: corpus holds"),
    "nothing to add to": ("index add query.flac --index absent", "--index: absent does not exist"),
    "nothing to remove": ("index remove query.flac --index other", "query.flac is not in other"),
    "an index without a root": ("index add --root corpus --index other", "--root: other was made of several paths"),
    "an unknown device": ("tokenize query.flac --model model --device gpu", "--device: device is 'gpu'"),
    "an unknown device to train": (
        "train --data audios.bin --out new --no-track --device gpu",
        "--device: device is 'gpu'",
    ),
    "no model to export": ("export --model empty --out new", "empty is not a model folder"),
    "no report to export by": ("export --model model --report empty --out new", "empty has no seal.json"),
    "nothing exported": ("register --model empty --report empty --data audios.bin --out new", "export.json does not"),
    "no folder to validate": ("validate absent --out new", "absent is not a folder"),
    "a model folder that is a file": ("train --data audios.bin --out text.bin --no-track", "text.bin"),
    "an index that is a file": ("index query.flac --model model --out text.bin", "--out: text.bin is a file"),
    "a split that is a folder": ("split corpus --out empty", "empty"),
}


@pytest.mark.parametrize("case", CASES)
def test_the_sentence_names_what_is_wrong(case, place, cli):
    arguments, part = CASES[case]
    before = tree(place)
    assert part in cli(*arguments.split()).complaint
    assert tree(place) == before


def test_a_pickle_runs_nothing(folder, cli):
    class Trap:
        def __reduce__(self):
            return Path.mkdir, (Path("trapped"),)

    (folder / "trap.bin").write_bytes(pickle.dumps([["a.flac"], Trap()]))
    assert "trap.bin is refused" in cli("train", "--data", "trap.bin", "--out", "model").complaint
    assert list(tree(folder)) == ["trap.bin"]


@no_cuda
@pytest.mark.parametrize(
    "arguments",
    [
        "tokenize query.flac --model model",
        "index query.flac --model model --out new",
        "cluster --data audios.bin --out new",
        "train --data audios.bin --out new --no-track",
        "evaluate --data audios.bin --model model --out new --no-track",
    ],
)
def test_cuda_is_refused_where_there_is_none(arguments, place, cli):
    before = tree(place)
    assert "--device: device is 'cuda'" in cli(*arguments.split(), "--device", "cuda").complaint
    assert tree(place) == before


@no_cuda
def test_a_tracked_training_that_never_began_leaves_nothing(place, cli):
    before = tree(place)
    done = cli("train", "--data", "audios.bin", "--out", "new", "--device", "cuda")
    assert done.code == 2
    assert "--device: device is 'cuda'" in done.err
    assert set(tree(place)) == set(before)


def test_recordings_that_cannot_be_read_stop_a_training(place, cli):
    paths = {"arch": [str(place / "query.flac"), "text.flac"], "fall": ["missing.flac"]}
    (place / "bad.bin").write_bytes(pickle.dumps([paths, {"arch": ["corpus/arch/ben_0.flac"]}]))
    before = tree(place)
    complaint = cli("train", "--data", "bad.bin", "--out", "new", "--no-track").complaint
    assert "text.flac" in complaint or "missing.flac" in complaint
    assert tree(place) == before


def test_a_query_that_cannot_be_read(place, cli):
    assert cli("index", "corpus", "--model", "model", "--out", "index").code == 0
    for verb in ("search", "spot"):
        assert (
            "text.flac cannot be read as audio"
            in cli(verb, "text.flac", "--model", "model", "--index", "index").complaint
        )


def test_an_empty_recording_in_a_model_call_is_named(tiny_model):
    from wav2tok import Tokenizer
    from wav2tok.errors import UserError

    tokenizer = Tokenizer.from_pretrained(tiny_model, "cpu")
    for wave in (np.zeros(0), np.zeros((2, 100)), np.array([0.0, np.nan])):
        with pytest.raises(UserError, match="waveform 1"):
            tokenizer.encode([np.zeros(100), wave], 8000)


@pytest.mark.parametrize("arguments", [
    "tokenize query.flac --model models:/tiny@champion",
    "promote 1 --why so",
    "train --data audios.bin --out new --set train.epochs=1",
])  # fmt: skip
def test_a_server_that_does_not_answer(arguments, place, cli, monkeypatch):
    uri = f"http://127.0.0.1:{free_port()}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "2")
    before = tree(place)
    done = cli(*arguments.split())
    assert done.code == 2
    assert "127.0.0.1" in done.err
    assert set(tree(place)) == set(before)


def test_the_process_itself_ends_with_2_and_one_line(tmp_path):
    done = subprocess.run(
        [Path(sys.executable).parent / "wav2tok", "train", "--data", "absent.bin"],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "wav2tok: absent.bin does not exist; make it with: wav2tok split DIR --out absent.bin\n"
    assert not list(tmp_path.iterdir())


def test_an_existing_result_survives_an_error(place, cli):
    soundfile.write(place / "short.wav", np.zeros(10, dtype=np.float32), 8000)
    (place / "new").write_text("a result of old")
    cli("split", "absent", "--out", "new")
    cli("index", "empty", "--model", "model", "--out", "new")
    assert (place / "new").read_text() == "a result of old"
