"""The services of a team as they really run: PostgreSQL, MLflow, Prefect, and a worker that runs a clone's flows."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

from flows import project
from flows.services.folder import Folder
from tests.helpers import free_port


@dataclass(frozen=True)
class Started:
    """Running services, and what a client of theirs has in its environment."""

    folder: Folder
    environment: dict[str, str]

    @property
    def name(self) -> str:
        """Of the clone's deployments."""
        return project.name(self.folder.root)

    def verb(self, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        """``python -m flows.services``."""
        return verb(self.folder, *words, code=code)

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
            deployment = client.read_deployment_by_name(f"{flow}/{self.name}")
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

    def answer(self, run_id: Any, **values: Any) -> None:
        """What a person fills into the form of a suspended run."""
        with self.client() as client:
            client.resume_flow_run(run_id, run_input=values)


def verb(folder: Folder, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    """``python -m flows.services``, in an environment without addresses and secrets of others."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "PREFECT_"))}
    done = subprocess.run(
        [sys.executable, "-m", "flows.services", "--folder", str(folder.path), *words],
        cwd=folder.root, env=clean, text=True, capture_output=True, timeout=400,
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    return done


@contextlib.contextmanager
def services(path: Path, root: Path) -> Iterator[Started]:
    """Services that were started, and the flows of a clone deployed to them."""
    folder = Folder(path, root)
    try:
        verb(folder, "start", "--mlflow-port", str(free_port()), "--prefect-port", str(free_port()))
        values = folder.environment()
        deployed = subprocess.run(
            [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"],
            cwd=root, env=os.environ | values, text=True, capture_output=True, timeout=120,
        )  # fmt: skip
        assert deployed.returncode == 0, deployed.stdout + deployed.stderr
        yield Started(folder, values)
    finally:
        verb(folder, "stop")
