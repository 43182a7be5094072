"""A person's yes or no, given through the API of a real Prefect server to a deployment that really runs."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import mlflow
import pytest
import yaml
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

from flows import approval, process
from flows.retrain import registered, retrain
from tests import registrations, servers
from tests.flows import notifications
from wav2tok.files import read_json, write_json
from wav2tok.release import history, versions
from wav2tok.tracking import store

PROJECT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.services]


@pytest.fixture
def waiting(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A project whose version 3 has beaten the champion, version 1, and waits for a person."""
    for name in ("MLFLOW_TRACKING_URI", "DVC_ROOT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tiny.root)
    settle(tiny)
    store.connect()
    mlflow.set_experiment("approval")
    registrations.versions_of("wav2tok", 3)
    mlflow.MlflowClient().set_registered_model_alias("wav2tok", "champion", "1")
    mlflow.MlflowClient().set_registered_model_alias("wav2tok", "challenger", "3")
    versions.tag("wav2tok", "3", "approval", "waiting")
    versions.tag("wav2tok", "3", "outcome", json.dumps({"standing": {"against": "1"}}))
    tiny.turn("register", "ask")
    yield tiny
    mlflow.set_tracking_uri(None)


@contextlib.contextmanager
def serving(root: Path, server: dict[str, str]) -> Iterator[None]:
    """A project's deployment served, as ``make schedule`` does, at the Prefect server of these variables."""
    running = subprocess.Popen(
        [sys.executable, "-m", "flows.schedule", "--root", str(root)],
        cwd=PROJECT,
        env=os.environ | server,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield
    finally:
        running.terminate()
        print(running.communicate(timeout=60)[0])


@pytest.fixture
def served(waiting: Any, server: str) -> Iterator[Any]:
    """The project with its deployment served."""
    with serving(waiting.root, {"PREFECT_API_URL": server}):
        yield waiting


@pytest.fixture
def expiring(waiting: Any) -> Iterator[Any]:
    """The project, served at a Prefect server that fails runs which wait too long, as the harness's does not."""
    secret = "team:the-password-of-the-tests"
    with (
        servers.prefect_server(secret) as (address, _),
        temporary_settings({PREFECT_API_URL: address, PREFECT_API_AUTH_STRING: secret}),
        serving(waiting.root, {"PREFECT_API_URL": address, "PREFECT_API_AUTH_STRING": secret}),
    ):
        yield waiting


def settle(project: Any, **register: Any) -> None:
    """Write parameters of the section ``register``."""
    path = project.root / "params.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"register": {"approval": "manual"} | register}))


def until(run_id: Any, reached: Callable[[Any], bool], seconds: float = 180) -> Any:
    """The state of a flow run once it is as wanted."""
    end = time.monotonic() + seconds
    with get_client(sync_client=True) as client:
        while True:
            state = client.read_flow_run(run_id).state
            if reached(state):
                return state
            assert not state.is_final(), state
            assert time.monotonic() < end, state
            time.sleep(0.5)


def start(project: Any) -> Any:
    """A run of the project's deployment, as the UI's button starts it; its id."""
    end = time.monotonic() + 120
    with get_client(sync_client=True) as client:
        while True:
            # The server may still hold the deployment of the test before.
            found = [one for one in client.read_deployments() if one.parameters.get("root") == str(project.root)]
            if found and found[0].status == "READY":
                return client.create_flow_run_from_deployment(found[0].id).id
            assert time.monotonic() < end
            time.sleep(0.5)


def answer(run_id: Any, **values: Any) -> None:
    with get_client(sync_client=True) as client:
        client.resume_flow_run(run_id, run_input=values)


def alias(name: str) -> str | None:
    return registrations.alias("wav2tok", name)


@pytest.mark.parametrize("yes", [True, False])
def test_the_run_is_suspended_until_a_person_answers(served: Any, yes: bool) -> None:
    run_id = start(served)
    state = until(run_id, lambda state: state.is_paused())
    assert state.name == "Suspended"
    days = state.state_details.pause_timeout - datetime.now(UTC)
    assert timedelta(days=6.9) < days < timedelta(days=7.1)  # register.approval_days
    with get_client(sync_client=True) as client:
        form = client.read_flow_run_input(run_id, state.state_details.run_input_keyset["description"])
    assert "Is wav2tok version 3 to be the champion?" in str(form)
    assert "a gain of +0.100." in str(form)
    assert alias("champion") == "1"  # nothing has happened yet
    served.ran()
    # What was registered since changes nothing: the answer is about version 3, and no stage runs again.
    outcome = registered(served.root).outcome
    write_json(outcome, read_json(outcome) | {"version": "2"})
    served.turn("train", "fail")
    answer(run_id, approve=yes, name="Ada", why="I have listened to it")
    state = until(run_id, lambda state: state.is_final())
    assert state.is_completed(), state
    assert served.ran() == []
    said = "Ada, in Prefect: I have listened to it"
    events = [(event.event, event.why) for event in history.of_version(versions.get("wav2tok", "3", ""))]
    if yes:
        assert state.message == f"wav2tok version 3 is the champion: {said}"
        assert (alias("champion"), alias("previous")) == ("3", "1")
        assert events == [("promoted", said)]
    else:
        assert (state.name, state.message) == ("Declined", f"wav2tok version 3 stays challenger: {said}")
        assert (alias("champion"), alias("challenger")) == ("1", "3")
        assert events == [("declined", said)]
    # Nobody is asked twice.
    write_json(outcome, read_json(outcome) | {"version": "3"})
    assert process.question(outcome, served.root) is None


def test_without_an_answer_in_time_the_run_fails_and_the_next_one_asks_again(expiring: Any) -> None:
    settle(expiring, approval_days=0.0001)
    with notifications.received("served") as reported:
        run_id = start(expiring)
        until(run_id, lambda state: state.is_paused())
        state = until(run_id, lambda state: state.is_final(), 60)
        assert (state.type, state.message) == ("FAILED", approval.NEVER_ANSWERED)
        reported.wait()
    assert ["retrain of served: nobody has answered in time, so nothing was promoted;" in one for one in reported] == [
        True
    ]
    with get_client(sync_client=True) as client:
        logs = client.read_logs(LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run_id])))
    (said,) = [log.message for log in logs if log.message.startswith("wav2tok version 3 waits for a yes until 20")]
    assert said.endswith('wav2tok promote 3 --why "..." still approves it.')

    version = versions.get("wav2tok", "3", "")
    assert (alias("champion"), alias("challenger"), alias("previous")) == ("1", "3", None)
    assert (version.tags["approval"], history.of_version(version)) == ("waiting", [])
    experiment = mlflow.get_experiment_by_name("approval")
    found = mlflow.MlflowClient().search_runs([experiment.experiment_id])
    assert {run.info.status for run in found} == {"FINISHED"}
    with process.alone(expiring.root):
        expiring.ran()

    settle(expiring)
    run_id = start(expiring)
    until(run_id, lambda state: state.is_paused())
    assert expiring.ran() == []
    answer(run_id, approve=True, name="Ada", why="I have listened to it")
    state = until(run_id, lambda state: state.is_final())
    assert state.message == "wav2tok version 3 is the champion: Ada, in Prefect: I have listened to it"
    assert (alias("champion"), alias("previous")) == ("3", "1")


def test_without_a_deployment_the_run_says_how_to_approve(waiting: Any, server: str) -> None:
    state = retrain(waiting.root, return_state=True)
    assert (state.type, state.name) == ("COMPLETED", "Waits for approval")
    assert state.message == 'wav2tok version 3 waits for approval: wav2tok promote 3 --why "..."'
    assert alias("champion") == "1"
