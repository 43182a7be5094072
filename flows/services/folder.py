"""The folder of the services: data, logs, process numbers, addresses, and the secrets that were made here."""

import contextlib
import os
import secrets
import shlex
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

from wav2tok.errors import UserError
from wav2tok.files import make_folder

SECRETS = ("MLFLOW_TRACKING_PASSWORD", "PREFECT_API_AUTH_STRING", "MLFLOW_FLASK_SERVER_SECRET_KEY")
"""Made at the first start, unless the environment holds them then; those of the environment are never written."""
MLFLOW_PORT, PREFECT_PORT = 5000, 4200


class Folder:
    """Where the services of a project keep what is theirs; only the owner can enter it.

    Attributes:
        path: the folder.
        root: the project, in which the worker runs flows.
        database: PostgreSQL's cluster and socket.
        artifacts: the files of MLflow's runs and models.
        prefect, temporary: what Prefect keeps for its clients, and the worker for its runs.
        environment_file: shell lines, by which clients find the servers and sign in.
    """

    def __init__(self, path: Path, root: Path) -> None:
        self.path, self.root = path.resolve(), root.resolve()
        self.database = self.path / "database"
        self.artifacts = self.path / "artifacts"
        self.prefect = self.path / "prefect"
        self.temporary = self.path / "tmp"
        self.environment_file = self.path / "environment"
        self.auth = self.path / "mlflow-auth.ini"

    def log(self, name: str) -> Path:
        """The log of a service."""
        return self.path / "logs" / f"{name}.log"

    def record(self, name: str) -> Path:
        """The file that names the process of a service while it runs."""
        return self.path / "running" / f"{name}.json"

    def make(self) -> None:
        """Make the folder, closed to everyone else."""
        make_folder(self.path)
        # As root, PostgreSQL runs as another user, who must reach his own folder in it.
        self.path.chmod(0o711 if os.geteuid() == 0 else 0o700)
        for folder in (self.artifacts, self.prefect, self.temporary, self.path / "logs", self.path / "running"):
            make_folder(folder)
            folder.chmod(0o700)

    def environment(self) -> dict[str, str]:
        """What clients need: addresses, the user, and the secrets.

        Raises:
            UserError: the services have never started, or a secret was in the environment at the first start and is
                not now.
        """
        if not self.environment_file.exists():
            raise UserError(f"the services of {self.path} have never started; start them with make services.")
        lines = shlex.split(self.environment_file.read_text(encoding="utf-8"), comments=True)
        values = dict(word.split("=", 1) for word in lines if "=" in word)
        for name in SECRETS:
            if name not in values:
                if not os.environ.get(name):
                    raise UserError(
                        f"{name} is not set, but it was when the services of {self.path} started first; set it to the "
                        "same value."
                    )
                values[name] = os.environ[name]
        return values

    def settle(self, mlflow_port: int | None, prefect_port: int | None) -> dict[str, str]:
        """`environment`, after addresses and secrets that are still missing were chosen and written.

        Args:
            mlflow_port, prefect_port: of the servers; None: as before, or the usual ones.
        """
        known = self.environment() if self.environment_file.exists() else {}
        own: dict[str, str] = {}
        if known:
            written = self.environment_file.read_text(encoding="utf-8")
            own = {name: known[name] for name in SECRETS if f"{name}=" in written}
        else:
            made = {name: secrets.token_hex(24) for name in SECRETS}
            made["PREFECT_API_AUTH_STRING"] = f"wav2tok:{made['PREFECT_API_AUTH_STRING']}"
            own = {name: value for name, value in made.items() if not os.environ.get(name)}
        addresses = {
            "MLFLOW_TRACKING_URI": _address(mlflow_port, known.get("MLFLOW_TRACKING_URI"), MLFLOW_PORT),
            "PREFECT_API_URL": _address(prefect_port, known.get("PREFECT_API_URL"), PREFECT_PORT, "/api"),
        }
        user = known.get("MLFLOW_TRACKING_USERNAME") or os.environ.get("MLFLOW_TRACKING_USERNAME") or "admin"
        self._write(addresses | {"MLFLOW_TRACKING_USERNAME": user} | own)
        return self.environment()

    def _write(self, values: Mapping[str, str]) -> None:
        text = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in values.items())
        with private(self.environment_file) as file:
            file.write(text.encode())


@contextlib.contextmanager
def private(path: Path) -> Iterator[IO[bytes]]:
    """A new file that only its owner can ever read; it gets its name if the block succeeds, and vanishes otherwise."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)  # with mode 0600
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        os.replace(name, path)
    finally:
        Path(name).unlink(missing_ok=True)


def _address(port: int | None, known: str | None, usual: int, path: str = "") -> str:
    return known if port is None and known else f"http://127.0.0.1:{port or usual}{path}"
