"""Ingest: recordings from the inbox into the corpus, then drift, retraining, and a commit of what changed.

``python -m flows.ingest`` does so once. If nothing new has arrived, it ends in seconds.
"""

import argparse
from functools import partial
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelled, Completed, Failed, State

from flows import approval, events, process, project, publish
from flows.command import finish
from flows.process import StageFailed
from flows.retrain import PROJECT, WAITS, retrain, skipped
from wav2tok.config import parameters
from wav2tok.config.schema import Config
from wav2tok.corpus import accepted
from wav2tok.errors import UserError
from wav2tok.files import read_json, read_text
from wav2tok.report.folder import ReportFolder

DELIVERY, DRIFT, LABELS = "artifacts/ingest.json", "artifacts/drift", "artifacts/labels.json"
CHANGES, VALIDATION = "artifacts/changes", "artifacts/validation"
"""What the verbs ingest, drift, labels, changes and validate write."""
REPORT = "retraining.md"
"""The readable report of what changed, which is committed with it."""


@task(task_run_name="take in", cache_policy=NO_CACHE, persist_result=False)
def take_in(root: Path, inbox: str, quarantine: str, minutes: float) -> dict[str, Any]:
    """Move good recordings into the corpus; returns what `wav2tok ingest` wrote."""
    out = root / DELIVERY
    arguments = ["ingest", inbox, "--quarantine", quarantine, "--out", str(out)]
    process.verb(arguments, root, minutes, get_run_logger().info)
    found: dict[str, Any] = read_json(out)
    return found


@task(task_run_name="accept the last data", cache_policy=NO_CACHE, persist_result=False)
def accept_last(root: Path, minutes: float) -> None:
    """Let the data before this delivery be what `validate` compares with, if it passed when it was validated.

    After the delivery has been taken in and before `validate` runs again, so that what it says of the delivery stays.
    """
    judged = root / VALIDATION / "validation.json"
    if judged.exists() and read_json(judged)["success"]:
        process.verb(["accept", "--validation", VALIDATION], root, minutes, get_run_logger().info)


@task(task_run_name="measure drift", cache_policy=NO_CACHE, persist_result=False)
def measure_drift(root: Path, paths: list[str], minutes: float) -> list[str] | None:
    """Compare new recordings with the champion's profile; returns the figures that have drifted.

    Where that is not possible (no champion, no profile, too few recordings), it is None, and the log says why.
    """
    out = root / DRIFT
    log = get_run_logger()
    try:
        process.verb(["drift", "--out", str(out)], root, minutes, log.info, "\n".join(paths))
    except StageFailed as error:
        log.warning("drift was not measured: %s", error)
        return None
    create_markdown_artifact(read_text(out / "drift.md"), key="drift", description="New recordings and the champion.")
    found: list[str] = read_json(out / "drift.json")["drifted"]
    if found:
        events.emit(events.DRIFT, root, {"drifted": found, "recordings": len(paths)})
    return found


@task(task_run_name="check labels", cache_policy=NO_CACHE, persist_result=False)
def check_labels(root: Path, config: Config) -> list[dict[str, Any]] | None:
    """The labels of a delivery that the champion finds improbable (`wav2tok.stages.labels`), which stay as they are.

    Where that is not possible (no champion, no classes), it is None, and the log says why.
    """
    log = get_run_logger()
    model = f"models:/{config.register.name}@champion"
    asked = ["labels", config.data.path, "--model", model, "--delivery", DELIVERY, "--out", LABELS]
    try:
        process.verb(asked, root, config.schedule.timeout_minutes, log.info)
    except StageFailed as error:
        log.warning("labels were not compared: %s", error)
        return None
    found: list[dict[str, Any]] = read_json(root / LABELS)["doubts"]
    if found:
        columns = ("path", "label", "share", "suggested", "suggested_share")
        rows = [{key: one[key] for key in columns} for one in found]
        create_table_artifact(rows, key="labels", description="Labels to look at; nothing was changed.")
    return found


@task(task_run_name="show changes", cache_policy=NO_CACHE, persist_result=False)
def show_changes(root: Path, measured: bool, compared: bool, minutes: float) -> None:
    """Write the page of what changed, and link it; where that is not possible, the log says why.

    Args:
        measured: whether drift was.
        compared: whether labels were.
    """
    log = get_run_logger()
    more = [*(["--drift", DRIFT] if measured else []), *(["--labels", LABELS] if compared else [])]
    try:
        process.verb(["changes", "--delivery", DELIVERY, *more, "--out", CHANGES], root, minutes, log.info)
    except StageFailed as error:
        log.warning("what changed is not shown: %s", error)
        return
    create_link_artifact(
        (root / CHANGES / "changes.html").resolve().as_uri(),
        link_text="What changed",
        key="changes",
        description="Figures, changed searches to hear, what was put aside, and drift (a file on the machine that ran "
        "the flow; also among the files of the MLflow run, under changes).",
    )


def ask_person(root: Path) -> None:
    """Start a run of the deployed flow ``retrain``: it has nothing to do but ask about the version that waits.

    This run cannot ask: nobody would look at the inbox for as long as a person takes.
    """
    name = f"retrain/{project.name(root)}"
    try:
        run_deployment(name, parameters={"root": str(root)}, timeout=0, as_subflow=False)
    except ObjectNotFound:
        get_run_logger().warning("Prefect asks nobody for approval, because the deployment %s is missing", name)


@flow(name="ingest", persist_result=False)
def ingest(
    root: Path = PROJECT, inbox: str = "inbox", quarantine: str = "quarantine", branch: str = publish.BRANCH
) -> State[dict[str, Any]]:
    """Take in what has arrived, retrain, and commit the change.

    Args:
        root: the project, with ``dvc.yaml`` and ``params.yaml``.
        inbox: the folder in which recordings arrive, CLASS/GROUP_TAKE.flac, relative to ``root``.
        quarantine: where recordings go that fail a check.
        branch: of git, that ``data.dvc``, ``dvc.lock`` and the report are committed to.

    Returns:
        what was taken in, put aside and left, and the commit.
    """
    try:
        root = root.resolve()
        config = parameters.load(root / "params.yaml")
        minutes = config.schedule.timeout_minutes
        with process.alone(root):
            delivery = take_in(root, inbox, quarantine, minutes)
            if delivery["taken"]:
                accept_last(root, minutes)
                publish.track(root, config.data.path)
        if not delivery["taken"] and not process.outdated(root):
            made = publish.commit(root, _changed(root, config), "Retrained by a run that ended early", branch)
            left = len(delivery["quarantined"])
            aside = f" {left} recordings were put into {quarantine}." if left else ""
            return Completed(name="Nothing new", data=delivery | {"commit": made}, message=f"Nothing new.{aside}")
        names = [str(Path(config.data.path, path)) for path in delivery["taken"]]
        drifted = measure_drift(root, names, minutes) if names else None
        doubts = check_labels(root, config) if names else None
        before = _figures(root)
        state = retrain(root, return_state=True)
        if state.is_cancelled():  # skipped, as another run has begun in between
            return Cancelled(name=state.name, message=state.message, data=state.result(raise_on_failure=False))
        if not state.is_completed():
            return Failed(message=state.message, data=state.result(raise_on_failure=False))
        show_changes(root, drifted is not None, doubts is not None, minutes)
        report = described(delivery, drifted, doubts, str(state.message), before, _figures(root))
        files = _changed(root, config) | {REPORT: report.encode()}
        made = publish.commit(root, files, f"Retrained\n\n{report}", branch)
        pushed = publish.push(root)
        create_markdown_artifact(report, key="change-report", description="What this delivery changed.")
        if state.name == WAITS and approval.possible():
            ask_person(root)
        where = f"{made[:10]} on {branch}" if made else f"{branch} is up to date"
        remote = ", pushed to the DVC remote" if pushed else ""
        message = f"{len(delivery['taken'])} recordings taken in; {state.message} {where}{remote}"
        return Completed(data=delivery | {"commit": made}, message=message)
    except process.Busy as error:
        return skipped(error)
    except (UserError, StageFailed) as error:
        return Failed(message=str(error), data=error)


def _changed(root: Path, config: Config) -> dict[str, bytes]:
    """The files of git that a retraining changes."""
    names = (f"{config.data.path}.dvc", "dvc.lock", accepted.FILE.name)
    return {name: (root / name).read_bytes() for name in names if (root / name).exists()}


def _figures(root: Path) -> dict[str, float]:
    """The headline figures of the report; none before the first."""
    headline = ReportFolder(root / "artifacts" / "report").headline
    values = read_json(headline) if headline.exists() else {}
    return {name: value for name, value in values.items() if isinstance(value, float)}


def described(
    delivery: dict[str, Any],
    drifted: list[str] | None,
    doubts: list[dict[str, Any]] | None,
    outcome: str,
    before: dict[str, float],
    after: dict[str, float],
) -> str:
    """The report of a delivery, in Markdown.

    Args:
        delivery: what ``wav2tok ingest`` wrote.
        drifted: the figures that have drifted; None if that was not measured.
        doubts: what the champion finds improbable of the labels; None if they were not compared.
        outcome: what became of the model, in a sentence.
        before, after: the headline figures of the last report and of this one.
    """
    quarantined = delivery["quarantined"]
    lines = [
        "# Retraining",
        "",
        outcome,
        "",
        f"- {len(delivery['taken'])} recordings were taken in.",
        f"- {len(quarantined)} were put into the quarantine.",
        *([f"- {delivery['compared']}"] if delivery["compared"] else []),
        *(f"- {sentence}." for sentence in delivery["moved"]),
        f"- {_drift(drifted)}",
        f"- {'Labels were not compared.' if doubts is None else f'{len(doubts)} labels are to be looked at.'}",
    ]
    if after:
        lines += ["", "| metric | before | after |", "|---|---|---|"]
        lines += [f"| {name} | {_shown(before.get(name))} | {_shown(value)} |" for name, value in after.items()]
    if quarantined:
        lines += ["", "| in the quarantine | reasons |", "|---|---|"]
        lines += [f"| {path} | {'; '.join(reasons)} |" for path, reasons in quarantined.items()]
    if doubts:
        lines += ["", "| label to look at | suggested |", "|---|---|"]
        lines += [f"| {one['path']} | {one['suggested'] or 'none'} |" for one in doubts]
    return "\n".join(lines) + "\n"


def _drift(drifted: list[str] | None) -> str:
    if drifted is None:
        return "Drift was not measured."
    return f"Drift: {', '.join(drifted)}." if drifted else "No drift was found."


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def main() -> None:
    """Run the flow once; exit code 2 if a person must fix something, 1 if a stage failed."""
    parser = argparse.ArgumentParser(
        prog="python -m flows.ingest", description="Take in what has arrived, and retrain."
    )
    parser.add_argument("--root", type=Path, default=PROJECT, help="the project (default: this one)")
    parser.add_argument("--inbox", default="inbox", help="where recordings arrive, relative to the project")
    parser.add_argument("--quarantine", default="quarantine", help="where recordings go that fail a check")
    parser.add_argument("--branch", default=publish.BRANCH, help="the branch of git that changes are committed to")
    asked = parser.parse_args()
    run = partial(ingest, asked.root, asked.inbox, asked.quarantine, asked.branch, return_state=True)
    print(finish("ingest", run).message)


if __name__ == "__main__":
    main()
