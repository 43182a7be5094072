"""The services of a team as they really run: PostgreSQL, MLflow, Prefect, and a worker that runs deployed flows."""

import contextlib
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import mlflow
import psutil
import pytest
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings
from prefect.states import Cancelling

from flows import notify, process, project
from flows.services.folder import Folder
from flows.services.process import running, stop
from flows.services.suite import NAMES
from tests import registrations, servers
from tests.helpers import free_port
from wav2tok.files import write_json
from wav2tok.release import history, versions

PROJECT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.services]


@dataclass(frozen=True)
class Started:
    """Running services, and what a client of theirs has in its environment."""

    folder: Folder
    environment: dict[str, str]

    @contextlib.contextmanager
    def client(self) -> Iterator[SyncPrefectClient]:
        """Prefect's client, signed in."""
        settings = {
            PREFECT_API_URL: self.environment["PREFECT_API_URL"],
            PREFECT_API_AUTH_STRING: self.environment["PREFECT_API_AUTH_STRING"],
        }
        with temporary_settings(settings), get_client(sync_client=True) as client:
            yield client

    def run(self, flow: str, **parameters: Any) -> Any:
        """Start a run of a deployment; its id."""
        with self.client() as client:
            deployment = client.read_deployment_by_name(f"{flow}/{project.name()}")
            return client.create_flow_run_from_deployment(deployment.id, parameters=parameters).id

    def until(self, run_id: Any, *names: str, seconds: float = 150) -> Any:
        """The state of a run once it has one of these names."""
        end = time.monotonic() + seconds
        with self.client() as client:
            while True:
                state = client.read_flow_run(run_id).state
                if state.name in names:
                    return state
                assert not state.is_final(), state
                assert time.monotonic() < end, state
                time.sleep(0.5)


def verb(folder: Path, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    """``python -m flows.services``, in an environment without addresses and secrets of others."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "PREFECT_"))}
    done = subprocess.run(
        [sys.executable, "-m", "flows.services", "--folder", str(folder), *words],
        cwd=PROJECT, env=clean, text=True, capture_output=True, timeout=400,
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    return done


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
    folder = Folder(place / "services", PROJECT)
    ports = ("--mlflow-port", str(free_port()), "--prefect-port", str(free_port()))
    try:
        verb(folder.path, "start", *ports)
        values = folder.environment()
        deployed = subprocess.run(
            [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"],
            cwd=PROJECT, env=os.environ | values, text=True, capture_output=True, timeout=120,
        )  # fmt: skip
        assert deployed.returncode == 0, deployed.stdout + deployed.stderr
        yield Started(folder, values)
    finally:
        verb(folder.path, "stop")


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


def test_a_failed_run_is_reported_by_the_webhook(services, untouched):
    bodies: list[str] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    hook = HTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=hook.serve_forever, daemon=True).start()
    try:
        with services.client():
            CustomWebhookNotificationBlock.register_type_and_schema()
            block = CustomWebhookNotificationBlock(
                name="team", url=f"http://127.0.0.1:{hook.server_port}", json_data={"text": "{{subject}}: {{body}}"}
            )
            block.save("team", overwrite=True)
            for _ in range(2):  # the second replaces the first
                notify.notify("custom-webhook/team", project.name())
        time.sleep(3)  # the server's triggers learn of it
        untouched.turn("validate", "user")
        services.until(services.run("retrain", root=str(untouched.root)), "Failed")
        end = time.monotonic() + 30
        while not bodies and time.monotonic() < end:
            time.sleep(0.2)
        time.sleep(1)
    finally:
        hook.shutdown()
        hook.server_close()
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


def test_promote_waits_for_a_yes(services, untouched, tracked):
    mlflow.set_experiment("promotion")
    registrations.versions_of("wav2tok", 2)
    tracked.set_registered_model_alias("wav2tok", "champion", "1")
    run_id = services.run("promote", root=str(untouched.root), version=2)
    services.until(run_id, "Suspended")
    assert registrations.alias("wav2tok", "champion") == "1"
    with services.client() as client:
        client.resume_flow_run(run_id, run_input={"approve": True, "name": "Ada", "why": "I have listened to it"})
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
