"""The next verb closes the runs of killed processes, and no others; with real processes and a real store."""

import json
import os
import signal
import subprocess
import sys
import time

import mlflow
import pytest

from wav2tok.tracking import processes, runs

TRAINING = """
import sys, time
from wav2tok.tracking import runs
with runs.run("killed", training=True) as recorder:
    recorder.metrics([(1, {"loss": 2.0})])
    print(recorder.run_id, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    yield tmp_path
    mlflow.set_tracking_uri(None)


def ended(run_id):
    info = mlflow.get_run(run_id).info
    return info.status, info.end_time


@pytest.mark.slow
def test_a_killed_training_is_closed_where_it_stopped_and_a_living_one_is_not(store):
    with runs.run("killed") as mine:
        children = [subprocess.Popen([sys.executable, "-c", TRAINING], stdout=subprocess.PIPE, text=True) for _ in "ab"]
        try:
            killed, living = (child.stdout.readline().strip() for child in children)
            last = max(m.timestamp for m in mlflow.MlflowClient().get_metric_history(killed, "loss"))
            children[0].send_signal(signal.SIGKILL)
            children[0].wait()
            assert ended(killed)[0] == "RUNNING"
            time.sleep(0.1)
            runs.close_abandoned(mlflow, "killed")
            status, end = ended(killed)
            assert status == "KILLED"
            assert last <= end < 1000 * time.time() - 50
            assert ended(living)[0] == ended(mine.run_id)[0] == "RUNNING"
            assert processes.TAG not in mlflow.get_run(killed).data.tags
        finally:
            for child in children:
                child.kill()
                child.wait()
    assert ended(mine.run_id)[0] == "FINISHED"


def left_open(**changes):
    """A run that is left open; the changes are of the process that its tag names."""
    with runs.run("left") as recorder:
        pass
    client = mlflow.MlflowClient()
    client.update_run(recorder.run_id, "RUNNING")
    own = processes.Process.own()
    values = {"host": own.host, "pid": own.pid, "started": own.started, "without": {"status": "KILLED", "time": 7}}
    client.set_tag(recorder.run_id, processes.TAG, json.dumps(values | changes))
    return recorder.run_id


def test_only_a_process_of_this_machine_is_known_to_be_gone(store):
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    gone, reused = left_open(pid=child.pid), left_open(started=1.0)
    mine, elsewhere = left_open(), left_open(pid=child.pid, host="another machine")
    unknown = left_open()
    mlflow.MlflowClient().set_tag(unknown, processes.TAG, "by another release")
    runs.close_abandoned(mlflow, "left")
    assert ended(gone) == ended(reused) == ("KILLED", 7)
    assert {ended(run_id)[0] for run_id in (mine, elsewhere, unknown)} == {"RUNNING"}
    runs.close_abandoned(mlflow, "no such experiment")


def test_what_was_added_to_a_finished_run_leaves_it_finished_even_if_the_adding_was_killed(store):
    with runs.run("added", training=True) as trained:
        pass
    before = ended(trained.run_id)
    code = f"""
import os, signal
from wav2tok.tracking import runs
with runs.run("added", run_id={trained.run_id!r}) as recorder:
    recorder.tags({{"added": "yes"}})
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code]).returncode == -signal.SIGKILL
    assert ended(trained.run_id)[0] == "RUNNING"
    runs.close_abandoned(mlflow, "added")
    assert ended(trained.run_id) == before
    assert mlflow.get_run(trained.run_id).data.tags["added"] == "yes"


@pytest.mark.promise(
    "SIGKILL while an MLflow run is open", "The next verb that writes to the experiment closes the run."
)
def test_every_verb_that_writes_to_the_experiment_closes_them(store):
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    gone, mine = left_open(pid=child.pid), left_open()
    with runs.run("left", run_id=mine):  # as evaluate and register do
        assert ended(gone) == ("KILLED", 7)


def test_the_mark_names_this_process_while_a_run_is_open(store):
    with runs.run("marked") as recorder:
        tag = json.loads(mlflow.get_run(recorder.run_id).data.tags[processes.TAG])
        assert tag["pid"] == os.getpid()
        assert not processes.Process.own().is_gone()
    assert processes.TAG not in mlflow.get_run(recorder.run_id).data.tags
