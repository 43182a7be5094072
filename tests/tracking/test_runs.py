"""MLflow runs: resumed by id, shared when active, closed only by the code that opened them; in real stores."""

import contextlib
import os
import subprocess
import sys

import mlflow
import pytest

from wav2tok.config.parameters import flatten
from wav2tok.tracking import processes, runs, view
from wav2tok.tracking import store as stores


@pytest.fixture(scope="module")
def uri(tmp_path_factory):
    """One store for these tests; each has an experiment of its own."""
    return f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db"


@pytest.fixture
def store(uri, tmp_path, monkeypatch):
    """The working folder is empty, and MLFLOW_TRACKING_URI names `uri`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert mlflow.active_run() is None
    yield tmp_path
    while mlflow.active_run() is not None:
        mlflow.end_run()
    mlflow.set_tracking_uri(None)


def status(run_id):
    return mlflow.get_run(run_id).info.status


def test_nested_parameters_become_dotted():
    assert flatten({"seed": 0, "train": {"epochs": 3, "deep": {"er": [1, 2]}}, "empty": {}}) == {
        "seed": 0, "train.epochs": 3, "train.deep.er": [1, 2],
    }  # fmt: skip


def test_a_run_begins_and_ends(store):
    with runs.run("begins", name="named") as recorder:
        assert status(recorder.run_id) == "RUNNING"
        recorder.params({"a": {"b": 1}})
        recorder.metrics([(step, {"loss": 1.0 / step, "other": float(step)}) for step in range(1, 700)])
        recorder.tags({"tag": "value"})
        (store / "file.txt").write_text("text")
        (store / "some").mkdir()
        (store / "some" / "more.txt").write_text("more")
        recorder.artifact(store / "file.txt")
        recorder.artifact(store / "some", "put")
    run = mlflow.get_run(recorder.run_id)
    assert (run.info.status, run.info.run_name) == ("FINISHED", "named")
    assert mlflow.get_experiment(run.info.experiment_id).name == "begins"
    assert run.data.params == {"a.b": "1"}
    assert run.data.tags["tag"] == "value"
    history = mlflow.MlflowClient().get_metric_history(recorder.run_id, "loss")
    assert [m.step for m in sorted(history, key=lambda m: m.step)] == list(range(1, 700))  # more than one request
    listed = {a.path for a in mlflow.artifacts.list_artifacts(run_id=recorder.run_id)}
    assert listed == {"file.txt", "put"}
    assert mlflow.active_run() is None


def test_a_run_is_resumed_by_its_id(store):
    with runs.run("taken", name="first") as first:
        first.metrics([(1, {"loss": 2.0})])
    with runs.run("another experiment", run_id=first.run_id, name="second") as second:
        assert second.run_id == first.run_id
        assert status(first.run_id) == "RUNNING"
        second.metrics([(2, {"loss": 1.0})])
    run = mlflow.get_run(first.run_id)
    assert (run.info.status, run.info.run_name) == ("FINISHED", "first")
    assert mlflow.get_experiment(run.info.experiment_id).name == "taken"
    assert len(mlflow.MlflowClient().get_metric_history(first.run_id, "loss")) == 2


@pytest.mark.promise(
    "A run that was deleted in the UI, or is of another store", "A new run is made; evaluate and register go on."
)
@pytest.mark.parametrize("deleted", [False, True])
def test_an_unknown_id_makes_a_new_run(store, deleted):
    unknown = "0123456789abcdef0123456789abcdef"
    if deleted:
        with runs.run("unknown") as recorder:
            unknown = recorder.run_id
        mlflow.delete_run(unknown)
    with runs.run("unknown", run_id=unknown, name="new") as recorder:
        assert recorder.run_id != unknown
    assert mlflow.get_run(recorder.run_id).info.run_name == "new"


def test_an_active_run_is_used_and_left_open(store):
    mlflow.set_experiment("mine")
    with mlflow.start_run() as mine:
        for run_id in (None, mine.info.run_id):
            with runs.run("not mine", run_id=run_id) as recorder:
                assert recorder.run_id == mine.info.run_id
                recorder.params({f"given {run_id is None}": 1})
            assert mlflow.active_run().info.run_id == mine.info.run_id
            assert status(mine.info.run_id) == "RUNNING"
    assert status(mine.info.run_id) == "FINISHED"
    assert mlflow.get_experiment_by_name("not mine") is None


def test_another_run_next_to_an_active_one(store):
    with runs.run("pair") as earlier:
        pass
    mlflow.set_experiment("pair")
    with mlflow.start_run() as mine:
        with runs.run("pair", run_id=earlier.run_id) as recorder:
            assert recorder.run_id == earlier.run_id
            recorder.tags({"of": "the earlier"})
        assert mlflow.active_run().info.run_id == mine.info.run_id
    assert mlflow.get_run(earlier.run_id).data.tags["of"] == "the earlier"
    assert "of" not in mlflow.get_run(mine.info.run_id).data.tags


@pytest.mark.parametrize("error", [None, ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("before", ["FINISHED", "KILLED"])
def test_what_is_added_later_changes_neither_status_nor_duration(store, before, error):
    with runs.run("later") as first:
        pass
    mlflow.MlflowClient().set_terminated(first.run_id, before, 1000 + mlflow.get_run(first.run_id).info.start_time)
    info = mlflow.get_run(first.run_id).info
    with contextlib.suppress(*([error] if error else [])), runs.run("later", run_id=first.run_id) as second:
        second.tags({"added": "yes"})
        if error:
            raise error
    after = mlflow.get_run(first.run_id)
    assert (after.info.status, after.info.end_time) == (before, info.end_time)
    assert after.data.tags["added"] == "yes"


def test_a_training_that_goes_on_ends_the_run(store):
    with pytest.raises(KeyboardInterrupt), runs.run("on", training=True) as first:
        raise KeyboardInterrupt
    end = mlflow.get_run(first.run_id).info.end_time
    with runs.run("on", run_id=first.run_id, training=True):
        pass
    after = mlflow.get_run(first.run_id).info
    assert after.status == "FINISHED"
    assert after.end_time > end


def test_a_training_that_still_runs_is_not_ended_by_what_is_added(store):
    with runs.run("both", training=True) as training:
        code = f"from wav2tok.tracking import runs\nwith runs.run('both', run_id={training.run_id!r}): pass"
        subprocess.run([sys.executable, "-c", code], check=True)
        assert status(training.run_id) == "RUNNING"
        assert processes.TAG in mlflow.get_run(training.run_id).data.tags
    assert status(training.run_id) == "FINISHED"


def test_two_that_add_at_once_leave_the_run_as_it_was(store):
    """The first one closes it while the second one still adds."""
    with runs.run("two", training=True) as trained:
        pass
    before = mlflow.get_run(trained.run_id).info
    code = f"""
import sys
from wav2tok.tracking import runs
with runs.run("two", run_id={trained.run_id!r}) as recorder:
    print("open", flush=True)
    sys.stdin.readline()
    recorder.tags({{"second": "yes"}})
"""
    with runs.run("two", run_id=trained.run_id):
        second = subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert second.stdout.readline() == "open\n"
    second.communicate("go on\n")
    after = mlflow.get_run(trained.run_id)
    assert (after.info.status, after.info.end_time) == ("FINISHED", before.end_time)
    assert after.data.tags["second"] == "yes"
    assert processes.TAG not in after.data.tags


def test_the_outcome_of_a_model_is_a_tag_of_its_run_and_a_column(store):
    with runs.run("outcomes") as recorder:
        pass
    end = mlflow.get_run(recorder.run_id).info.end_time
    for verdict in runs.VERDICTS:
        runs.outcome(recorder.run_id, verdict)
        assert mlflow.get_run(recorder.run_id).data.tags[runs.OUTCOME] == verdict
    runs.outcome(recorder.run_id, "champion, version 3")
    runs.outcome(recorder.run_id, "former champion, version 3")
    runs.outcome(recorder.run_id, "refused")  # measured again later, by another gate
    run = mlflow.get_run(recorder.run_id)
    assert run.data.tags[runs.OUTCOME] == "former champion, version 3"
    assert (run.info.status, run.info.end_time) == ("FINISHED", end)
    for nobody in (None, "0123456789abcdef0123456789abcdef"):
        runs.outcome(nobody, "champion")
    assert f"tags.`{runs.OUTCOME}`" in view.state()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failure_is_marked_and_passed_on(store, error):
    with pytest.raises(error), runs.run("fails") as recorder:
        raise error
    assert mlflow.active_run() is None
    assert status(recorder.run_id) in ("FAILED", "KILLED")


def test_the_store_is_what_the_environment_names(store, uri):
    assert stores.connect().get_tracking_uri() == uri
    with runs.run("named by the environment"):
        pass
    assert os.listdir(store) == []  # nothing next to it


def test_the_store_is_mlflow_db_here_by_default(tmp_path):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")}
    code = "from wav2tok.tracking import runs\nwith runs.run('here') as r: print(r.mlflow.get_tracking_uri())"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stdout.split() == [f"sqlite:///{tmp_path}/mlflow.db"], done.stderr
    assert (tmp_path / "mlflow.db").stat().st_size > 0


def test_a_change_of_the_environment_is_noticed(store, uri, tmp_path, monkeypatch):
    """A notebook can turn to another store."""
    mlflow.set_tracking_uri(None)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert stores.connect().get_tracking_uri() == f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert stores.connect().get_tracking_uri() == uri


def test_a_model_folder_knows_its_run(tmp_path):
    assert runs.run_of(tmp_path) is None
    runs.write_run(tmp_path, "abc")
    assert runs.run_of(tmp_path) == "abc"
    assert [p.name for p in tmp_path.iterdir()] == ["run.json"]


def test_telemetry_is_off():
    stores.connect()
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert stores.available()
    assert "mlflow" in sys.modules
