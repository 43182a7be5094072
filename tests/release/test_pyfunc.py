"""The python_function of a registered version: audio in, the strings of ``wav2tok tokenize`` out."""

import base64
import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import mlflow
import numpy as np
import pandas
import pytest
import soundfile
from mlflow.exceptions import MlflowException

from tests import registrations
from tests.helpers import free_port
from tests.service.servers import until
from wav2tok.audio import decode
from wav2tok.release import pyfunc, versions
from wav2tok.stages.export import export
from wav2tok.tokenizer.tokenizer import Tokenizer

BARE = """
import importlib.util, os, sys

# The checkout and the editable install are taken away: wav2tok is not installed here.
sys.path[:] = [folder for folder in sys.path if not os.path.isdir(os.path.join(folder, "wav2tok"))]
sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in repr(finder)]
assert importlib.util.find_spec("wav2tok") is None
import mlflow, pandas
model = mlflow.pyfunc.load_model(sys.argv[1])
audio = open(sys.argv[2], "rb").read()
print(model.predict(pandas.DataFrame({"audio": [audio]}))["tokens"][0])
import wav2tok
assert "/code/copy/" in wav2tok.__file__, wav2tok.__file__
assert "torch" not in sys.modules
"""


@pytest.fixture(scope="module")
def registered(tmp_path_factory, tiny_model):
    """The folder of a store with the tiny model as ``models:/audio@champion``, and the exported folder."""
    root = tmp_path_factory.mktemp("pyfunc")
    export(tiny_model, None, root / "export")
    uri = f"sqlite:///{root}/mlflow.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setenv("MLFLOW_TRACKING_URI", uri)
        mlflow.set_tracking_uri(uri)
        mlflow.set_experiment("pyfunc")
        registrations.register(root / "export", "audio", classes=["fall"])
        yield root
        mlflow.set_tracking_uri(None)


@pytest.fixture(scope="module")
def model(registered):
    return mlflow.pyfunc.load_model("models:/audio@champion")


@pytest.fixture(scope="module")
def expected(registered, tiny_corpus):
    """A recording, and its string by the tokenizer itself."""
    path = tiny_corpus / "fall" / "eva_0.flac"
    tokens = Tokenizer(registered / "export", "cpu").encode_file(path)
    assert len(tokens) > 2
    return path, " ".join(map(str, tokens))


def test_bytes_and_base64_of_files_give_the_tokenizers_strings(model, registered, tiny_corpus):
    paths = sorted(tiny_corpus.rglob("*.flac"))[::4]
    strings = Tokenizer(registered / "export", "cpu").encode_files(paths)
    files = [path.read_bytes() for path in paths]
    for audio in (files, [base64.b64encode(file).decode() for file in files]):
        got = model.predict(pandas.DataFrame({"audio": audio}))
        assert list(got.columns) == ["tokens", "token_ids", "duration_s"]
        assert [list(ids) for ids in got["token_ids"]] == [string.tolist() for string in strings]
        assert list(got["tokens"]) == [" ".join(map(str, string)) for string in strings]
        assert got["duration_s"].tolist() == [round(soundfile.info(path).duration, 4) for path in paths]


def test_raw_samples_of_any_rate_are_read_as_the_file_of_them_is(model, registered, tmp_path):
    tokenizer = Tokenizer(registered / "export", "cpu")
    time = np.arange(22050) / 22050
    wave = 0.3 * np.sin(2 * np.pi * 300 * time * (1 + time))
    rows, strings = [], []
    for rate, encoding, kind, subtype in ((44100, None, "<i2", "PCM_16"), (22050, "f32le", "<f4", "FLOAT")):
        soundfile.write(tmp_path / "x.wav", wave, rate, subtype=subtype)
        raw, _ = soundfile.read(tmp_path / "x.wav", dtype="int16" if kind == "<i2" else "float32")
        rows.append({"audio": raw.astype(kind).tobytes(), "sample_rate": float(rate), "encoding": encoding})
        strings.append(tokenizer.encode_file(tmp_path / "x.wav").tolist())
    rows.append({"audio": (tmp_path / "x.wav").read_bytes(), "sample_rate": None, "encoding": None})
    strings.append(strings[1])
    got = model.predict(pandas.DataFrame(rows))
    assert [list(ids) for ids in got["token_ids"]] == strings
    assert got["duration_s"].tolist() == [0.5, 1.0, 1.0]
    assert len(strings[0]) > 1


def test_a_recording_of_more_than_a_minute(model, registered, tmp_path, rng):
    time = np.arange(80 * 8000) / 8000
    wave = 0.3 * np.sin(2 * np.pi * (300 + 100 * np.sin(time)) * time) + 0.01 * rng.standard_normal(len(time))
    decode.write(tmp_path / "long.wav", wave, 8000)
    got = model.predict(pandas.DataFrame({"audio": [(tmp_path / "long.wav").read_bytes()]}))
    assert (
        list(got["token_ids"][0]) == Tokenizer(registered / "export", "cpu").encode_file(tmp_path / "long.wav").tolist()
    )
    assert got["duration_s"][0] == 80


@pytest.mark.parametrize(("row", "sentence"), [
    ({"audio": b"no audio"}, r"row 1 cannot be read as audio \(Format not recognised\)"),
    ({"audio": "no base64!"}, "audio of row 1 is text, but not base64"),
    ({"audio": b"abc", "sample_rate": 8000.0}, "row 1 has 3 bytes, which is not a whole number of s16le samples"),
    ({"audio": b"ab", "sample_rate": -1.0}, "sample_rate of row 1 is -1; it must be a positive integer"),
    ({"audio": b"ab", "sample_rate": 8000.0, "encoding": "mp3"}, "encoding of row 1 is 'mp3'; it must be s16le"),
])  # fmt: skip
def test_a_bad_row_is_named(model, expected, row, sentence):
    path, _ = expected
    with pytest.raises(MlflowException, match=sentence):
        model.predict(pandas.DataFrame([{"audio": path.read_bytes()}, row]))


def test_what_the_version_says_of_itself(registered):
    info = mlflow.models.get_model_info("models:/audio@champion")
    inputs = {spec.name: (str(spec.type), spec.required) for spec in info.signature.inputs.inputs}
    assert inputs == {
        "audio": ("DataType.binary", True),
        "sample_rate": ("DataType.double", False),
        "encoding": ("DataType.string", False),
    }
    assert [spec.name for spec in info.signature.outputs.inputs] == ["tokens", "token_ids", "duration_s"]
    assert set(info.flavors) == {"onnx", "python_function"}
    assert info.metadata == {versions.CLASSES: ["fall"]}
    folder = Path(mlflow.artifacts.download_artifacts("models:/audio@champion"))
    copied = list((folder / "code").rglob("*.*"))
    assert sum(file.stat().st_size for file in copied) < 350_000
    assert {file.suffix for file in copied} == {".py"}
    requirements = (folder / "requirements.txt").read_text().split()
    assert set(pyfunc.REQUIREMENTS) < set(requirements)
    example = json.loads((folder / info.saved_input_example_info["artifact_path"]).read_text())
    assert example["columns"] == ["audio"]


def test_it_loads_where_wav2tok_and_torch_are_not_installed(registered, expected, tmp_path):
    path, string = expected
    folder = mlflow.artifacts.download_artifacts("models:/audio@champion", dst_path=str(tmp_path))
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run([sys.executable, "-c", BARE, folder, str(path)], cwd=tmp_path, env=environment,
                          capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip() == string


@pytest.mark.slow
@pytest.mark.services
def test_mlflow_models_serve_takes_base64(registered, expected):
    path, string = expected
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", "models:/audio@champion", "-p", str(port)]
    # MLflow starts uvicorn by its name.
    programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    server = subprocess.Popen(
        [*command, "--env-manager", "local"],
        env=os.environ | {"PATH": programs},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    url = f"http://127.0.0.1:{port}"

    def ask(body):
        request = urllib.request.Request(
            f"{url}/invocations", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)["predictions"]

    try:
        until(f"{url}/ping", server)
        row = {"audio": base64.b64encode(path.read_bytes()).decode()}
        (got,) = ask({"dataframe_records": [row]})
        assert got["tokens"] == string
        assert got["duration_s"] == round(soundfile.info(path).duration, 4)
        samples, rate = soundfile.read(path, dtype="int16")
        raw = {"audio": base64.b64encode(samples.tobytes()).decode(), "sample_rate": rate}
        assert [row["tokens"] for row in ask({"dataframe_records": [row, raw]})] == [string, string]
    finally:
        server.terminate()
        server.communicate()
