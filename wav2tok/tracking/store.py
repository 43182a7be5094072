"""The MLflow store: connecting to it, checking it, downloading from it."""

import contextlib
import importlib.util
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wav2tok.errors import UserError, reason

DEFAULT_STORE = "sqlite:///mlflow.db"
_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "1",
    # Its bars go to standard error, where only the complaints of a verb belong.
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}


def available() -> bool:
    """Whether MLflow is installed."""
    return importlib.util.find_spec("mlflow") is not None


def connect() -> Any:
    """The mlflow module, with its store set: ``MLFLOW_TRACKING_URI``, or else `DEFAULT_STORE`.

    Raises:
        UserError: MLflow is not installed.
    """
    if not available():
        raise UserError(
            'MLflow is not installed, so there is no registry; pip install "wav2tok[workflow]" or name a path.'
        )
    # MLflow has no other switches for these: it reads the environment, and telemetry starts when it is imported.
    for variable, value in _ENVIRONMENT.items():
        os.environ.setdefault(variable, value)
    # Logged at every start and nothing to act on: migrations of a new store, the monitor of system metrics.
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    import mlflow

    # Importing it sets its level again.
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    mlflow.set_tracking_uri(os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_STORE)
    return mlflow


@contextlib.contextmanager
def reaching(mlflow: Any) -> Iterator[None]:
    """Turn MLflow's errors within the block into a `UserError` that names the store."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        raise UserError(
            f"the MLflow store {mlflow.get_tracking_uri()} cannot be used ({reason(error)}); start it, set "
            "MLFLOW_TRACKING_URI to another, or work without tracking."
        ) from None


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
    mlflow = connect()
    from mlflow.exceptions import MlflowException

    try:
        return Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=str(folder)))
    except (MlflowException, OSError) as error:
        raise UserError(
            f"{uri} is not in the store {mlflow.get_tracking_uri()} ({reason(error)}); register a model with "
            "wav2tok register, or set MLFLOW_TRACKING_URI.",
            "model",
        ) from None
