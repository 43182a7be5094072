"""Real servers for tests, each in a folder of its own: PostgreSQL, MLflow with basic authentication on it, and buckets;
and ports on which there is none."""

import contextlib
import http.server
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.helpers import free_port
from wav2tok.tracking import reachable

_DEBIAN = "/usr/lib/postgresql"
ADMIN, PASSWORD = "admin", "the-password-of-the-tests"


@dataclass(frozen=True)
class Tracking:
    """A running MLflow server: its address, what a client's environment needs, and where it keeps what it is sent.

    Attributes:
        database: the address of its runs and registry, for SQLAlchemy.
        artifacts: the folder of its artifacts.
    """

    uri: str
    database: str
    artifacts: Path

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which MLflow's client finds the server and signs in."""
        return {
            "MLFLOW_TRACKING_URI": self.uri,
            "MLFLOW_TRACKING_USERNAME": ADMIN,
            "MLFLOW_TRACKING_PASSWORD": PASSWORD,
        }


def program(name: str) -> str:
    """A program of PostgreSQL, which Debian keeps off the path; the test is skipped without it."""
    debian = sorted(Path(_DEBIAN).glob(f"*/bin/{name}")) if Path(_DEBIAN).is_dir() else []
    found = shutil.which(name) or (str(debian[-1]) if debian else None)
    if found is None:
        pytest.skip(f"{name} is not installed; install Debian's package postgresql")
    return found


def _wait(ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path, seconds: float = 120) -> None:
    """Wait until a server answers; if its process ends before, its log is the error."""
    until = time.monotonic() + seconds
    while not ready():
        if process.poll() is not None or time.monotonic() > until:
            raise RuntimeError(log.read_text(errors="replace")[-3000:])
        time.sleep(0.2)


@contextlib.contextmanager
def _started(
    command: Sequence[str],
    folder: Path,
    ready: Callable[[], bool],
    environment: Mapping[str, str],
    user: str | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """A server that answers, in ``folder``, with its log there; it is ended with the block."""
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=dict(environment), user=user, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
    try:
        _wait(ready, process, folder / "log")
        yield process
    finally:
        process.terminate()
        process.wait(30)


def _without(prefix: str) -> dict[str, str]:
    """The environment without the variables that begin so, and without telemetry."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(prefix)}
    return kept | {"DO_NOT_TRACK": "1", "MLFLOW_DISABLE_TELEMETRY": "true", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """A PostgreSQL server on a free port of this machine; yields the address of an empty database for SQLAlchemy."""
    initdb, server, is_ready = map(program, ("initdb", "postgres", "pg_isready"))
    # They refuse to run as root.
    user = "postgres" if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="wav2tok-postgres-") as name:
        folder, port = Path(name), free_port()
        if user is not None:
            shutil.chown(folder, user)
        made = subprocess.run(
            [initdb, "-D", str(folder / "data"), "-U", "mlflow", "--auth=trust", "--no-sync"],
            stdin=subprocess.DEVNULL, user=user, cwd=folder, capture_output=True, text=True,
        )  # fmt: skip
        assert made.returncode == 0, made.stderr
        command = [server, "-D", str(folder / "data"), "-p", str(port), "-h", "127.0.0.1", "-k", str(folder), "-F"]
        ask = [is_ready, "-q", "-h", "127.0.0.1", "-p", str(port), "-U", "mlflow", "-d", "postgres"]
        with _started(command, folder, lambda: subprocess.run(ask).returncode == 0, os.environ, user):
            yield f"postgresql+psycopg://mlflow@127.0.0.1:{port}/postgres"


@contextlib.contextmanager
def mlflow_server(
    database: str, artifacts: str | None = None, extra: Mapping[str, str] | None = None
) -> Iterator[Tracking]:
    """An MLflow server with basic authentication whose runs, registry and users are in ``database``.

    Args:
        artifacts: where it keeps files; by default a folder.
        extra: more of its environment.
    """
    with tempfile.TemporaryDirectory(prefix="wav2tok-mlflow-") as name:
        folder, port = Path(name), free_port()
        settings = folder / "auth.ini"
        settings.write_text(
            f"[mlflow]\ndefault_permission = READ\ndatabase_uri = sqlite:///{folder}/users.db\n"
            f"admin_username = {ADMIN}\nadmin_password = {PASSWORD}\n"
            "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
        )
        environment = _without("MLFLOW_") | {
            "MLFLOW_AUTH_CONFIG_PATH": str(settings),
            "MLFLOW_FLASK_SERVER_SECRET_KEY": "a secret of the tests",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            **(extra or {}),
        }
        command = [sys.executable, "-m", "mlflow", "server", "--app-name", "basic-auth", "--workers", "1",
                   "--host", "127.0.0.1", "--port", str(port), "--backend-store-uri", database,
                   "--artifacts-destination", artifacts or str(folder / "artifacts")]  # fmt: skip
        uri = f"http://127.0.0.1:{port}"
        with _started(command, folder, lambda: reachable.server(uri, "MLflow") is None, environment):
            yield Tracking(uri, database, folder / "artifacts")


@dataclass(frozen=True)
class Buckets:
    """A running S3 server: its address, and what a client's environment needs beside it."""

    uri: str
    environment: dict[str, str]


@contextlib.contextmanager
def s3(*buckets: str) -> Iterator[Buckets]:
    """moto's S3 server on a free port of this machine, with empty buckets; the test is skipped without its packages."""
    for module in ("boto3", "moto", "flask_cors"):
        pytest.importorskip(module, reason=f'{module} is not installed: pip install "moto[s3]" "wav2tok[s3]"')
    import boto3

    keys = {"AWS_ACCESS_KEY_ID": "tests", "AWS_SECRET_ACCESS_KEY": "tests", "AWS_DEFAULT_REGION": "us-east-1"}
    with tempfile.TemporaryDirectory(prefix="wav2tok-s3-") as name:
        port = free_port()
        command, uri = (
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            f"http://127.0.0.1:{port}",
        )
        with _started(command, Path(name), lambda: _listens(port), os.environ):
            client = boto3.client(
                "s3",
                endpoint_url=uri,
                aws_access_key_id="tests",
                aws_secret_access_key="tests",
                region_name="us-east-1",
            )
            for bucket in buckets:
                client.create_bucket(Bucket=bucket)
            yield Buckets(uri, keys)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def prefect_server(auth: str) -> Iterator[tuple[str, Path]]:
    """A Prefect server that only ``auth``, as USER:PASSWORD, can sign in to; its API's address and its folder."""
    with tempfile.TemporaryDirectory(prefix="wav2tok-prefect-") as name:
        folder, port = Path(name), free_port()
        environment = _without("PREFECT_") | {
            "PREFECT_HOME": str(folder),
            "PREFECT_SERVER_API_AUTH_STRING": auth,
            "PREFECT_API_AUTH_STRING": auth,
        }
        command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
        uri = f"http://127.0.0.1:{port}/api"
        with _started(command, folder, lambda: reachable.server(uri, "Prefect") is None, environment):
            yield uri, folder


@contextlib.contextmanager
def silent() -> Iterator[str]:
    """A server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@contextlib.contextmanager
def dripping() -> Iterator[str]:
    """A server whose answer comes byte by byte, too fast for the time limit of a socket, and takes two minutes."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with contextlib.suppress(OSError):
                for byte in b"HTTP/1.0 200 OK\r\n\r\n" + bytes(400):
                    self.wfile.write(bytes([byte]))
                    if ended.wait(0.3):
                        return

        def log_message(self, *arguments: object) -> None: ...

    ended = threading.Event()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        ended.set()
        server.shutdown()


@contextlib.contextmanager
def other(answer: bytes, **by_path: bytes) -> Iterator[str]:
    """Another program on the port; some of its paths answer something else."""
    answers = {f"/{path}": text for path, text in by_path.items()}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.wfile.write(answers.get(self.path, answer))

        def log_message(self, *arguments: object) -> None: ...

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@contextlib.contextmanager
def sqlite_mlflow(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """An MLflow server at a port of this machine, on SQLite in ``folder``; it is killed at the end, if not before."""
    folder.mkdir(exist_ok=True)
    environment = _without("MLFLOW_") | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
               "--backend-store-uri", f"sqlite:///{folder}/mlflow.db",
               "--artifacts-destination", str(folder / "files")]  # fmt: skip
    uri = f"http://127.0.0.1:{port}"
    with _started(command, folder, lambda: reachable.server(uri, "MLflow") is None, environment) as process:
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
