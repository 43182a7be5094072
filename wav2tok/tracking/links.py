"""Addresses of pages in the MLflow UI, and how to open them.

Experiments open on their training view: charts and models. MLflow by itself may open them on the page for traces of
language models.
"""

import os
from urllib.parse import quote, urlsplit

from wav2tok.tracking import store, view

LOCAL = "http://127.0.0.1:5000"
"""Where ``make ui`` serves a store that is a file."""


def server() -> str | None:
    """The address of the MLflow server that is the store, without user and password; None if it is a file."""
    where = urlsplit(os.environ.get("MLFLOW_TRACKING_URI", ""))
    if where.scheme not in ("http", "https"):
        return None
    return f"{where.scheme}://{where.netloc.rpartition('@')[2]}{where.path.rstrip('/')}"


def runs(base: str, experiment_id: str) -> str:
    """The runs of an experiment, in its training view and with the columns and charts of `wav2tok.tracking.view`."""
    return f"{base}/#/experiments/{experiment_id}/runs?workflowType=machine_learning&viewStateShareKey={view.KEY}"


def run(base: str, run_id: str, experiment_id: str | None = None) -> str:
    """One run, in the training view of its experiment if that is known."""
    if experiment_id is None:
        return f"{base}/#/runs/{run_id}"
    return f"{base}/#/experiments/{experiment_id}/runs/{run_id}?workflowType=machine_learning"


def version(base: str, name: str, number: str) -> str:
    """A version of a registered model."""
    return f"{base}/#/models/{quote(name, safe='')}/versions/{number}"


def model_file(model_id: str, name: str) -> str:
    """A file beside the graph of a logged model, in Markdown: with a link where a server shows it."""
    base = server()
    experiment = store.connect().get_logged_model(model_id).experiment_id if base else None
    where = f"`{name}` among the artifacts of models:/{model_id}"
    if base is None:
        return where
    return f"[{where}]({base}/#/experiments/{experiment}/models/{model_id}/artifacts)"


def how_to_open(experiment_id: str) -> str:
    """What opens the runs of an experiment of the present store: an address, or the command that prints one."""
    base = server()
    if base:
        return runs(base, experiment_id)
    return "make ui" if (store.project() / "dvc.yaml").is_file() else "python -m wav2tok.tracking.ui"
