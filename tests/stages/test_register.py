"""From the gate's verdict to the registry: approved, not approved, and which version is champion; in a real store."""

import json
import shutil

import mlflow
import pytest

from wav2tok.config.parameters import from_dict, to_dict
from wav2tok.corpus import audios_bin
from wav2tok.errors import UserError
from wav2tok.evaluation import held_out
from wav2tok.evaluation.held_out import held_out_score, judge
from wav2tok.release import registry
from wav2tok.stages import export
from wav2tok.stages.register import register as register_stage
from wav2tok.tokenizer.tokenizer import Tokenizer
from wav2tok.tracking import runs

REASONS = ["MRR on TS, its worst view, is 0.100; it must be at least 0.3."]


@pytest.fixture(scope="module")
def uri(tmp_path_factory):
    return f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db"


@pytest.fixture
def place(uri, tmp_path, monkeypatch, tiny_model):
    """A working folder with the trained model, and the store connected."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    mlflow.set_tracking_uri(uri)
    shutil.copytree(tiny_model, tmp_path / "model")
    yield tmp_path
    mlflow.set_tracking_uri(None)


def report(folder, approved=True, score=0.5, digest="digest"):
    """The part of a report that export and register read."""
    folder.mkdir(exist_ok=True)
    reasons = ["all was met."] if approved else REASONS
    (folder / "gate.json").write_text(json.dumps({"approved": approved, "reasons": reasons}))
    (folder / "heldout.json").write_text(json.dumps({"score": score, "test_digest": digest, "approved": approved}))
    (folder / "retrieval.csv").write_text(
        "system,label,view,metric,value,low,high,queries\n"
        'wav2tok,"wav2tok, edit distance",V,mrr,0.5,0.4,0.6,8\n'
        'wav2tok,"wav2tok, edit distance",V,map,0.3,0.2,0.4,8\n'
        'mfcc_dtw,"MFCC, DTW",V,mrr,0.45,0.3,0.6,8\n'
        'mfcc_dtw,"MFCC, DTW",V,map,0.35,0.2,0.5,8\n'
    )
    (folder / "table.txt").write_text("system  V MRR\ntiny     0.5\n")
    return folder


def names(folder):
    return sorted(p.name for p in folder.iterdir())


def outcome(folder):
    return json.loads((folder / "registered.json").read_text())


@pytest.fixture
def register(place, tiny_config, tiny_split):
    """Export and register the model under NAME with a score and a digest; returns what register wrote."""

    def run(name, *, approved=True, score=0.5, digest="digest", data=tiny_split):
        written = report(place / "report", approved, score, digest)
        config = from_dict(to_dict(tiny_config) | {"register": {"name": name, "experiment": "shipping"}})
        export.export(place / "model", written, place / "export")
        register_stage(place / "export", written, data, place / "registered", config)
        return outcome(place / "registered")

    return run


def test_an_approved_model_is_exported_with_its_parity(place, lines):
    runs.write_run(place / "model", "some run")
    export.export(place / "model", report(place / "report"), place / "export")
    assert names(place / "export") == ["card.md", "export.json", "passport.json", "run.json", "tokenizer.onnx"]
    written = json.loads((place / "export" / "export.json").read_text())
    assert written["approved"] is True
    assert written["parity"]["differing"] <= 0.001 * written["parity"]["frames"]
    assert Tokenizer.from_pretrained(place / "export", "cpu").num_tokens == 8
    card = (place / "export" / "card.md").read_text()
    assert card.startswith("# wav2tok\n")
    assert "8000 Hz" in card
    assert "| wav2tok, edit distance | 0.500 [0.40, 0.60] | 0.300 [0.20, 0.40] |" in card
    assert "MFCC, DTW does better in V MAP." in card
    assert runs.run_of(place / "export") == "some run"
    assert len(lines) == 1
    assert "frames have the token that torch gives" in lines[0]


def test_a_refused_model_is_not_exported_and_an_older_export_goes(place, lines):
    export.export(place / "model", report(place / "report"), place / "export")
    lines.clear()
    export.export(place / "model", report(place / "report", approved=False), place / "export")
    assert names(place / "export") == ["export.json"]
    assert json.loads((place / "export" / "export.json").read_text()) == {"approved": False, "reasons": REASONS}
    assert "not approved" in lines[0]
    assert REASONS[0] in lines[0]
    assert names(place) == ["export", "model", "report"]


def test_a_model_without_a_verdict_can_be_exported_by_hand(place):
    export.export(place / "model", None, place / "export")
    assert names(place / "export") == ["card.md", "export.json", "passport.json", "tokenizer.onnx"]


def test_an_error_leaves_the_older_export(place):
    export.export(place / "model", None, place / "export")
    (place / "model" / "wav2tok_best.safetensors").write_bytes(b"damaged")
    with pytest.raises(UserError, match=r"best\.safetensors is not a checkpoint"):
        export.export(place / "model", None, place / "export")
    assert names(place / "export") == ["card.md", "export.json", "passport.json", "tokenizer.onnx"]
    assert names(place) == ["export", "model"]


def test_what_is_not_approved_is_not_registered(place, register, lines):
    assert register("refused", approved=False) == {"registered": False, "reasons": REASONS}
    summary = (place / "registered" / "summary.txt").read_text()
    assert summary.startswith("not approved, nothing registered: " + REASONS[0])
    assert "tiny     0.5" in summary
    assert "\n".join(lines).startswith("not approved")
    assert registry.champion("refused") is None
    assert not mlflow.MlflowClient().search_registered_models(filter_string="name='refused'")


def test_champions_and_challengers(place, register):
    first = register("ranked", score=0.5)
    assert (first["version"], first["alias"]) == ("1", "champion")
    summary = (place / "registered" / "summary.txt").read_text()
    assert "registered ranked version 1 as champion" in summary
    assert "--model models:/ranked@champion" in summary
    assert "tiny     0.5" in summary
    lower = register("ranked", score=0.4)
    assert (lower["version"], lower["alias"]) == ("2", "challenger")
    assert str(registry.champion("ranked").version) == "1"
    higher = register("ranked", score=0.6)
    assert (higher["version"], higher["alias"]) == ("3", "champion")
    assert str(registry.champion("ranked").version) == "3"
    tags = registry.champion("ranked").tags
    assert tags["approved"] == "true"
    assert tags["test"] == "MRR 0.500 [0.400, 0.600], MAP 0.300 [0.200, 0.400]"
    assert tags["seed"] == "0"


def test_registering_goes_into_the_run_of_the_training(place, register):
    with runs.run("training") as trained:
        pass
    runs.write_run(place / "model", trained.run_id)
    end = mlflow.get_run(trained.run_id).info.end_time
    register("lineage")
    assert registry.champion("lineage").run_id == trained.run_id
    info = mlflow.get_run(trained.run_id).info
    assert (info.status, info.end_time) == ("FINISHED", end)


def test_the_run_list_says_what_became_of_a_model(place, register):
    ids = []
    for score in (0.5, 0.4, 0.6):
        with runs.run("training") as trained:
            pass
        runs.write_run(place / "model", trained.run_id)
        register("told", score=score)
        ids.append(trained.run_id)
    said = [mlflow.get_run(run_id).data.tags[runs.OUTCOME] for run_id in ids]
    assert said == ["former champion, version 1", "challenger, version 2", "champion, version 3"]


def test_a_champion_of_other_recordings_is_scored_again_on_these(place, register, tiny_config, tiny_split, lines):
    """The same graph is champion and challenger: what decides is what it really scores on the challenger's data."""
    quick = from_dict(to_dict(tiny_config) | {"evaluate": {"tempos": [], "semitones": [], "bootstrap": 2}})
    export.export(place / "model", None, place / "export")
    graph = place / "export" / "tokenizer.onnx"
    real = held_out_score(judge(tiny_split, Tokenizer(graph, "cpu"), graph, quick).retrieval)
    assert 0 < real < 1
    digest = held_out.recordings_digest(audios_bin.read(tiny_split).test)

    def again(name, claimed):
        written = report(place / "report", True, claimed, digest)
        config = from_dict(to_dict(quick) | {"register": {"name": name, "experiment": "shipping"}})
        register_stage(place / "export", written, tiny_split, place / "registered", config)
        return outcome(place / "registered")

    for name, old, claimed, alias in (
        ("lucky", 0.01, real - 0.01, "challenger"),
        ("poor", 0.99, real + 0.01, "champion"),
    ):
        lines.clear()
        register(name, score=old, digest="other recordings")
        assert again(name, claimed)["alias"] == alias
        assert any("scoring the champion" in line for line in lines)
        assert f"against {real:.3f} of the champion, version 1" in outcome(place / "registered")["why"]


def test_a_missing_table_is_named(place, tiny_config, tiny_split):
    written = report(place / "report")
    export.export(place / "model", written, place / "export")
    (written / "table.txt").unlink()
    with pytest.raises(UserError, match=r"table\.txt"):
        register_stage(place / "export", written, tiny_split, place / "registered", tiny_config)
    assert not (place / "registered").exists()
