"""The four services, in the order of their start: what they run, and what is up."""

import os
import signal
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from flows import api, project
from flows.services import lost, process
from flows.services.folder import Folder
from flows.services.postgres import Postgres
from flows.services.process import Service
from wav2tok.errors import UserError
from wav2tok.files import replacing
from wav2tok.tracking import reachable
from wav2tok.writable import require_empty

NAMES = ("postgresql", "mlflow", "prefect", "worker")
_QUIET = {
    "DO_NOT_TRACK": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "GX_ANALYTICS_ENABLED": "false",
}
_OURS = ("MLFLOW_", "PREFECT_", "PG")
_PASSED = ("MLFLOW_SERVER_", "PREFECT_SERVER_UI_", "PREFECT_UI_")
"""Settings of the servers that a reverse proxy needs; no others of the caller's are taken over."""


_RUNS = 4
"""Flow runs that the worker has at a time: one at work on the project, and those that end soon."""


def start(folder: Folder, mlflow_port: int | None = None, prefect_port: int | None = None) -> list[str]:
    """Start what does not run; if one service fails, those that this call started are ended.

    Returns:
        the names of what was started.

    Raises:
        UserError: something is missing, a port is taken, or a service does not start.
    """
    if not folder.environment_file.exists():
        require_empty(folder.path)
    folder.make()
    values = folder.settle(mlflow_port, prefect_port)
    missing = [name for name in NAMES if process.running(folder, name) is None]
    for name, variable, option in (
        ("mlflow", "MLFLOW_TRACKING_URI", "mlflow-port"),
        ("prefect", "PREFECT_API_URL", "prefect-port"),
    ):
        port = urlsplit(values[variable]).port
        if name in missing and port is not None and _taken(port):
            raise UserError(f"port {port} is taken by another program; choose another for {name}.", option)
    started: list[str] = []
    try:
        for service in _services(folder, values):
            if service.name in missing:
                if service.name == "worker":
                    lost.close(values["PREFECT_API_URL"], values["PREFECT_API_AUTH_STRING"], project.name(folder.root))
                process.start(folder, service)
                started.append(service.name)
            if service.name == "postgresql":
                Postgres(folder).make_databases()
    except BaseException:
        for name in reversed(started):
            process.stop(folder, name, stop_signal(name))
        raise
    return started


def stop(folder: Folder) -> list[str]:
    """End exactly the processes that `start` started, the worker first; returns the names of those that ran."""
    return [name for name in reversed(NAMES) if process.stop(folder, name, stop_signal(name))]


def status(folder: Folder) -> list[str]:
    """A line for each service."""
    values = folder.environment()
    addresses = {
        "postgresql": str(Postgres(folder).socket),
        "mlflow": values["MLFLOW_TRACKING_URI"],
        "prefect": values["PREFECT_API_URL"].removesuffix("/api"),
        "worker": f"pool {project.POOL}, queue {project.name(folder.root)}",
    }
    lines = []
    for name in NAMES:
        found = process.running(folder, name)
        lines.append(f"{name:<11} {f'process {found.pid}' if found else 'not running':<16} {addresses[name]}")
    return lines


def postgresql(folder: Folder) -> Service:
    """The service PostgreSQL, whose cluster is made if there is none."""
    server = Postgres(folder)
    server.prepare()
    environment = _environment(folder, {})
    return Service("postgresql", server.command(), environment, server.ready, stop_signal("postgresql"), server.user)


def _services(folder: Folder, values: Mapping[str, str]) -> list[Service]:
    server = Postgres(folder)
    first = postgresql(folder)
    with replacing(folder.auth) as temporary:
        temporary.write_text(
            "[mlflow]\ndefault_permission = READ\n"
            f"database_uri = {server.address('users', 'psycopg')}\n"
            "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n",
            encoding="utf-8",
        )
    tracking, serving = urlsplit(values["MLFLOW_TRACKING_URI"]), urlsplit(values["PREFECT_API_URL"])
    mlflow = {
        "MLFLOW_AUTH_CONFIG_PATH": str(folder.auth),
        "MLFLOW_AUTH_ADMIN_USERNAME": values["MLFLOW_TRACKING_USERNAME"],
        "MLFLOW_AUTH_ADMIN_PASSWORD": values["MLFLOW_TRACKING_PASSWORD"],
        "MLFLOW_FLASK_SERVER_SECRET_KEY": values["MLFLOW_FLASK_SERVER_SECRET_KEY"],
        "MLFLOW_BACKEND_STORE_URI": server.address("mlflow", "psycopg"),
        "MLFLOW_ARTIFACTS_DESTINATION": str(folder.artifacts),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    prefect = {
        "PREFECT_API_DATABASE_CONNECTION_URL": server.address("prefect", "asyncpg"),
        "PREFECT_SERVER_API_AUTH_STRING": values["PREFECT_API_AUTH_STRING"],
        "PREFECT_API_AUTH_STRING": values["PREFECT_API_AUTH_STRING"],
        # By default they are in the server's memory: after a power failure nothing would free the place of a run that
        # was at work, and every later run of its deployment would be cancelled.
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
        # For the links in notifications, and for the page in a browser, which else looks for the API at the usual port.
        # Behind a proxy the caller knows better.
        "PREFECT_UI_URL": os.environ.get("PREFECT_UI_URL", serving._replace(path="").geturl()),
        "PREFECT_SERVER_UI_API_URL": os.environ.get("PREFECT_SERVER_UI_API_URL", serving.geturl()),
    }
    worker = {name: value for name, value in values.items() if name != "MLFLOW_FLASK_SERVER_SECRET_KEY"}
    # Prefect keeps the code of runs in a folder of one name, which in /tmp would belong to whoever came first.
    worker["TMPDIR"] = str(folder.temporary)
    queue = project.name(folder.root)
    python = sys.executable
    return [
        first,
        Service(
            "mlflow",
            [python, "-m", "mlflow", "server", "--app-name", "basic-auth", "--workers", "1", "--host", "127.0.0.1",
             "--port", str(tracking.port)],
            _environment(folder, mlflow),
            lambda: reachable.server(tracking.geturl(), "MLflow") is None,
        ),
        Service(
            "prefect",
            [python, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(serving.port)],
            _environment(folder, prefect),
            lambda: api.problem(serving.geturl()) is None,
        ),
        Service(
            "worker",
            [python, "-m", "prefect", "worker", "start", "--type", "process", "--pool", project.POOL,
             "--work-queue", queue, "--name", queue, "--limit", str(_RUNS)],
            _environment(folder, worker),
            lambda: _said(folder.log("worker"), f"Worker {queue!r} started"),
        ),
    ]  # fmt: skip


def _environment(folder: Folder, values: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without its own settings of these servers, and with ``values``."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS) or name.startswith(_PASSED)}
    here = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    return kept | _QUIET | {"PATH": here, "PREFECT_HOME": str(folder.prefect), "PYTHONUNBUFFERED": "1"} | dict(values)


def stop_signal(name: str) -> int:
    """PostgreSQL takes SIGTERM as the wish to wait for its clients, SIGINT to close their connections."""
    return signal.SIGINT if name == "postgresql" else signal.SIGTERM


def _taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def _said(log: Path, text: str) -> bool:
    return text in log.read_text(encoding="utf-8", errors="replace")
