"""Secrets planted where MLflow, Prefect, DVC and git are configured turn up nowhere: a graph that runs, and faults.

Real servers with passwords, a real graph through the flow. Searched are all that is printed, every file of the project,
every row of MLflow's database, its artifacts, and all that Prefect's server keeps.
"""

import base64
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import pytest
import sqlalchemy

from tests import servers
from tests.helpers import free_port
from tests.projects import Project, make

pytestmark = [pytest.mark.slow, pytest.mark.services, pytest.mark.timeout(1800)]

MLFLOW = f"{servers.ADMIN}:{servers.PASSWORD}"
PREFECT = "flows:planted-for-prefect"
DVC = "team:planted-for-dvc"
GIT = "team:planted-for-git"
STORED = "planted-of-the-store"
"""A password of a DVC remote that stands in its configuration by itself, not in an address."""
PLANTED = [*(pair.partition(":")[2] for pair in (MLFLOW, PREFECT, DVC, GIT)), STORED]


def _needles() -> list[bytes]:
    """Each secret as it is, in an address, and as the headers of HTTP carry it."""
    pairs = [base64.b64encode(pair.encode()).rstrip(b"=")[:-1] for pair in (MLFLOW, PREFECT, DVC, GIT)]
    return [*(one.encode() for one in PLANTED), *(quote(one, safe="").encode() for one in PLANTED), *pairs]


@dataclass
class Place:
    """A project with planted secrets, and all that was printed in it."""

    project: Project
    tracking: servers.Tracking
    prefect: Path
    printed: dict[str, str] = field(default_factory=dict)

    def run(self, *command: str, code: int = 0, **environment: str) -> str:
        """Run a command in the project; what it prints is kept for the search."""
        done = subprocess.run(
            command, cwd=self.project.root, env=self.project.environment | environment, text=True, timeout=900,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self.printed[f"{' '.join(command)} {environment}"] = done.stdout
        assert done.returncode == code, done.stdout[-3000:]
        return done.stdout

    def contents(self) -> Iterator[tuple[str, bytes]]:
        """Everything that may hold a secret, by what it is called."""
        for command, text in self.printed.items():
            yield f"the output of {command}", text.encode()
        configured = {self.project.root / name for name in (".dvc/config.local", ".git/config")}
        for root in (self.project.root, self.prefect, self.tracking.artifacts):
            for path in root.rglob("*"):
                if path.is_file() and path not in configured:
                    yield str(path), path.read_bytes()
        engine = sqlalchemy.create_engine(self.tracking.database)
        with engine.connect() as connection:
            for table in sqlalchemy.inspect(engine).get_table_names():
                for row in connection.execute(sqlalchemy.text(f'SELECT CAST(t AS text) FROM "{table}" t')):
                    yield f"the table {table}", row[0].encode()
        engine.dispose()

    def holding(self, *texts: bytes) -> list[str]:
        return [name for name, content in self.contents() if any(text in content for text in texts)]


@pytest.fixture(scope="module")
def place(mlflow_server: servers.Tracking, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    with servers.prefect_server(PREFECT) as (api, folder):
        project = make(tmp_path_factory.mktemp("planted") / "project")
        project.environment |= {
            "MLFLOW_TRACKING_URI": mlflow_server.uri.replace("//", f"//{MLFLOW}@"),
            "PREFECT_API_URL": api,
            "PREFECT_API_AUTH_STRING": PREFECT,
            "PREFECT_HOME": str(tmp_path_factory.mktemp("prefect")),
        }
        project.run("git", "remote", "add", "origin", f"https://{GIT}@127.0.0.1:{free_port()}/project.git")
        project.run("dvc", "remote", "add", "--local", "-q", "-d", "store",
                    f"https://{DVC}@127.0.0.1:{free_port()}/store")  # fmt: skip
        project.run("dvc", "remote", "modify", "--local", "-q", "store", "password", STORED)
        yield Place(project, mlflow_server, folder)


PYTHON = sys.executable


@pytest.mark.promise(
    "Secrets of MLflow, Prefect, DVC remotes and git",
    "They are in no output, log, parameter, tag, artifact, card, passport or report, whether runs succeed or fail.",
)
def test_they_turn_up_nowhere(place: Place) -> None:
    # What succeeds: all seven stages, through the flow.
    assert "registered wav2tok version 1" in place.run(PYTHON, "-m", "flows.retrain")

    # What fails: a wrong password, no server, no Prefect, no remote.
    wrong = place.tracking.uri.replace("//", f"//{servers.ADMIN}:{servers.PASSWORD}-wrong@")
    away = f"http://{MLFLOW}@127.0.0.1:{free_port()}"
    train = ["wav2tok", "train", "--data", "artifacts/audios.bin", "--codebook", "artifacts/codebook", "--out", "other"]
    for command, uri in (
        (train, wrong),
        (["wav2tok", "tokenize", "data", "--model", "models:/wav2tok@champion"], away),
        (["wav2tok", "promote", "1", "--why", "so"], wrong),
    ):
        said = place.run(*command, code=2, MLFLOW_TRACKING_URI=uri)
        assert said.splitlines()[-1].startswith("wav2tok: ")
        assert "Traceback" not in said
    place.run(PYTHON, "-m", "flows.retrain", code=2, PREFECT_API_URL=f"http://{PREFECT}@127.0.0.1:{free_port()}/api")
    push = "from pathlib import Path; from flows import publish; publish.push(Path.cwd())"
    assert "UserError: dvc --quiet failed" in place.run(PYTHON, "-c", push, code=1)

    # The search finds what is there.
    commit = place.run("git", "rev-parse", "HEAD").strip().encode()
    assert {"the table tags", "the table model_version_tags"} <= {*place.holding(commit)}
    assert any("prefect.db" in name for name in place.holding(b"registered wav2tok version 1"))
    assert any(name.startswith(str(place.tracking.artifacts)) for name in place.holding(b"passport"))

    assert place.holding(*_needles()) == []
