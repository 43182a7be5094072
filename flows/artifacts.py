"""Prefect artifacts of a retraining: a table, a report and links, made from the files that the stages wrote."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact

from wav2tok.files import read_json, read_text
from wav2tok.report.folder import RegisteredFolder, ReportFolder
from wav2tok.report.names import METRICS, VIEWS
from wav2tok.tracking import links

_IMAGE = re.compile(r"!\[([^\]]*)\]\(([^)]+)\)")


def publish(stage: str, root: Path) -> None:
    """Publish what a stage wrote to ``root/artifacts``; for most stages that is nothing."""
    artifacts = root / "artifacts"
    if stage == "validate":
        _data_docs(artifacts / "validation" / "docs" / "index.html")
    elif stage == "evaluate":
        _retrieval(ReportFolder(artifacts / "report"))
    elif stage == "register":
        _mlflow(artifacts)


def _data_docs(page: Path) -> None:
    if page.exists():
        create_link_artifact(
            page.resolve().as_uri(),
            link_text="Data Docs",
            key="data-docs",
            description="The checks of the recordings (a file on the machine that ran them).",
        )


def rows(metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The held-out retrieval in ``metrics.json``, one row per view and system."""
    return [
        {"view": view, "system": system, **{METRICS[key]: round(scores[key], 3) for key in METRICS if key in scores}}
        for view in VIEWS
        for system, scores in metrics.get(view, {}).items()
    ]


def _retrieval(report: ReportFolder) -> None:
    create_table_artifact(
        rows(read_json(report.metrics)),
        key="held-out-retrieval",
        description="Retrieval on the held-out recordings; each query " + ", ".join(VIEWS.values()) + ".",
    )
    gate = read_json(report.gate)
    text = read_text(report.markdown)
    # Prefect serves no files, so pictures become links to their place on disk.
    text = _IMAGE.sub(lambda m: f"[{m.group(1)}]({(report.path / m.group(2)).resolve().as_uri()})", text)
    if not gate["approved"]:
        text = "\n".join(["# Not approved", "", *(f"- {reason}" for reason in gate["reasons"]), "", text])
    create_markdown_artifact(text, key="retrieval-report", description="The report and the gate's verdict.")


def _mlflow(artifacts: Path) -> None:
    base = links.server() or links.LOCAL
    how = "" if links.server() else " Its store is a file: run `make ui` first."
    run = artifacts / "model" / "run.json"
    if run.exists():
        create_link_artifact(
            links.run(base, read_json(run)["run_id"], read_json(run).get("experiment_id")),
            link_text="MLflow run",
            key="mlflow-run",
            description="Parameters, curves and files of the training run." + how,
        )
    outcome = read_json(RegisteredFolder(artifacts / "registered").outcome)
    if outcome["registered"]:
        create_link_artifact(
            links.version(base, outcome["name"], outcome["version"]),
            link_text=f"{outcome['name']} version {outcome['version']}",
            key="mlflow-registry",
            description=f"Registered as {outcome['alias']}: {outcome['why']}." + how,
        )
