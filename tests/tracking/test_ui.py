"""``python -m wav2tok.tracking.ui`` and the addresses that are printed; the server is a real one."""

import os
import signal
import subprocess
import sys
import time
import urllib.request

import mlflow
import pytest

from tests.helpers import free_port
from wav2tok.tracking import links, runs

UI = [sys.executable, "-m", "wav2tok.tracking.ui"]


def environment():
    return {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "DVC_"))}


@pytest.mark.promise("A password in the address of the MLflow server", "Links to its pages do not have it.")
def test_addresses_are_of_the_training_view_and_hide_the_password(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:secret@example.org/mlflow/")
    assert links.how_to_open("7").startswith(
        "https://example.org/mlflow/#/experiments/7/runs?workflowType=machine_learning"
    )
    base = links.server()
    assert links.run(base, "abc", "7") == (
        "https://example.org/mlflow/#/experiments/7/runs/abc?workflowType=machine_learning"
    )
    assert links.version(base, "a b", "3") == "https://example.org/mlflow/#/models/a%20b/versions/3"
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert links.how_to_open("7") == "python -m wav2tok.tracking.ui"
    (tmp_path / "dvc.yaml").touch()
    assert links.how_to_open("7") == "make ui"


def test_without_a_store_it_says_where_it_looked(tmp_path):
    done = subprocess.run(UI, cwd=tmp_path, env=environment(), capture_output=True, text=True)
    assert done.returncode == 2
    assert f"there is no MLflow store {tmp_path}/mlflow.db" in done.stderr
    assert os.listdir(tmp_path) == []


@pytest.mark.slow
@pytest.mark.services
def test_the_address_that_is_printed_is_served(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with runs.run("wav2tok") as recorder:
        recorder.metrics([(1, {"loss": 1.0})])
    mlflow.set_tracking_uri(None)
    port = free_port()
    server = subprocess.Popen([*UI, "--port", str(port)], cwd=tmp_path, env=environment(), text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True)  # fmt: skip
    try:
        assert server.stdout is not None
        address = server.stdout.readline().strip()
        assert address.startswith(f"http://127.0.0.1:{port}/#/experiments/{recorder.experiment_id}/runs?workflowType=")
        for _ in range(400):
            try:
                page = urllib.request.urlopen(address.partition("#")[0], timeout=5).read().decode()
                break
            except OSError:
                assert server.poll() is None
                time.sleep(0.25)
        assert "MLflow" in page
        mlflow.set_tracking_uri(f"http://127.0.0.1:{port}")
        assert mlflow.get_run(recorder.run_id).data.metrics == {"loss": 1.0}
    finally:
        mlflow.set_tracking_uri(None)
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(20)
