"""``wav2tok evaluate`` from files to files: what the report contains, and that it evaluates what is served."""

import dataclasses
import json
import re
import shutil

import mlflow
import numpy as np
import pytest

from wav2tok.config.parameters import from_dict, to_dict
from wav2tok.corpus import audios_bin
from wav2tok.errors import UserError
from wav2tok.evaluation.held_out import held_out_digest, held_out_score, judge
from wav2tok.files import sha256
from wav2tok.report import seal
from wav2tok.report.folder import ReportFolder
from wav2tok.stages.evaluate import evaluate
from wav2tok.tokenizer.tokenizer import Tokenizer


@pytest.fixture(scope="module")
def quick(tiny_config):
    return from_dict(
        to_dict(tiny_config)
        | {
            "evaluate": {
                "tempos": [0.8],
                "semitones": [],
                "snr_db": [10],
                "bootstrap": 20,
                "baselines": ["untrained", "kmeans_logmel", "mfcc_dtw"],
            }
        }
    )


@pytest.fixture(scope="module")
def reported(tiny_split, tiny_model, quick, tmp_path_factory):
    """The report's folder and the verdict of an untracked evaluation."""
    out = tmp_path_factory.mktemp("evaluated") / "report"
    return out, evaluate(tiny_split, str(tiny_model), out, quick, "cpu", False)


def test_the_report_is_complete(reported):
    out, verdict = reported
    assert {p.name for p in out.iterdir()} == {
        "report.md", "report.html", "table.txt", "gate.json", "heldout.json", "retrieval.csv", "metrics.json",
        "curves.json", "significance.json", "headline.json", "seal.json", "plots",
    }  # fmt: skip
    gate = json.loads((out / "gate.json").read_text())
    assert (gate["approved"], gate["reasons"]) == (verdict.approved, list(verdict.reasons))
    assert [clause["name"] for clause in gate["clauses"]] == ["mrr", "map", "codebook_use"] + 8 * ["beat"]
    assert verdict.approved is all(clause["met"] for clause in gate["clauses"])
    held_out = json.loads((out / "heldout.json").read_text())
    assert held_out["approved"] is verdict.approved
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["gate"]["approved"] is verdict.approved
    values = [metrics[kind]["wav2tok"][name] for kind in ("V", "TS") for name in ("mrr", "map")]
    assert held_out["score"] == pytest.approx(np.mean(values), abs=1e-5)
    assert "wav2tok" in (out / "table.txt").read_text()


def test_the_report_is_sealed_with_its_model_and_data(reported, tiny_split, tiny_model):
    sealed = seal.verify(ReportFolder(reported[0]))
    assert sealed.model == Tokenizer(tiny_model / "tokenizer.onnx", "cpu").identity
    assert sealed.data == sha256(tiny_split)[:32]


def test_the_held_out_recordings_are_those_of_the_split(reported, tiny_split, quick):
    written = json.loads((reported[0] / "heldout.json").read_text())
    assert written["test_digest"] == held_out_digest(audios_bin.read(tiny_split).test, quick.evaluate)


def test_scores_with_and_without_the_own_recording_are_not_compared(tiny_split, quick):
    test, settings = audios_bin.read(tiny_split).test, dataclasses.replace(quick.evaluate, protocol="hums")
    alike = dataclasses.replace(test, groups=tuple(f"other {group}" for group in test.groups))
    assert held_out_digest(test, settings) == held_out_digest(alike, settings)  # groups decide nothing
    twice = test + test
    digests = {
        held_out_digest(dataclasses.replace(twice, groups=groups), settings)
        for groups in (twice.groups, tuple(map(str, range(len(twice)))))
    }
    assert len(digests) == 2


def test_the_score_does_not_depend_on_the_models_folder(reported, tiny_split, tiny_model, quick, tmp_path):
    """A champion from the registry comes without its untrained encoder, which is then built again, the same."""
    shutil.copy(tiny_model / "tokenizer.onnx", tmp_path / "model.onnx")
    tokenizer = Tokenizer(tmp_path / "model.onnx", "cpu")
    result = judge(tiny_split, tokenizer, tmp_path / "model.onnx", quick).retrieval
    metrics = json.loads((reported[0] / "metrics.json").read_text())
    assert held_out_score(result) == json.loads((reported[0] / "heldout.json").read_text())["score"]
    for system in ("wav2tok", "untrained", "kmeans_logmel"):
        assert result.scores[system]["V"]["mrr"].value == pytest.approx(metrics["V"][system]["mrr"], abs=1e-6)


def test_a_gate_that_could_not_judge_is_refused_before_the_work(tiny_split, tiny_model, quick, tmp_path, lines):
    config = dataclasses.replace(quick, evaluate=dataclasses.replace(quick.evaluate, baselines=("mfcc_dtw",)))
    with pytest.raises(UserError, match=r"'untrained', which evaluate.baselines \(mfcc_dtw\) switches off"):
        evaluate(tiny_split, str(tiny_model), tmp_path / "report", config, "cpu", False)
    assert lines == []
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def store(tmp_path, monkeypatch):
    """The address of an MLflow store for one test."""
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    yield uri
    mlflow.set_tracking_uri(None)


def test_the_report_reaches_the_run(tiny_split, tiny_model, quick, tmp_path, store):
    """Evaluated with tracking: the headline figures, the report with its pictures, the curves as a table."""
    evaluate(tiny_split, str(tiny_model), tmp_path / "report", quick, "cpu", True)
    client = mlflow.MlflowClient(store)
    (experiment,) = [e for e in client.search_experiments() if e.name == quick.register.experiment]
    (run,) = client.search_runs([experiment.experiment_id])
    logged = {f.path for folder in ("report", "report/plots") for f in client.list_artifacts(run.info.run_id, folder)}
    assert {"report/report.html", "report/robustness.csv", "report/plots/robustness.png"} <= logged
    page = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    origin = dict(re.findall(r"<dt>([a-zA-Z ]+)</dt><dd>(.*?)</dd>", page))
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", origin["date"])
    assert origin["seed"] == str(quick.seed)
    assert origin["model"].endswith(f"({Tokenizer.from_pretrained(tiny_model, 'cpu').identity[:10]})")
    assert str(tmp_path) not in page


def test_an_error_writes_nothing(tiny_split, tiny_model, quick, tmp_path):
    for data, model in ((tmp_path / "absent.bin", tiny_model), (tiny_split, tmp_path / "absent")):
        with pytest.raises(UserError, match="absent"):
            evaluate(data, str(model), tmp_path / "report", quick, "cpu", False)
    assert list(tmp_path.iterdir()) == []
