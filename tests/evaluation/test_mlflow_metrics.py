"""`mlflow.models.evaluate` gives the report's MRR and MAP of unchanged queries, by the documented snippet."""

import base64
import dataclasses
import io
import re
from pathlib import Path

import mlflow
import numpy as np
import pytest
import soundfile

from wav2tok.corpus import audios_bin
from wav2tok.errors import UserError
from wav2tok.evaluation import mlflow_metrics
from wav2tok.evaluation.held_out import judge
from wav2tok.tokenizer.tokenizer import Tokenizer

PAGE = Path(__file__).resolve().parents[2] / "docs" / "pages" / "howto" / "models.md"
QUICK = {"baselines": (), "tempos": (), "semitones": (), "bootstrap": 2, "curve_queries": 0}


class Served(mlflow.pyfunc.PythonModel):
    """A model that takes files as base64, as a registered version does."""

    def load_context(self, context):
        self.tokenizer = Tokenizer.from_pretrained(context.artifacts["graph"], "cpu")

    def predict(self, context, model_input, params=None):
        import pandas as pd

        rows = []
        for text in model_input["audio"]:
            wave, rate = soundfile.read(io.BytesIO(base64.b64decode(text)), dtype="float32")
            (tokens,) = self.tokenizer.encode([wave], rate)
            rows.append((" ".join(map(str, tokens)), len(wave) / rate))
        return pd.DataFrame(rows, columns=["tokens", "duration_s"])


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    mlflow.create_experiment("metrics", f"{tmp_path}/mlruns")
    mlflow.set_experiment("metrics")
    yield
    mlflow.set_tracking_uri(None)


def reported(split, model, config, **changes):
    """MRR and MAP of the report."""
    config = dataclasses.replace(config, evaluate=dataclasses.replace(config.evaluate, **QUICK | changes))
    graph = model / "tokenizer.onnx"
    scores = judge(split, Tokenizer(graph, "cpu"), graph, config).retrieval.scores["wav2tok"]["V"]
    return scores["mrr"].value, scores["map"].value


def documented(split):
    """The code of the documentation, with the names of this test."""
    (code,) = re.findall(r"```python\n(import mlflow\n.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    for name, here in {"models:/wav2tok@champion": "models:/tiny/1", "artifacts/audios.bin": str(split)}.items():
        assert name in code
        code = code.replace(name, here)
    return code


@pytest.mark.slow
def test_the_documented_code_gives_a_registered_version_the_figures_of_the_report(
    store, tiny_model, tiny_split, tiny_config
):
    with mlflow.start_run():
        mlflow.pyfunc.log_model(
            name="tokenizer",
            python_model=Served(),
            artifacts={"graph": str(tiny_model / "tokenizer.onnx")},
            registered_model_name="tiny",
            pip_requirements=[],
        )
    names = {}
    exec(compile(documented(tiny_split), str(PAGE), "exec"), names)
    measured = names["measured"]
    expected = reported(tiny_split, tiny_model, tiny_config)
    assert (measured.metrics["mrr"], measured.metrics["map"]) == pytest.approx(expected, abs=1e-9)
    assert mlflow.get_run(measured.run_id).data.metrics["map"] == pytest.approx(expected[1], abs=1e-9)
    assert 0 < expected[1] < 1


@pytest.mark.parametrize("how", ["words", "hums"])
def test_a_function_is_measured_too(store, how, tiny_model, tiny_split, tiny_config):
    tokenizer = Tokenizer.from_pretrained(tiny_model, "cpu")
    with mlflow.start_run():
        measured = mlflow.models.evaluate(
            lambda rows: [list(tokens) for tokens in tokenizer.encode_files(list(rows["path"]))],
            mlflow_metrics.table(tiny_split, audio=False),
            targets="class",
            extra_metrics=mlflow_metrics.metrics(how),
        )
    expected = reported(tiny_split, tiny_model, tiny_config, protocol=how)
    assert (measured.metrics["mrr"], measured.metrics["map"]) == pytest.approx(expected, abs=1e-9)


def test_own_takes_are_left_out_as_in_the_report():
    """Two takes of a singer are equal; only takes by others count where a class has several singers."""
    classes, groups = ["x", "x", "x", "y"], ["ada", "ada", "ben", "ben"]
    strings = ["1 2 3", [1, 2, 3], np.array([1, 2, 4]), "7"]
    paths = [f"{i}.wav" for i in range(4)]
    mrr, mean = mlflow_metrics.mrr_map(strings, classes, paths, groups, [""] * 4)
    # ada's takes: ben's x is nearer than his y. ben's x: both of ada's, first and second. y has no right answer.
    assert (mrr, mean) == (1.0, 1.0)
    assert mlflow_metrics.mrr_map(["1", "1", "2 2 2 2", "1"], classes, paths, groups, [""] * 4)[0] == pytest.approx(
        2 / 3
    )


def test_an_empty_string_finds_nothing():
    mrr, mean = mlflow_metrics.mrr_map(["", ""], ["x", "x"], ["a", "b"], ["ada", "ben"], ["", ""])
    assert (mrr, mean) == (0.0, 0.0)


def test_recordings_without_classes_are_refused(tmp_path, tiny_split):
    parts = audios_bin.read(tiny_split)
    bare = dataclasses.replace(
        parts, **{name: dataclasses.replace(getattr(parts, name), classes=None) for name in ("train", "test", "valid")}
    )
    audios_bin.write(tmp_path / "audios.bin", bare)
    with pytest.raises(UserError, match="has no classes"):
        mlflow_metrics.table(tmp_path / "audios.bin")
