"""A passport holds what is known, its tags are the main fields, and its digests are those of the files beside it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from wav2tok.config.parameters import to_dict
from wav2tok.config.schema import Config
from wav2tok.errors import UserError
from wav2tok.files import read_json, sha256
from wav2tok.model.features.speech import ORIGIN
from wav2tok.release import passport
from wav2tok.stages.export import export

INFO = {"best_epoch": 3, "best": 0.5}


def row(view: str, metric: str, system: str = "wav2tok") -> dict[str, object]:
    return {"system": system, "view": view, "metric": metric, "value": 0.5, "low": 0.25, "high": 0.75, "queries": 8}


def test_tags_are_the_main_fields() -> None:
    lineage = {
        "date": "2026-01-02T03:04:05+00:00",
        "tags": {"git.commit": "c0ffee", "git.dirty": "false", "data.split": "5eed", "dvc.stage": "train"},
        "machine": {"processor": "a processor", "gpu": "a GPU"},
    }
    scores = [row("TS", "mrr"), row("TS", "map"), row("TS", "p_at_1"), row("PS", "mrr"), row("TS", "mrr", "mfcc_dtw")]
    evaluation = {"approved": True, "reasons": [], "score": 0.5, "test_digest": "7e57", "scores": scores}
    about = passport.make(lineage, to_dict(Config(seed=7)), INFO, evaluation, ORIGIN.to_dict(), None, "10c4")
    assert passport.tags(about) == {
        "git.commit": "c0ffee",
        "git.dirty": "false",
        "data.split": "5eed",
        "trained": "2026-01-02T03:04:05+00:00",
        "seed": "7",
        "machine": "a GPU",
        "test": "MRR 0.500 [0.250, 0.750], MAP 0.500 [0.250, 0.750]",
        "pretrained": f"{ORIGIN.name}, {ORIGIN.licence}",
    }


def test_what_is_not_known_is_no_tag() -> None:
    about = passport.make({}, to_dict(Config()), INFO, None, None, None, None)
    assert passport.tags(about) == {"seed": "0"}


@pytest.mark.promise("A passport whose fields are of another kind", "It is refused by the name of the field.")
@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"files": {"tokenizer.onnx": 7}}, "files"),
        ({"lineage": {"tags": ["git.commit"]}}, "lineage.tags"),
        ({"lineage": {"tags": {"git.commit": 7}}}, "lineage.tags"),
        ({"lineage": {"changed": "a.py"}}, "lineage.changed"),
        ({"lineage": {"machine": None}}, "lineage.machine"),
        ({"evaluation": {"scores": 3}}, "evaluation.scores"),
        ({"evaluation": {"scores": [{"system": "wav2tok", "metric": "mrr"}]}}, "evaluation.scores"),
        ({"pretrained": {"name": 3}}, "pretrained"),
    ],
)
def test_fields_of_another_kind_are_refused_by_name(tmp_path: Path, values: dict[str, Any], field: str) -> None:
    about = passport.make({}, to_dict(Config()), INFO, None, None, None, None) | {"files": {"tokenizer.onnx": "c0ffee"}}
    (tmp_path / "passport.json").write_text(json.dumps(about))
    assert passport.read(tmp_path / "passport.json", "tiny") == about
    (tmp_path / "passport.json").write_text(json.dumps(about | values))
    with pytest.raises(
        UserError, match=f"not a passport of wav2tok: {re.escape(field)} is missing or of the wrong kind"
    ):
        passport.read(tmp_path / "passport.json", "tiny")


@pytest.mark.parametrize("text", ["[" * 20_000, "1" * 5000, "\ufeff{", '{"format": 1e999}'])
def test_a_passport_that_is_no_json(tmp_path: Path, text: str) -> None:
    (tmp_path / "passport.json").write_text(text)
    with pytest.raises(UserError, match=r"the passport\.json of tiny is not"):
        passport.read(tmp_path / "passport.json", "tiny")


def test_an_exported_model_has_a_passport(tiny_model: Path, tiny_split: Path, tmp_path: Path) -> None:
    export(tiny_model, None, tmp_path / "export")
    about = passport.read(tmp_path / "export" / "passport.json", "tiny")
    folder = tmp_path / "export"
    assert about["files"] == {name: sha256(folder / name) for name in ("card.md", "tokenizer.onnx")}
    assert about["parameters"] == read_json(tiny_model / "config.json")
    lineage = about["lineage"]
    assert lineage["tags"]["data.split"] == sha256(tiny_split)[:32]
    assert lineage["machine"]["torch"]
    assert lineage["recordings"] == {"training": 12, "validation": 8, "test": 8, "classes": 4}
    assert json.loads((tiny_model / "lineage.json").read_text()) == lineage
