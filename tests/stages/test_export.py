"""``wav2tok export``: what an approved, a refused and an unasked model leave behind."""

import json
import os
import shutil

import pytest

from tests.stages.conftest import REASONS, report
from wav2tok.errors import UserError
from wav2tok.files import sha256
from wav2tok.release.pull import pull
from wav2tok.stages.export import NO_REPORT, export
from wav2tok.tokenizer.tokenizer import Tokenizer
from wav2tok.tracking import runs


@pytest.fixture
def place(tmp_path, tiny_model, monkeypatch):
    """A working folder with the trained model."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny_model, tmp_path / "model")
    return tmp_path


def names(folder):
    return sorted(p.name for p in folder.iterdir())


def written(place):
    return json.loads((place / "export" / "export.json").read_text())


def test_an_approved_model_is_exported_byte_for_byte_with_its_parity(place, tiny_split, lines):
    runs.write_run(place / "model", "some run")
    judged = report(place / "report", place / "model", tiny_split)
    export(place / "model", judged, place / "export", data=tiny_split)
    assert names(place / "export") == [
        "card.md",
        "export.json",
        "heard.json",
        "passport.json",
        "profile.json",
        "run.json",
        "tokenizer.onnx",
    ]
    found = written(place)
    assert found["approved"] is True
    assert found["report"] == sha256(judged / "seal.json")
    assert found["parity"]["differing"] <= 0.001 * found["parity"]["frames"]
    graph = place / "export" / "tokenizer.onnx"
    assert sha256(graph) == sha256(place / "model" / "tokenizer.onnx")
    assert found["model"] == Tokenizer(graph, "cpu").identity
    card = (place / "export" / "card.md").read_text()
    assert card.startswith("# wav2tok\n")
    assert "8000 Hz" in card
    assert "| wav2tok, edit distance | 0.500 [0.40, 0.60] | 0.300 [0.20, 0.40] |" in card
    assert "MFCC, DTW does better in V MAP." in card
    assert runs.run_of(place / "export") == "some run"
    assert len(lines) == 1
    assert "frames have the token that torch gives" in lines[0]


def test_a_refused_model_is_not_exported_and_an_older_export_goes(place, tiny_split, lines):
    export(place / "model", report(place / "report", place / "model", tiny_split), place / "export")
    lines.clear()
    refused = report(place / "report", place / "model", tiny_split, approved=False)
    export(place / "model", refused, place / "export")
    assert names(place / "export") == ["export.json"]
    assert written(place) == {"approved": False, "reasons": REASONS, "report": sha256(refused / "seal.json")}
    assert "not approved" in lines[0]
    assert REASONS[0] in lines[0]
    assert names(place) == ["export", "model", "report"]
    export(place / "model", refused, place / "export", unapproved="to listen to it")
    assert "tokenizer.onnx" in names(place / "export")
    assert (written(place)["approved"], written(place)["unapproved"]) == (False, "to listen to it")


def test_a_model_without_a_report_is_exported_and_not_approved(place, lines):
    export(place / "model", None, place / "export")
    assert names(place / "export") == ["card.md", "export.json", "heard.json", "passport.json", "tokenizer.onnx"]
    assert (written(place)["approved"], written(place)["reasons"]) == (False, [NO_REPORT])
    assert lines[-1] == f"not approved: {NO_REPORT}"


def test_a_graph_that_is_not_of_the_weights_is_not_exported(place, contest):
    shutil.copy(contest.models["good"] / "tokenizer.onnx", place / "model" / "tokenizer.onnx")
    with pytest.raises(UserError, match=r"tokenizer\.onnx.*differ between torch and ONNX Runtime; not exported"):
        export(place / "model", None, place / "export")
    assert names(place) == ["model"]


def test_a_training_without_a_graph_is_exported_from_its_weights(place):
    (place / "model" / "tokenizer.onnx").unlink()
    export(place / "model", None, place / "export")
    assert Tokenizer(place / "export" / "tokenizer.onnx", "cpu").num_tokens == 8


def test_an_error_leaves_the_older_export(place):
    export(place / "model", None, place / "export")
    before = names(place / "export")
    (place / "model" / "wav2tok_best.safetensors").write_bytes(b"damaged")
    with pytest.raises(UserError, match=r"best\.safetensors is not a checkpoint"):
        export(place / "model", None, place / "export")
    assert names(place / "export") == before
    assert names(place) == ["export", "model"]


def test_a_report_that_was_edited_stops_the_export(place, tiny_split):
    judged = report(place / "report", place / "model", tiny_split, approved=False)
    (judged / "gate.json").write_text(json.dumps({"approved": True, "reasons": []}))
    with pytest.raises(UserError, match=r"gate\.json was changed after the evaluation"):
        export(place / "model", judged, place / "export")
    assert names(place) == ["model", "report"]


@pytest.mark.promise("A gate.json that says neither true nor false", "Nothing is exported.")
@pytest.mark.parametrize("approved", ["no", 1, None])
def test_a_verdict_that_is_no_yes_or_no_is_refused(place, tiny_split, approved):
    judged = report(place / "report", place / "model", tiny_split)
    (judged / "gate.json").write_text(json.dumps({"approved": approved, "reasons": []}))
    values = json.loads((judged / "seal.json").read_text())
    values["files"]["gate.json"] = sha256(judged / "gate.json")
    (judged / "seal.json").write_text(json.dumps(values))
    with pytest.raises(UserError, match=r"gate\.json is not as it was written: approved is"):
        export(place / "model", judged, place / "export")
    assert names(place) == ["model", "report"]


def test_a_folder_that_holds_the_inputs_is_not_replaced(place, tiny_split):
    """Neither the model nor the recordings, and not an export that is itself read."""
    before = names(place / "model")
    for out in (place / "model", place, tiny_split.parent):
        with pytest.raises(UserError, match=r"cannot be replaced|would be replaced"):
            export(place / "model", None, out, data=tiny_split)
    assert names(place / "model") == before
    export(place / "model", None, place / "export")
    before = names(place / "export")
    shutil.copy(place / "export" / "tokenizer.onnx", place / "export" / "tokenizer.int8.onnx")
    with pytest.raises(UserError, match=r"which is read; name another folder|it also holds"):
        pull(str(place / "export" / "tokenizer.int8.onnx"), place / "export")
    assert names(place / "export") == sorted([*before, "tokenizer.int8.onnx"])


@pytest.mark.parametrize("umask", [0o077, 0o027])
def test_an_export_has_the_modes_of_who_exports(place, umask):
    """Not those of the model, which another user may have trained, or which may be read-only."""
    runs.write_run(place / "model", "some run")
    for path in (place / "model").iterdir():
        path.chmod(0o444)
    before = os.umask(umask)
    try:
        export(place / "model", None, place / "export")
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (place / "export").iterdir()}
    assert {"run.json", "heard.json", "tokenizer.onnx"} <= modes.keys()
    assert set(modes.values()) == {0o666 & ~umask}
