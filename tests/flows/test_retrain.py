"""The flow, run by the real Prefect."""

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    FlowRunFilter,
    FlowRunFilterId,
    LogFilter,
    LogFilterFlowRunId,
)
from prefect.client.schemas.objects import State
from prefect.client.schemas.sorting import FlowRunSort
from prefect.states import Failed

from flows import process
from flows.artifacts import publish
from flows.retrain import retrain, stage
from wav2tok.errors import UserError

PROJECT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.services]


def _artifacts(state: State[Any]) -> dict[str, Any]:
    with get_client(sync_client=True) as client:
        run = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[state.state_details.flow_run_id]))
        return {found.key: found.data for found in client.read_artifacts(artifact_filter=run)}


def _tasks(flow_run: Any) -> dict[str, Any]:
    """The task runs of a flow run in the order of their start, by name."""
    wanted = FlowRunFilter(id=FlowRunFilterId(any_=[flow_run]))
    until = time.monotonic() + 10
    with get_client(sync_client=True) as client:
        while True:  # the server records task runs from events, a moment later
            found = client.read_task_runs(flow_run_filter=wanted)
            if (found and all(run.state.is_final() for run in found)) or time.monotonic() > until:
                break
            time.sleep(0.2)
    return {run.name: run for run in sorted(found, key=lambda run: run.start_time)}


def _logs(state: State[Any], line: str) -> bool:
    wanted = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[state.state_details.flow_run_id]))
    until = time.monotonic() + 10
    with get_client(sync_client=True) as client:
        while time.monotonic() < until:
            if any(log.message == line for log in client.read_logs(wanted, limit=200)):
                return True
            time.sleep(0.3)
    return False


def _pids(tiny: Any) -> list[int]:
    """The hanging stage and its two children, one of which has left its process group."""
    return [int(pid) for pid in (tiny.root / "pids.txt").read_text().split()]


def _still_there(pids: list[int]) -> list[psutil.Process]:
    """Processes that still run; zombies in a container without a reaper do not count."""
    existing = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
    return [
        process for process in psutil.wait_procs(existing, timeout=1)[1] if process.status() != psutil.STATUS_ZOMBIE
    ]


@pytest.mark.parametrize("text", [None, "", "plots: []", "stages: [", "[1]"])
def test_a_graph_without_stages_is_refused(text, tmp_path):
    if text is not None:
        (tmp_path / "dvc.yaml").write_text(text)
    with pytest.raises(UserError, match=r"dvc\.yaml does not exist or names no stages"):
        process.stages(tmp_path)


def test_it_runs_every_stage_in_order_and_publishes_artifacts(finished):
    state, root = finished.state, finished.project.root
    assert (state.type, state.name) == ("COMPLETED", "Completed")
    assert state.message == "registered wav2tok version 3 as champion: it is better"
    assert state.result()["version"] == "3"
    names = list(yaml.safe_load((root / "dvc.yaml").read_text())["stages"])
    assert finished.ran == names
    assert list(_tasks(state.state_details.flow_run_id)) == names
    assert _logs(state, "train begins")

    found = _artifacts(state)
    assert set(found) == {"data-docs", "held-out-retrieval", "retrieval-report", "mlflow-run", "mlflow-registry"}
    row = {"system": "wav2tok", "MRR": 0.9, "MAP": 0.812, "P@1": 0.7, "R@10": 0.6}
    assert yaml.safe_load(found["held-out-retrieval"]) == [{"view": "V"} | row, {"view": "TS"} | row]
    report = root / "artifacts" / "report"
    assert f"[bars]({(report / 'plots' / 'bars.png').resolve().as_uri()})" in found["retrieval-report"]
    assert "Not approved" not in found["retrieval-report"]
    assert (root / "artifacts/validation/docs/index.html").resolve().as_uri() in found["data-docs"]
    assert "/#/runs/abc123" in found["mlflow-run"]
    assert "/#/models/wav2tok/versions/3" in found["mlflow-registry"]


def test_a_second_run_does_nothing_and_the_module_prints_the_summary(tiny, server):
    done = subprocess.run(
        [sys.executable, "-m", "flows.retrain", "--root", str(tiny.root)],
        cwd=PROJECT,
        text=True,
        env=os.environ | {"PREFECT_API_URL": server},
        capture_output=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith((tiny.root / "artifacts/registered/summary.txt").read_text())
    assert tiny.ran() == []
    with get_client(sync_client=True) as client:
        (run,) = client.read_flow_runs(sort=FlowRunSort.START_TIME_DESC, limit=1)
    assert run.parameters["root"] == str(tiny.root)
    assert run.state.is_completed()
    assert run.state.message == "Nothing has changed since: registered wav2tok version 3 as champion: it is better"
    assert {task.state_name for task in _tasks(run.id).values()} == {"Unchanged"}


def test_a_refused_model_is_a_success_that_says_not_approved(tiny):
    tiny.turn("evaluate", "refuse")
    state = retrain(tiny.root, return_state=True)
    assert (state.type, state.name) == ("COMPLETED", "Not approved")
    assert state.message == "not approved, nothing registered: MRR on TS is 0.100, below 0.300."
    assert state.result() == {"registered": False, "reasons": ["MRR on TS is 0.100, below 0.300."]}
    assert tiny.ran() == ["evaluate", "export", "register"]
    found = _artifacts(state)
    assert found["retrieval-report"].startswith("# Not approved\n\n- MRR on TS is 0.100, below 0.300.\n")
    assert "mlflow-registry" not in found


def test_a_failing_stage_is_retried_and_fails_in_its_own_words(tiny):
    tiny.turn("split", "fail")
    state = retrain(tiny.root, return_state=True)
    assert state.is_failed()
    assert state.message == "split failed: the disk of the stage is full"
    assert tiny.ran() == ["split", "split"]
    runs = _tasks(state.state_details.flow_run_id)
    assert list(runs) == ["validate", "split"]
    assert (runs["split"].run_count, runs["split"].state.message) == (2, "split failed: the disk of the stage is full")


def test_refused_input_is_not_retried_and_the_module_exits_with_code_2(tiny, server):
    tiny.turn("validate", "user")
    done = subprocess.run(
        [sys.executable, "-m", "flows.retrain", "--root", str(tiny.root)],
        cwd=PROJECT,
        text=True,
        env=os.environ | {"PREFECT_API_URL": server},
        capture_output=True,
        timeout=120,
    )
    assert done.returncode == 2
    assert done.stderr.endswith("\nretrain: validate failed: data/a.flac cannot be read; replace it.\n")
    assert "Traceback" not in done.stderr
    assert tiny.ran() == ["validate"]


def test_a_hanging_stage_is_killed_at_its_time_limit_with_all_its_children(tiny, monkeypatch):
    monkeypatch.setattr(process, "GRACE_SECONDS", 2.0)
    tiny.turn("train", "hang")

    @flow(name="one stage")
    def one() -> State[Any]:
        train = stage.with_options(name="train", task_run_name="train")
        state = train("train", tiny.root, 0.1, return_state=True)
        return Failed(message=state.message)

    state = one(return_state=True)
    assert state.message == "train was stopped at its time limit of 0.1 minutes (schedule.timeout_minutes)."
    assert _tasks(state.state_details.flow_run_id)["train"].state_name == "TimedOut"
    pids = _pids(tiny)
    assert len(pids) == 3
    assert _still_there(pids) == []
    # DVC's own locks are clear: the next attempt runs.
    tiny.turn("train", "go")
    tiny.ran()
    process.run("train", tiny.root, 5, lambda line: None, force=True)
    assert tiny.ran() == ["train"]


def test_a_second_run_is_refused_and_the_first_can_be_stopped(tiny, server):
    tiny.turn("validate", "hang")
    first = subprocess.Popen(
        [sys.executable, "-m", "flows.retrain", "--root", str(tiny.root)],
        cwd=PROJECT,
        env=os.environ | {"PREFECT_API_URL": server},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        until = time.monotonic() + 60
        while not (tiny.root / "pids.txt").exists():
            assert first.poll() is None, first.communicate()[0]
            assert time.monotonic() < until
            time.sleep(0.1)
        second = retrain(tiny.root, return_state=True)
        assert (second.type, second.name) == ("CANCELLED", "Skipped")
        assert second.message.startswith(f"another retraining (process {first.pid}) holds the lock of ")
        assert tiny.ran() == ["validate"]
        # As Prefect does when a person cancels the run.
        first.send_signal(signal.SIGTERM)
        first.wait(40)
        assert _still_there(_pids(tiny)) == []
    finally:
        first.kill()
        first.communicate()


def test_broken_parameters_fail_in_one_sentence(tiny):
    (tiny.root / "params.yaml").write_text("schedule: {retries: many}\n")
    state = retrain(tiny.root, return_state=True)
    assert state.is_failed()
    assert state.message == "schedule.retries is 'many'; it must be of type int."


def test_an_mlflow_address_is_shown_without_its_password(tiny, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@localhost:5001/mlflow/")

    @flow(name="links")
    def links() -> str:
        publish("register", tiny.root)
        return str(datetime.now(UTC))

    found = _artifacts(links(return_state=True))
    assert "(http://localhost:5001/mlflow/#/runs/abc123)" in found["mlflow-run"]
    assert "secret" not in "".join(found.values())
