"""The MLflow store: connecting, checking, downloading."""

import contextlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wav2tok.errors import UserError, reason

DEFAULT_STORE = "sqlite:///mlflow.db"


def available() -> bool:
    """Whether MLflow is installed."""
    import importlib.util

    return importlib.util.find_spec("mlflow") is not None


def connect() -> Any:
    """The mlflow module, pointed at its store."""
    # Said at every start, and nothing to act on: migrations of a new store, the monitor of system metrics.
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    import mlflow

    # Importing sets its level anew.
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    mlflow.set_tracking_uri(os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_STORE)
    return mlflow


@contextlib.contextmanager
def _reaching(mlflow: Any) -> Iterator[None]:
    """A store that cannot be used is the user's to mend."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        raise UserError(
            f"the MLflow store {mlflow.get_tracking_uri()} cannot be used ({reason(error)}); start it, set "
            "MLFLOW_TRACKING_URI to another, or use --no-track."
        ) from None


def check() -> None:
    """Ask the store for something, before long work is done for it.

    Raises:
        UserError: it does not answer.
    """
    mlflow = connect()
    with _reaching(mlflow):
        mlflow.search_experiments(max_results=1)


def _connect() -> Any:
    if not available():
        raise UserError(
            "MLflow is not installed, so there is no registry; install wav2tok[workflow], or name a model by its path."
        )
    return connect()


def fetch(uri: str, folder: Path) -> Path:
    """Download what an MLflow URI names, such as ``models:/wav2tok@champion``, below ``folder``; returns where.

    Raises:
        UserError: MLflow is not installed, or knows no such model.
    """
    mlflow = _connect()
    from mlflow.exceptions import MlflowException

    try:
        return Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=str(folder)))
    except (MlflowException, OSError) as error:
        raise UserError(
            f"--model {uri} is not in the store {mlflow.get_tracking_uri()} ({reason(error)}); register one with "
            "wav2tok register, or set MLFLOW_TRACKING_URI."
        ) from None
