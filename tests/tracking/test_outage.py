"""A tracking server that is killed in the middle of a training, and comes back."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from mlflow import MlflowClient

from tests import servers
from tests.helpers import changed, free_port
from wav2tok.config.parameters import to_dict
from wav2tok.config.schema import Config
from wav2tok.tracking import runs, unsent


@pytest.mark.slow
@pytest.mark.services
@pytest.mark.promise(
    "The MLflow server is killed in the middle of a training",
    "Training ends as without it; evaluate, and the same command, send all metrics when the server is back.",
)
def test_all_metrics_arrive(tiny_split: Path, tiny_config: Config, tmp_path: Path) -> None:
    port, out, params = free_port(), tmp_path / "model", tmp_path / "params.yaml"
    epochs = 12
    params.write_text(yaml.safe_dump(to_dict(changed(tiny_config, train={"epochs": epochs, "patience": 100}))))
    command = [sys.executable, "-m", "wav2tok", "train", "--data", tiny_split, "--out", out, "--params", params]
    address = f"http://127.0.0.1:{port}"
    environment = os.environ | {"MLFLOW_TRACKING_URI": address}
    with servers.sqlite_mlflow(tmp_path / "server", port) as server:
        training = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert training.stdout is not None
        before = []
        for line in training.stdout:
            before.append(line)
            if line.startswith("epoch 2/"):
                os.killpg(server.pid, signal.SIGKILL)
                break
        printed = training.communicate(timeout=300)[0]
    assert training.returncode == 0, [*before, printed]
    assert "no longer answers; training goes on" in printed
    assert f"the training is complete in {out}" in printed
    waiting = len((out / unsent.UNSENT).read_text().splitlines())
    assert waiting > 8 * (epochs - 3)
    with servers.sqlite_mlflow(tmp_path / "server", port):
        client, run_id = MlflowClient(address), str(runs.run_of(out))

        def require_all_metrics() -> None:
            reported = {"step/loss": range(1, 8 * epochs + 1), "valid/score": range(8, 8 * epochs + 1, 8)}
            for key, steps in reported.items():
                # (A checkpoint that is kept has the score of its epoch, and MLflow counts that to the run as well.)
                arrived = {(point.step, point.value) for point in client.get_metric_history(run_id, key)}
                assert sorted(step for step, _ in arrived) == list(steps)
            assert client.get_run(run_id).info.status == "FINISHED"

        # The next stage of the graph leaves the model folder, which is the training's, as it is.
        judged = ["evaluate", "--data", tiny_split, "--model", out, "--out", tmp_path / "report", "--params", params]
        report = subprocess.run([*command[:3], *judged], env=environment, capture_output=True, text=True, timeout=300)
        assert report.returncode in (0, 3), report.stdout + report.stderr
        assert f"{waiting} metrics of the training" in report.stdout
        assert (out / unsent.UNSENT).exists()
        require_all_metrics()
        again = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
        assert again.returncode == 0, again.stdout + again.stderr
        assert "metrics were sent to it" in again.stdout
        assert not (out / unsent.UNSENT).exists()
        require_all_metrics()
