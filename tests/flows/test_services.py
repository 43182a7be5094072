"""The services of a team as they really run: PostgreSQL, MLflow, Prefect, and a worker that runs deployed flows."""

import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import mlflow
import psutil
import pytest
from prefect.states import Cancelling

from flows import process, project
from flows.services.folder import Folder
from flows.services.process import running, stop
from flows.services.suite import NAMES
from tests import registrations, servers
from tests.flows import notifications, team
from tests.flows.team import Started
from tests.helpers import free_port
from wav2tok.files import write_json
from wav2tok.release import history, versions

PROJECT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.services]


def verb(path: Path, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    """A verb for services of this clone, in a folder."""
    return team.verb(Folder(path, PROJECT), *words, code=code)


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A folder that PostgreSQL's user can reach, as it cannot reach pytest's."""
    servers.program("initdb")
    with tempfile.TemporaryDirectory(prefix="wav2tok-services-") as name:
        Path(name).chmod(0o711)
        yield Path(name)


@pytest.fixture(scope="module")
def services(place: Path) -> Iterator[Started]:
    """Services that were started, and the flows of this clone deployed to them."""
    with team.services(place / "services", PROJECT) as started:
        yield started


@pytest.fixture
def tracked(services: Started, monkeypatch: pytest.MonkeyPatch) -> Iterator[mlflow.MlflowClient]:
    """A client of the MLflow server, signed in as the administrator."""
    for name, value in services.environment.items():
        monkeypatch.setenv(name, value)
    mlflow.set_tracking_uri(services.environment["MLFLOW_TRACKING_URI"])
    yield mlflow.MlflowClient()
    mlflow.set_tracking_uri(None)


def test_they_run_and_let_nobody_in_without_a_password(services):
    lines = verb(services.folder.path, "status").stdout.splitlines()
    assert [line.split()[0] for line in lines[:4]] == list(NAMES)
    tracking, api = services.environment["MLFLOW_TRACKING_URI"], services.environment["PREFECT_API_URL"]
    for url in (f"{tracking}/api/2.0/mlflow/experiments/search?max_results=1", f"{api}/admin/version"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(url, timeout=10)
        assert refused.value.code == 401
    with services.client() as client:
        (pool,) = client.read_work_pools()
    assert (pool.name, pool.type) == (project.POOL, "process")


def test_a_browser_finds_the_api_of_prefect_on_its_port(services):
    api = services.environment["PREFECT_API_URL"]
    with urllib.request.urlopen(f"{api.removesuffix('/api')}/ui-settings", timeout=10) as answer:
        assert json.load(answer)["api_url"] == api


def test_everything_listens_on_loopback_and_postgresql_on_no_port(services):
    ours = {}
    for name in NAMES:
        one = running(services.folder, name)
        assert one is not None
        ours[name] = {connection.laddr.ip for member in [one, *one.children(recursive=True)]
                      for connection in member.net_connections("inet") if connection.status == "LISTEN"}  # fmt: skip
    assert ours["postgresql"] == set()
    assert set().union(*ours.values()) == {"127.0.0.1"}


def test_secrets_are_in_a_closed_file_and_on_no_command_line(services):
    path = services.folder.environment_file
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    passwords = [services.environment["MLFLOW_TRACKING_PASSWORD"], services.environment["PREFECT_API_AUTH_STRING"]]
    shown = [" ".join(one.info["cmdline"] or ()) for one in psutil.process_iter(["cmdline"])]
    assert not [line for line in shown if any(password in line for password in passwords)]
    said = verb(services.folder.path, "status").stdout
    assert not any(password in said for password in passwords)


def test_a_second_start_starts_only_what_is_missing(services):
    before = {name: running(services.folder, name).pid for name in NAMES}
    assert verb(services.folder.path, "start").stdout.startswith("all of them run already.\n")
    running(services.folder, "worker").kill()
    assert verb(services.folder.path, "status", code=1).stdout.count("not running") == 1
    assert verb(services.folder.path, "start").stdout.startswith("started worker.\n")
    after = {name: running(services.folder, name).pid for name in NAMES}
    assert {name for name in NAMES if before[name] != after[name]} == {"worker"}


def test_a_taken_port_is_one_sentence_and_nothing_is_started(services, place):
    port = services.environment["PREFECT_API_URL"].rpartition(":")[2].removesuffix("/api")
    done = verb(place / "other", "start", "--mlflow-port", str(free_port()), "--prefect-port", port, code=2)
    assert done.stderr == (
        f"services: port {port} is taken by another program; choose another for prefect. (--prefect-port)\n"
    )
    assert verb(place / "other", "status", code=1).stdout.count("not running") == 4


def test_a_process_that_got_the_number_of_a_service_is_left_alone(place):
    folder = Folder(place / "numbers", PROJECT)
    folder.make()
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        started = psutil.Process(other.pid).create_time()
        write_json(folder.record("worker"), {"pid": other.pid, "started": started - 100})
        assert running(folder, "worker") is None
        assert not stop(folder, "worker")
        assert other.poll() is None
        write_json(folder.record("worker"), {"pid": other.pid, "started": started})
        assert stop(folder, "worker")
        assert other.poll() is not None
    finally:
        other.kill()
        other.wait()


def test_the_worker_retrains_and_a_run_that_overlaps_is_skipped(services, untouched):
    state = services.until(services.run("retrain", root=str(untouched.root)), "Completed")
    assert state.message == "registered wav2tok version 3 as champion: it is better"
    assert len(untouched.ran()) == 7
    with process.alone(untouched.root):
        skipped = services.until(services.run("ingest", root=str(untouched.root)), "Skipped")
    assert skipped.is_cancelled()
    assert skipped.message.startswith(f"another retraining (process {os.getpid()}) holds the lock of ")
    assert untouched.ran() == []


def test_a_champion_that_the_gate_refuses_today_starts_a_retraining(services):
    code = "from flows import events, project; events.emit(events.OUTDATED, project.PROJECT, {'reasons': ['V is low']})"
    with services.client() as client, process.alone(project.PROJECT):  # so that this clone is not retrained
        before = {run.id for run in client.read_flow_runs()}
        subprocess.run(
            [sys.executable, "-c", code], cwd=project.PROJECT, env=os.environ | services.environment, check=True
        )
        end = time.monotonic() + 60
        while not (started := [run for run in client.read_flow_runs() if run.id not in before]):
            assert time.monotonic() < end
            time.sleep(0.5)
        (run,) = started
        assert run.created_by.type == "AUTOMATION"
        services.until(run.id, "Skipped")


def test_a_failed_run_is_reported_by_the_webhook(services, untouched):
    with services.client(), notifications.received(project.name()) as bodies:
        untouched.turn("validate", "user")
        services.until(services.run("retrain", root=str(untouched.root)), "Failed")
        bodies.wait()
    (body,) = bodies
    assert f"retrain of {project.name()}: validate failed: data/a.flac cannot be read; replace it." in body
    assert "/runs/flow-run/" in body


TRAINING = """
if knob == "track":
    from wav2tok.tracking import runs

    with runs.run("cancelled", training=True):
        pathlib.Path("pids.txt").write_text(str(os.getpid()))
        time.sleep(600)
"""


def test_a_cancelled_run_ends_its_stage_and_closes_the_mlflow_run(services, untouched, tracked):
    script = untouched.root / "stage.py"
    script.write_text(script.read_text().replace('if knob == "hang":', f'{TRAINING}\nif knob == "hang":'))
    untouched.turn("train", "track")
    run_id = services.run("retrain", root=str(untouched.root))
    end = time.monotonic() + 120
    while not (untouched.root / "pids.txt").exists():
        assert time.monotonic() < end
        time.sleep(0.2)
    with services.client() as client:
        client.set_flow_run_state(run_id, Cancelling())
    services.until(run_id, "Cancelled", seconds=90)
    pid = int((untouched.root / "pids.txt").read_text())
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    experiment = tracked.get_experiment_by_name("cancelled")
    (training,) = tracked.search_runs([experiment.experiment_id])
    assert training.info.status == "KILLED"


def test_a_run_that_was_killed_with_the_worker_is_crashed_at_the_next_start(services, untouched):
    untouched.turn("train", "hang")
    run_id = services.run("retrain", root=str(untouched.root))
    end = time.monotonic() + 120
    while not (untouched.root / "pids.txt").exists():
        assert time.monotonic() < end
        time.sleep(0.2)
    worker = running(services.folder, "worker")
    family = [worker, *worker.children(recursive=True)]
    for one in family:
        one.kill()
    psutil.wait_procs(family, 10)
    with services.client() as client:
        assert client.read_flow_run(run_id).state.is_running()
    services.verb("start")
    state = services.until(run_id, "Crashed")
    assert (
        state.message
        == "its process was killed, with the worker or the machine; the next run goes on where it stopped."
    )


def test_promote_waits_for_a_yes(services, untouched, tracked):
    mlflow.set_experiment("promotion")
    registrations.versions_of("wav2tok", 2)
    tracked.set_registered_model_alias("wav2tok", "champion", "1")
    run_id = services.run("promote", root=str(untouched.root), version=2)
    services.until(run_id, "Suspended")
    assert registrations.alias("wav2tok", "champion") == "1"
    services.answer(run_id, approve=True, name="Ada", why="I have listened to it")
    state = services.until(run_id, "Completed")
    assert state.message == "wav2tok version 2 is the champion: Ada, in Prefect: I have listened to it"
    assert registrations.alias("wav2tok", "champion") == "2"
    (event,) = history.of_version(versions.get("wav2tok", "2", ""))
    assert (event.event, event.why) == ("promoted", "Ada, in Prefect: I have listened to it")


def test_a_backup_brings_back_versions_artifacts_and_deployments(services, place, tracked):
    mlflow.set_experiment("backup")
    registrations.versions_of("kept", 1)
    run_id = tracked.get_model_version("kept", "1").run_id
    tracked.log_text(run_id, "the card", "card.md")
    file, path = place / "backup.tar", services.folder.path
    verb(path, "backup", str(file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "exists" in verb(path, "backup", str(file), code=2).stderr

    assert verb(path, "stop").stdout == "stopped worker, prefect, mlflow, postgresql.\n"
    shutil.rmtree(path)
    cut = place / "cut.tar"
    cut.write_bytes(file.read_bytes()[:20_000])
    assert "cannot be read as a backup" in verb(path, "restore", str(cut), code=2).stderr
    assert not path.exists() or not list(path.iterdir())

    verb(path, "restore", str(file))
    assert "not empty" in verb(path, "restore", str(file), code=2).stderr
    verb(path, "start")
    assert tracked.get_model_version("kept", "1").run_id == run_id
    assert mlflow.artifacts.load_text(f"runs:/{run_id}/card.md") == "the card"
    with services.client() as prefect:
        assert {deployment.name for deployment in prefect.read_deployments()} == {project.name()}
