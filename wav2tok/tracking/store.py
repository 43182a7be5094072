"""The MLflow store: where it is, connecting to it, checking it, downloading from it.

The store is the one that ``MLFLOW_TRACKING_URI`` names, or else ``mlflow.db`` in the project's folder, with its
artifacts in ``mlruns`` next to it. Every path in it is absolute, so the same store is meant from any folder.
"""

import contextlib
import importlib.util
import logging
import os
import re
import sqlite3
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from wav2tok.errors import UserError, reason
from wav2tok.secrets import without_secrets
from wav2tok.tracking import reachable
from wav2tok.tracking.moved import follow

DATABASE, ARTIFACTS = "mlflow.db", "mlruns"
_SQLITE = "sqlite:///"
_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "1",
    # Its bars go to standard error, where only the complaints of a verb belong.
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # It prints links to its page for traces of language models; `wav2tok.tracking.links` has those to runs.
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # A server that has gone away is noticed within seconds instead of minutes.
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
}
WAYS = "start it, set MLFLOW_TRACKING_URI to another, or work without tracking"
_USABLE: set[tuple[str, bool]] = set()
"""The stores that have answered, and whether they could be written to."""


def available() -> bool:
    """Whether MLflow is installed."""
    return importlib.util.find_spec("mlflow") is not None


def project() -> Path:
    """The project's folder: the DVC root that contains the working folder, or else the working folder itself.

    ``dvc exp run --temp`` and ``--queue`` run stages in a copy below ``.dvc/tmp/exps``, which they delete; the project
    is then the one that the copy was made of.
    """
    here = Path(os.environ.get("DVC_ROOT") or Path.cwd()).resolve()
    root = next((folder for folder in (here, *here.parents) if (folder / ".dvc" / "config").is_file()), Path.cwd())
    copied = re.fullmatch(r"(.+?)/\.dvc/tmp/exps(/.*)?", root.as_posix())
    return Path(copied[1]) if copied else root


def location() -> str:
    """The URI of the store; the path of an SQLite file in it is absolute, relative ones being below `project`."""
    uri = os.environ.get("MLFLOW_TRACKING_URI") or f"{_SQLITE}{DATABASE}"
    path = database(uri)
    return uri if path is None else f"{_SQLITE}{path}{uri[len(uri.partition('?')[0]) :]}"


def database(uri: str) -> Path | None:
    """The SQLite file of a store, with its absolute path; None for a store of another kind."""
    path = uri.removeprefix(_SQLITE).partition("?")[0]
    return project() / path if uri.startswith(_SQLITE) and path not in ("", ":memory:") else None


def artifacts_of(uri: str, experiment: str) -> str | None:
    """Where the artifacts of a new experiment go: next to an SQLite file; None leaves it to the server."""
    path = database(uri)
    return str(path.parent / ARTIFACTS / re.sub(r"[^\w. -]", "_", experiment)) if path else None


def shown() -> str:
    """The store's address for people and for files: without user and password."""
    return without_secrets(location())


def require_usable(*, writing: bool = True) -> None:
    """Refuse a store that does not answer or cannot be used, within five seconds; each is asked once per process.

    Raises:
        UserError: it cannot be used.
    """
    uri = location()
    if (uri, writing) in _USABLE:
        return
    why = reachable.problem(uri, database(uri), writing=writing)
    if why is not None:
        raise unusable(why)
    _USABLE.add((uri, writing))


def unusable(why: str) -> UserError:
    """The error that says why the store cannot be used, in words that follow its name."""
    return UserError(f"the MLflow store {shown()} {why}; {WAYS}.")


def connect(*, writing: bool = True) -> Any:
    """The mlflow module, with its store set: `location`.

    Args:
        writing: whether the store is to be written to.

    Raises:
        UserError: MLflow is not installed, or the store cannot be used.
    """
    if not available():
        raise UserError(
            'MLflow is not installed, so there is no registry; pip install "wav2tok[workflow]" or name a path.'
        )
    require_usable(writing=writing)
    # MLflow has no other switches for these: it reads the environment, and telemetry starts when it is imported.
    for variable, value in _ENVIRONMENT.items():
        os.environ.setdefault(variable, value)
    # Logged at every start and nothing to act on: migrations of a new store, the monitor of system metrics.
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    import mlflow

    # Importing it sets its level again.
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    uri = location()
    path = database(uri)
    if path is not None and path.is_file():
        follow(path, path.parent / ARTIFACTS)
    mlflow.set_tracking_uri(uri)
    return mlflow


def existing(problem: str = "") -> Any:
    """`connect` for a verb that only reads: a store that does not exist is an error, and none is made.

    Args:
        problem: what cannot be done then, such as "version 3 cannot be promoted", for the error.

    Raises:
        UserError: MLflow is not installed, or there is no store.
    """
    uri = location()
    if available():
        require_usable(writing=False)
        if not reachable.exists(uri, database(uri)):
            before = f"{problem}: " if problem else ""
            raise UserError(
                f"{before}there is no MLflow store {database(uri) or shown()}; run this in the project's folder, or "
                "set MLFLOW_TRACKING_URI."
            )
    return connect(writing=False)


@contextlib.contextmanager
def reaching(mlflow: Any, but: Collection[str] = ()) -> Iterator[None]:
    """Turn MLflow's errors within the block into a `UserError` that names the store.

    Args:
        but: the codes of errors that are raised as they are.
    """
    try:
        yield
    except failures() as error:
        if getattr(error, "error_code", None) in but:
            raise
        raise unusable(f"cannot be used ({reason(error)})") from None


def failures() -> tuple[type[Exception], ...]:
    """The errors by which a store refuses something, or shows that it is gone, locked or full."""
    from mlflow.exceptions import MlflowException
    from requests import RequestException
    from sqlalchemy.exc import SQLAlchemyError

    return MlflowException, RequestException, SQLAlchemyError, sqlite3.Error, ConnectionError


def check() -> None:
    """Send the store a request, so that a store that does not answer is noticed before long work.

    Raises:
        UserError: it does not answer.
    """
    mlflow = connect()
    with reaching(mlflow):
        mlflow.search_experiments(max_results=1)


def fetch(uri: str, folder: Path) -> Path:
    """Download what an MLflow URI names, such as ``models:/wav2tok@champion``, into ``folder``; returns its path.

    Raises:
        UserError: MLflow is not installed, or the store has no such model.
    """
    with _found(uri) as mlflow:
        return Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=str(folder)))


def listing(uri: str) -> list[str]:
    """The names of the files that a model's MLflow URI holds, without those in folders of it.

    Raises:
        UserError: as `fetch` does.
    """
    with _found(uri) as mlflow:
        found = mlflow.artifacts.list_artifacts(artifact_uri=uri)
    return [file.path.rpartition("/")[2] for file in found if not file.is_dir]


@contextlib.contextmanager
def _found(uri: str) -> Iterator[Any]:
    """The mlflow module; an error within the block says that the store does not have ``uri``."""
    mlflow = existing(f"{uri} cannot be downloaded")
    from mlflow.exceptions import MlflowException

    try:
        yield mlflow
    except (MlflowException, OSError) as error:
        raise UserError(
            f"{uri} is not in the store {shown()} ({reason(error)}); register a model with "
            "wav2tok register, or set MLFLOW_TRACKING_URI.",
            "model",
        ) from None
