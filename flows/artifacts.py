"""What a person reads of a retraining in Prefect: a table, a report, links. Only files of the graph are shown."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact

from wav2tok.files import read_json

METRICS = {"mrr": "MRR", "map": "MAP", "p_at_1": "P@1", "r_at_10": "R@10"}
_NOT_VIEWS = ("spotting", "tokens", "cost", "gate", "counts")
_IMAGE = re.compile(r"!\[([^\]]*)\]\(([^)]+)\)")


def publish(stage: str, root: Path) -> None:
    """Show what a stage has left below ``root/artifacts``; of most stages that is nothing."""
    artifacts = root / "artifacts"
    if stage == "validate":
        _data_docs(artifacts / "validation" / "docs" / "index.html")
    elif stage == "evaluate":
        _retrieval(artifacts / "report")
    elif stage == "register":
        _mlflow(artifacts)


def _data_docs(page: Path) -> None:
    if page.exists():
        create_link_artifact(
            page.resolve().as_uri(),
            link_text="Data Docs",
            key="data-docs",
            description="What was checked of the recordings (a file on the machine that ran it).",
        )


def rows(metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The held-out retrieval of ``metrics.json``, a row for each view and system."""
    return [
        {"view": view, "system": system, **{METRICS[key]: round(found[key], 3) for key in METRICS if key in found}}
        for view, systems in metrics.items()
        if view not in _NOT_VIEWS
        for system, found in systems.items()
    ]


def _retrieval(report: Path) -> None:
    create_table_artifact(
        rows(read_json(report / "metrics.json")),
        key="held-out-retrieval",
        description="Retrieval on the held-out recordings: V as they are, TS stretched, PS shifted.",
    )
    gate = read_json(report / "gate.json")
    text = (report / "report.md").read_text(encoding="utf-8")
    # Prefect serves no files: pictures become links to where they lie.
    text = _IMAGE.sub(lambda m: f"[{m.group(1)}]({(report / m.group(2)).resolve().as_uri()})", text)
    if not gate["approved"]:
        text = "\n".join(["# Not approved", "", *(f"- {reason}" for reason in gate["reasons"]), "", text])
    create_markdown_artifact(text, key="retrieval-report", description="The report, and the gate's verdict.")


def _mlflow(artifacts: Path) -> None:
    store = os.environ.get("MLFLOW_TRACKING_URI", "")
    where = urlsplit(store)
    if where.scheme in ("http", "https"):
        # Without the user and password that the address may hold.
        base, how = f"{where.scheme}://{where.netloc.rpartition('@')[2]}{where.path.rstrip('/')}", ""
    else:
        base, how = "http://localhost:5000", " Its store is a file: start `mlflow ui` first."
    run = artifacts / "model" / "run.json"
    if run.exists():
        create_link_artifact(
            f"{base}/#/runs/{read_json(run)['run_id']}",
            link_text="MLflow run",
            key="mlflow-run",
            description="Parameters, curves and files of the training." + how,
        )
    outcome = read_json(artifacts / "registered" / "registered.json")
    if outcome["registered"]:
        create_link_artifact(
            f"{base}/#/models/{quote(outcome['name'], safe='')}/versions/{outcome['version']}",
            link_text=f"{outcome['name']} version {outcome['version']}",
            key="mlflow-registry",
            description=f"Registered as {outcome['alias']}: {outcome['why']}." + how,
        )
