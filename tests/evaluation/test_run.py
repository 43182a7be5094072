"""``wav2tok evaluate`` from files to files: what lies in the report, and that it judges what is served."""

import json
import shutil

import numpy as np
import pytest

from wav2tok import lineage
from wav2tok.config import from_dict, to_dict
from wav2tok.corpus import splits
from wav2tok.errors import UserError
from wav2tok.evaluation.run import evaluate, held_out_score, judge
from wav2tok.tokenizer import Tokenizer


@pytest.fixture(scope="module")
def quick(tiny_config):
    return from_dict(to_dict(tiny_config) | {"evaluate": {"tempos": [0.8], "semitones": [], "bootstrap": 20}})


@pytest.fixture(scope="module")
def reported(tiny_split, tiny_model, quick, tmp_path_factory):
    """The report's folder and the verdict, of an untracked evaluation."""
    out = tmp_path_factory.mktemp("evaluated") / "report"
    return out, evaluate(tiny_split, str(tiny_model), out, quick, "cpu", False, lambda line: None)


def test_the_report_is_whole(reported):
    out, verdict = reported
    assert {p.name for p in out.iterdir()} == {
        "report.md", "table.txt", "gate.json", "heldout.json", "retrieval.csv", "metrics.json", "plots",
    }  # fmt: skip
    gate = json.loads((out / "gate.json").read_text())
    assert gate == {"approved": verdict.approved, "reasons": list(verdict.reasons)}
    held_out = json.loads((out / "heldout.json").read_text())
    assert held_out["approved"] is verdict.approved
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["gate"]["approved"] is verdict.approved
    told = [metrics[kind]["wav2tok"][name] for kind in ("V", "TS") for name in ("mrr", "map")]
    assert held_out["score"] == pytest.approx(np.mean(told), abs=1e-5)
    assert "wav2tok" in (out / "table.txt").read_text()


def test_the_held_out_recordings_are_those_of_the_split(reported, tiny_split, quick):
    held_out = json.loads((reported[0] / "heldout.json").read_text())
    assert held_out["test_digest"] == lineage.held_out_digest(splits.read(tiny_split).test, quick.evaluate)


def test_the_score_does_not_depend_on_where_the_model_lies(reported, tiny_split, tiny_model, quick, tmp_path):
    """A champion from the registry has its graph alone; its untrained baseline is then made again, the same."""
    shutil.copy(tiny_model / "tokenizer.onnx", tmp_path / "model.onnx")
    tokenizer = Tokenizer(tmp_path / "model.onnx", "cpu")
    result = judge(tiny_split, tokenizer, tmp_path / "model.onnx", quick, lambda line: None)
    metrics = json.loads((reported[0] / "metrics.json").read_text())
    assert held_out_score(result) == json.loads((reported[0] / "heldout.json").read_text())["score"]
    for system in ("wav2tok", "untrained", "kmeans_logmel"):
        assert result.scores[system]["V"]["mrr"].value == pytest.approx(metrics["V"][system]["mrr"], abs=1e-6)


def test_an_error_writes_nothing(tiny_split, tiny_model, quick, tmp_path):
    for data, model in ((tmp_path / "absent.bin", tiny_model), (tiny_split, tmp_path / "absent")):
        with pytest.raises(UserError, match="absent"):
            evaluate(data, str(model), tmp_path / "report", quick, "cpu", False, lambda line: None)
    assert list(tmp_path.iterdir()) == []
