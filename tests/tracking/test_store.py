"""Where the store is, that reading makes none, and that it can be moved with its folder; in real stores."""

import os
import shutil
import sqlite3
from pathlib import Path

import mlflow
import pytest

from wav2tok.errors import UserError
from wav2tok.tracking import registered, runs, store


@pytest.fixture
def root(tmp_path, monkeypatch):
    """An empty working folder without a store."""
    here = tmp_path / "the project"
    here.mkdir()
    monkeypatch.chdir(here)
    for name in ("MLFLOW_TRACKING_URI", "DVC_ROOT"):
        monkeypatch.delenv(name, raising=False)
    mlflow.set_tracking_uri(None)
    yield here
    mlflow.set_tracking_uri(None)


def project(folder):
    (folder / ".dvc").mkdir(parents=True)
    (folder / ".dvc" / "config").touch()


def test_the_store_belongs_to_the_project_not_to_the_folder_one_is_in(root, monkeypatch):
    assert store.location() == f"sqlite:///{root}/mlflow.db"
    project(root)
    (root / "some" / "where").mkdir(parents=True)
    monkeypatch.chdir(root / "some" / "where")
    assert store.location() == f"sqlite:///{root}/mlflow.db"


@pytest.mark.parametrize("place", [".dvc/tmp/exps/tmpabc", ".dvc/tmp/exps/standalone/tmpabc"])
def test_a_copy_that_an_experiment_runs_in_has_no_store_of_its_own(root, monkeypatch, place):
    project(root)
    project(root / place)
    monkeypatch.chdir(root / place)
    assert store.project() == root
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///runs.db?timeout=5")
    assert store.location() == f"sqlite:///{root}/runs.db?timeout=5"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5001")
    assert store.location() == "http://127.0.0.1:5001"


def test_reading_makes_no_store_and_says_where_it_looked(root):
    with pytest.raises(UserError, match=f"there is no MLflow store {root}/mlflow.db"):
        store.fetch("models:/wav2tok@champion", root / "out")
    outcome = {"registered": True, "name": "wav2tok", "version": "1", "model_id": "m-1"}
    assert f"{root}/mlflow.db does not hold this wav2tok version 1" in str(registered.missing(outcome))
    assert registered.missing({"registered": False, "reasons": ["a reason"]}) is None
    assert os.listdir(root) == []


def written(root: Path) -> tuple[str, str]:
    """A run with a file and a checkpoint in the store of the working folder: the ids of the run and the model."""
    (root / "note.txt").write_text("a note")
    with runs.run("hums") as recorder:
        recorder.artifact(root / "note.txt")
        model = recorder.model("wav2tok_5", [root / "note.txt"], 300, {"valid/mrr": 0.5})
    return recorder.run_id, model


def test_a_checkpoint_is_a_model_with_its_step_and_metrics(root):
    run_id, model_id = written(root)
    model = mlflow.get_logged_model(model_id)
    assert (model.name, model.source_run_id, model.status.value) == ("wav2tok_5", run_id, "READY")
    assert [(m.key, m.value, m.step) for m in model.metrics] == [("valid/mrr", 0.5, 300)]
    assert [(out.model_id, out.step) for out in mlflow.get_run(run_id).outputs.model_outputs] == [(model_id, 300)]


@pytest.mark.parametrize("how", [shutil.move, shutil.copytree])
def test_a_store_goes_with_its_folder(root, monkeypatch, how):
    run_id, model_id = written(root)
    mlflow.set_tracking_uri(None)
    new = root.parent / "moved"
    monkeypatch.chdir(root.parent)
    how(root, new)
    monkeypatch.chdir(new)
    client = store.connect().MlflowClient()
    assert client.get_run(run_id).info.artifact_uri == f"{new}/mlruns/hums/{run_id}/artifacts"
    assert Path(client.download_artifacts(run_id, "note.txt")).read_text() == "a note"
    assert store.fetch(f"models:/{model_id}", new / "out").is_dir()
    assert (new / "out" / "note.txt").read_text() == "a note"
    before = sorted(root.rglob("*"))
    again, _ = written(new)
    assert (new / "mlruns" / "hums" / again / "artifacts" / "note.txt").is_file()
    assert sorted(root.rglob("*")) == before


def test_artifacts_that_lie_elsewhere_on_purpose_stay(root, tmp_path):
    elsewhere = tmp_path / "disk" / "mlruns" / "big"
    elsewhere.mkdir(parents=True)
    written(root)
    identifier = mlflow.create_experiment("big", str(elsewhere))
    store.connect()
    assert mlflow.get_experiment(identifier).artifact_location == str(elsewhere)


def test_a_database_that_is_not_set_up_yet_is_left_to_mlflow(root):
    sqlite3.connect(root / "mlflow.db").close()
    written(root)
    assert mlflow.get_experiment_by_name("hums") is not None
