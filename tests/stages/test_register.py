"""From the gate's verdict to the registry: what belongs together, who wins, and what is refused; in a real store."""

import json
import shutil

import mlflow
import pytest

from tests.registrations import alias
from tests.stages.conftest import REASONS, report
from wav2tok.corpus import audios_bin, heard
from wav2tok.errors import UserError
from wav2tok.evaluation.paired import measure
from wav2tok.release import champion, history, versions
from wav2tok.stages import export as stage
from wav2tok.stages.register import register as register_stage
from wav2tok.tokenizer.tokenizer import Tokenizer
from wav2tok.tracking import registered, runs


@pytest.fixture(scope="module")
def uri(tmp_path_factory):
    return f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db"


@pytest.fixture
def place(uri, tmp_path, monkeypatch):
    """An empty working folder, and the store connected."""
    monkeypatch.chdir(tmp_path)
    for name in ("DVC_ROOT", "DVC_EXP_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    mlflow.set_tracking_uri(uri)
    yield tmp_path
    mlflow.set_tracking_uri(None)


def names(folder):
    return sorted(p.name for p in folder.iterdir())


def outcome(folder):
    return json.loads((folder / "registered.json").read_text())


@pytest.fixture
def ship(place, contest):
    """Evaluate, export and register a model under a name; returns what register wrote."""

    def run(name, model="fair", *, approved=True, score=0.5, why=None, data=contest.data, **settings):
        written = report(place / "report", contest.models[model], data, approved, score)
        stage.export(contest.models[model], written, place / "export", unapproved=why)
        config = contest.settings(register={"name": name, "experiment": "shipping"} | settings)
        register_stage(place / "export", written, data, place / "registered", config, unapproved=why)
        return outcome(place / "registered")

    return run


def test_what_is_not_approved_is_not_registered(place, ship, lines):
    assert ship("refused", approved=False) == {"registered": False, "reasons": REASONS}
    summary = (place / "registered" / "summary.txt").read_text()
    assert summary.startswith("not approved, nothing registered: " + REASONS[0])
    assert "tiny     0.5" in summary
    assert any(line.startswith("not approved") for line in lines)
    assert versions.champion("refused") is None
    assert not mlflow.MlflowClient().search_registered_models(filter_string="name='refused'")


def test_an_export_without_a_report_is_not_registered_unless_asked(place, contest):
    stage.export(contest.models["fair"], None, place / "export")
    config = contest.settings(register={"name": "bare", "experiment": "shipping"})
    register_stage(place / "export", place / "none", contest.data, place / "registered", config)
    assert outcome(place / "registered") == {"registered": False, "reasons": [stage.NO_REPORT]}
    register_stage(place / "export", place / "none", contest.data, place / "registered", config, "for a demonstration")
    done = outcome(place / "registered")
    assert (done["version"], done["alias"]) == ("1", None)
    assert "models:/bare/1" in (place / "registered" / "summary.txt").read_text()
    version = versions.get("bare", "1", "")
    assert version.tags["approved"] == "false"
    assert version.tags["unapproved"].endswith(": for a demonstration")
    with pytest.raises(UserError, match="can never be champion"):
        champion.promote("bare", "1", "all the same", None)


def test_an_override_never_becomes_champion(place, ship):
    done = ship("overridden", approved=False, why="to listen to it")
    assert (done["registered"], done["alias"]) == (True, None)
    assert done["why"].endswith("registered all the same: to listen to it")
    assert mlflow.MlflowClient().get_registered_model("overridden").aliases == {}
    with pytest.raises(UserError, match="can never be champion"):
        champion.promote("overridden", "1", "all the same", None)


def test_the_better_wins_by_what_is_measured_here(place, ship, contest):
    """The scores in the reports say the opposite, and do not matter."""
    first = ship("ranked", "fair", score=0.9)
    assert (first["version"], first["alias"], first["comparisons"]) == ("1", "champion", [])
    worse = ship("ranked", "poor", score=0.99)
    assert (worse["version"], worse["alias"]) == ("2", "challenger")
    (found,) = worse["comparisons"]
    test = audios_bin.read(contest.data).test
    real = [
        measure(test, [Tokenizer(contest.models[name] / "tokenizer.onnx", "cpu")], contest.config.evaluate, 0)[0].score
        for name in ("poor", "fair")
    ]
    assert (found["challenger"], found["champion"], found["queries"]) == (*map(pytest.approx, real), 48)
    assert {clause["name"]: clause["met"] for clause in found["clauses"]}["gain"] is False
    better = ship("ranked", "good", score=0.01)
    assert (better["version"], better["alias"]) == ("3", "champion")
    assert [clause["name"] for clause in better["comparisons"][0]["clauses"]] == [
        "known_classes", "queries", "gain", "views", "classes",
    ]  # fmt: skip
    summary = (place / "registered" / "summary.txt").read_text()
    assert summary.startswith("registered ranked version 3 as champion: score 0.9")
    assert "  met: no view is significantly worse" in summary
    assert "--model models:/ranked@champion" in summary
    assert (alias("ranked"), alias("ranked", "previous"), alias("ranked", "challenger")) == ("3", "1", "2")
    description = versions.get("ranked", "3", "").description
    assert len(description) <= 1000
    assert description.startswith(better["why"])
    assert "`card.md` among the artifacts of models:/m-" in description


def test_registering_goes_into_the_run_of_the_training_once(place, contest):
    with runs.run("training") as trained:
        pass
    written = report(place / "report", contest.models["fair"], contest.data)
    model = shutil.copytree(contest.models["fair"], place / "model")
    runs.write_run(model, trained.run_id)
    stage.export(model, written, place / "export")

    def again(**settings):
        config = contest.settings(register={"name": "lineage", "experiment": "shipping"} | settings)
        register_stage(place / "export", written, contest.data, place / "registered", config)
        return outcome(place / "registered")

    first = again()
    assert versions.champion("lineage").run_id == trained.run_id
    assert mlflow.get_run(trained.run_id).info.status == "FINISHED"
    story = history.read("lineage")
    assert again() == first
    champion_again = again(min_gain=0.1)  # other parameters decide again, and it is champion already
    assert (champion_again["version"], champion_again["alias"]) == ("1", "champion")
    assert history.read("lineage") == story
    assert len(versions.read("lineage").versions) == 1


def test_a_broken_registration_of_an_untracked_model_is_completed(place, ship, monkeypatch):
    def broken(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(versions, "point", broken)
        with pytest.raises(KeyboardInterrupt):
            ship("untracked")
    assert (alias("untracked"), not (place / "registered").exists()) == (None, True)
    assert ship("untracked")["version"] == "1"
    assert alias("untracked") == "1"
    assert [row["event"] for row in history.read("untracked")] == ["registered", "promoted"]
    assert ship("untracked")["version"] == "2"  # a finished one is not touched


def test_what_promote_says_limits_what_a_model_becomes(place, ship, monkeypatch):
    assert ship("limited", promote="never") == {"registered": False, "reasons": ["register.promote is never."]}
    assert ship("limited", promote="challenger")["alias"] == "challenger"
    assert alias("limited") is None
    monkeypatch.setenv("DVC_EXP_NAME", "waxy-seal")
    done = ship("limited")
    assert (done["registered"], done["experiment"]) == (False, "waxy-seal")
    assert "dvc exp run -S register.promote=champion" in done["reasons"][0]
    assert registered.missing(done) is None  # not within the experiment
    monkeypatch.delenv("DVC_EXP_NAME")
    assert registered.missing(done) == "this model was not registered, because the experiment waxy-seal trained it"
    monkeypatch.setenv("DVC_EXP_NAME", "waxy-seal")
    assert ship("limited", promote="champion")["alias"] == "champion"


def test_with_manual_approval_a_winner_waits(place, ship):
    done = ship("asked", approval="manual")
    assert (done["alias"], done["awaits_approval"]) == ("challenger", True)
    assert 'wav2tok promote 1 --why "..."' in (place / "registered" / "summary.txt").read_text()
    assert alias("asked") is None


def test_only_recordings_that_neither_heard_count(place, ship, contest):
    """The champion was trained on some of the test recordings, under other names."""
    test = audios_bin.read(contest.data).test
    model = shutil.copytree(contest.models["fair"], place / "well-read")
    heard.write(model, test.take(range(20)), heard.read(model))
    written = report(place / "report", model, contest.data)
    stage.export(model, written, place / "export")
    config = contest.settings(register={"name": "unheard", "experiment": "shipping"})
    register_stage(place / "export", written, contest.data, place / "registered", config)
    lost = ship("unheard", "good")
    assert lost["alias"] == "challenger"
    assert lost["why"].startswith("28 test recordings that neither model heard can ask; at least 30 are needed")
    won = ship("unheard", "good", min_queries=28)
    assert (won["alias"], won["comparisons"][0]["queries"]) == ("champion", 28)
    heard.write(model, test, heard.read(model))
    written = report(place / "report", model, contest.data)
    stage.export(model, written, place / "export")
    config = contest.settings(register={"name": "heard-all", "experiment": "shipping"})
    register_stage(place / "export", written, contest.data, place / "registered", config)
    assert ship("heard-all", "good")["why"].startswith("0 test recordings that neither model heard can ask (None of")


def test_a_champion_that_knows_more_classes_or_says_not_what_it_heard_is_kept(place, ship, contest, lines):
    old = shutil.copytree(contest.models["poor"], place / "old")
    written = report(place / "report", old, contest.data)
    stage.export(old, written, place / "export")
    (place / "export" / "heard.json").unlink()
    config = contest.settings(register={"name": "silent", "experiment": "shipping"})
    with pytest.raises(UserError, match=r"heard\.json does not exist"):
        register_stage(place / "export", written, contest.data, place / "registered", config)
    assert not mlflow.MlflowClient().search_registered_models(filter_string="name='silent'")
    ship("classes", "poor")
    parts = audios_bin.read(contest.data)
    fewer = place / "fewer.bin"
    keep = [i for i, label in enumerate(parts.train.classes) if label != "arch"]
    audios_bin.write(fewer, type(parts)(parts.train.take(keep), parts.valid, parts.test))
    kept = ship("classes", "good", data=fewer)
    assert kept["alias"] == "challenger"
    assert "version 1, was trained on 1 classes that this model does not know, such as arch" in kept["why"]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda p: (p / "report" / "gate.json").write_text('{"approved": true}'), r"gate\.json was changed after"),
        (lambda p: (p / "report" / "gate.json").unlink(), r"gate\.json does not exist"),
        (lambda p: (p / "report" / "heldout.json").write_text('{"score": 1}'), r"heldout\.json was changed"),
        (lambda p: (p / "report" / "seal.json").unlink(), r"has no seal\.json"),
        (lambda p: shutil.copy(p / "poor.onnx", p / "export" / "tokenizer.onnx"), "is not the graph that was exported"),
        (lambda p: (p / "export" / "tokenizer.onnx").unlink(), "is not the graph that was exported"),
        (lambda p: edit(p / "export" / "export.json", report="0" * 64), "was exported from another report"),
        (lambda p: edit(p / "export" / "export.json", approved=False), "says not approved, and the verdict"),
        (lambda p: (p / "export" / "export.json").write_text("{}"), "is not as it was written: approved is"),
        (lambda p: (p / "audios.bin").write_bytes((p / "other.bin").read_bytes()), "is not the split that"),
    ],
)  # fmt: skip
def test_what_does_not_belong_together_is_refused_and_nothing_is_registered(place, contest, damage, message):
    shutil.copy(contest.data, place / "audios.bin")
    parts = audios_bin.read(contest.data)
    audios_bin.write(place / "other.bin", type(parts)(parts.train, None, parts.test))
    shutil.copy(contest.models["poor"] / "tokenizer.onnx", place / "poor.onnx")
    written = report(place / "report", contest.models["fair"], place / "audios.bin")
    stage.export(contest.models["fair"], written, place / "export")
    damage(place)
    config = contest.settings(register={"name": "damaged", "experiment": "shipping"})
    with pytest.raises(UserError, match=message):
        register_stage(place / "export", written, place / "audios.bin", place / "registered", config)
    assert not (place / "registered").exists()
    assert not mlflow.MlflowClient().search_registered_models(filter_string="name='damaged'")


def edit(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_a_bad_model_does_not_pass_with_a_good_models_report(place, contest):
    good = report(place / "report", contest.models["good"], contest.data)
    with pytest.raises(UserError, match=r"is of the model [0-9a-f]{16}, and .* is [0-9a-f]{16}; evaluate this model"):
        stage.export(contest.models["poor"], good, place / "export")
    stage.export(contest.models["poor"], None, place / "export")
    refused = json.loads((place / "export" / "export.json").read_text())
    forged = refused | {"approved": True, "report": "", "reasons": []}
    (place / "export" / "export.json").write_text(json.dumps(forged))
    config = contest.settings(register={"name": "forged", "experiment": "shipping"})
    for name in ("", json.loads((place / "report" / "seal.json").read_text())["data"]):
        edit(place / "export" / "export.json", report=name)
        with pytest.raises(UserError, match="was exported from another report"):
            register_stage(place / "export", good, contest.data, place / "registered", config)


def test_an_override_that_overrides_nothing_is_refused(place, contest):
    written = report(place / "report", contest.models["fair"], contest.data)
    with pytest.raises(UserError, match="nothing has to be overridden"):
        stage.export(contest.models["fair"], written, place / "export", unapproved="just so")
    stage.export(contest.models["fair"], written, place / "export")
    config = contest.settings(register={"name": "overdone", "experiment": "shipping"})
    with pytest.raises(UserError, match="nothing has to be overridden"):
        register_stage(place / "export", written, contest.data, place / "registered", config, "just so")
