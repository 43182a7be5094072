"""Retrain: the stages of ``dvc.yaml`` as Prefect tasks, with retries, time limits and artifacts for people.

``python -m flows.retrain`` runs them once: unchanged stages are skipped, and a killed training resumes. DVC decides
what is stale and MLflow keeps the runs; this flow decides only when stages run, and how safely.
"""

import argparse
from pathlib import Path
from typing import Any

from prefect import Task, flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas import TaskRun
from prefect.states import Cancelled, Completed, Failed, State

from flows import approval, artifacts, process, where
from flows.command import finish
from flows.process import StageFailed, StageRefused, TimeLimit
from wav2tok.config import parameters
from wav2tok.errors import UserError
from wav2tok.files import read_json
from wav2tok.report.folder import RegisteredFolder

PROJECT = Path(__file__).resolve().parents[1]
WAITS = "Waits for approval"
"""The name of the final state of a run that cannot ask a person itself."""
JITTER = 0.5
"""Retries come up to so much later, as a share of their delay, so that projects do not come back all at once."""


def may_help(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Whether another attempt may help: not if the stage refused its input."""
    return not isinstance(state.data, StageRefused)


# States are returned instead of raising exceptions, so that their message is our sentence alone. DVC is the cache.
@task(cache_policy=NO_CACHE, retry_condition_fn=may_help, persist_result=False)
def stage(name: str, root: Path, minutes: float, force: bool = False) -> State[Any]:
    """Run one stage of the graph if it is stale, and publish its artifacts."""
    log = get_run_logger()
    # DVC knows the files of a registration, not whether the present store holds the version.
    sentence = process.missing_version(registered(root).outcome, root) if name == "register" else None
    if sentence:
        log.info("%s", sentence)
        force = True
    try:
        worked = process.run(name, root, minutes, lambda line: log.info("%s", line), force)
    except StageFailed as error:
        if name == "validate":
            artifacts.publish(name, root)  # the Data Docs show what is wrong with the recordings
        return Failed(message=str(error), data=error, name="TimedOut" if isinstance(error, TimeLimit) else "Failed")
    artifacts.publish(name, root)
    if worked:
        return Completed(message=f"{name} ran.", data=True)
    return Completed(message="None of its dependencies has changed.", data=False, name="Unchanged")


@flow(name="retrain", persist_result=False)
def retrain(root: Path = PROJECT, force: bool = False) -> State[dict[str, Any]]:
    """Run the graph once, alone on this machine.

    Args:
        root: the project, with ``dvc.yaml`` and ``params.yaml``.
        force: run every stage, even if it is not stale.

    With ``register.approval: manual`` a version that beats the champion waits for a person (`flows.approval`).

    Returns:
        the outcome of the registration (`RegisteredFolder.outcome`), of which a run that goes on after a person's
        answer has the name and the version. A model that the gate refused is a success whose
        state is named "Not approved"; one that waits for a person, or that a person refused, "Waits for approval" or
        "Declined". If another run is at work on ``root``, the run is cancelled, with the state "Skipped".
    """
    try:
        root = root.resolve()
        config = parameters.load(root / "params.yaml")
        about = approval.asked()
        if about is not None:  # whatever was registered since, the answer is about this version
            return _answered(about, "", root, config.register.approval_days)
        settings = config.schedule
        with process.alone(root), where.running(settings.ray) as run:
            worked = False
            for name in process.stages(root):
                attempt = stage.with_options(
                    name=name,
                    task_run_name=name,
                    retries=settings.retries,
                    retry_delay_seconds=settings.retry_delay_seconds,
                    retry_jitter_factor=JITTER,
                )
                given = {"name": name, "root": root, "minutes": settings.timeout_minutes, "force": force}
                state = run(attempt, given)
                if not state.is_completed():
                    return Failed(message=state.message, data=state.result(raise_on_failure=False))
                worked = bool(state.result()) or worked
        # Without the lock: a person may take days.
        outcome = read_json(registered(root).outcome)
        question = process.question(registered(root).outcome, root) if outcome.get("awaits_approval") else None
        if question is None:
            return _ending(outcome, worked)
        if approval.possible():
            return _answered(outcome, question, root, config.register.approval_days)
        return Completed(
            name=WAITS,
            data=outcome,
            message=f"{outcome['name']} version {outcome['version']} waits for approval: "
            f'wav2tok promote {outcome["version"]} --why "..."',
        )
    except process.Busy as error:
        return skipped(error)
    except UserError as error:
        return Failed(message=str(error), data=error)


def _answered(about: dict[str, Any], question: str, root: Path, days: float) -> State[dict[str, Any]]:
    """The final state after a person was asked about a version: this process ends, and the answer starts another."""
    answer = approval.ask(about, question, days)
    version = f"{about['name']} version {about['version']}"
    process.answer(about["name"], about["version"], answer.approve, answer.reason, root)
    if not answer.approve:
        return Completed(name="Declined", data=about, message=f"{version} stays challenger: {answer.reason}")
    return Completed(data=about, message=f"{version} is the champion: {answer.reason}")


def skipped(error: process.Busy) -> State[Any]:
    """The final state of a run that came while another one worked on the project: no failure, nobody is notified."""
    return Cancelled(name="Skipped", message=str(error), data=error)


def registered(root: Path) -> RegisteredFolder:
    """The output folder of the stage ``register``."""
    return RegisteredFolder(root / "artifacts" / "registered")


def _ending(outcome: dict[str, Any], worked: bool) -> State[dict[str, Any]]:
    """The final state, whose message says what happened to the model."""
    prefix = "" if worked else "Nothing has changed since: "
    if not outcome["registered"]:
        return Completed(
            name="Not approved",
            data=outcome,
            message=f"{prefix}not approved, nothing registered: {' '.join(outcome['reasons'])}",
        )
    return Completed(
        data=outcome,
        message=f"{prefix}registered {outcome['name']} version {outcome['version']} "
        f"as {outcome['alias']}: {outcome['why']}",
    )


def main() -> None:
    """Run the flow once and print the summary; exit code 2 if a person must fix something, 1 if a stage failed."""
    parser = argparse.ArgumentParser(prog="python -m flows.retrain", description="Run the stale stages of the graph.")
    parser.add_argument("--root", type=Path, default=PROJECT, help="the project (default: this one)")
    parser.add_argument("--force", action="store_true", help="run every stage, even if it is not stale")
    options = parser.parse_args()
    finish("retrain", lambda: retrain(options.root, options.force, return_state=True))
    print(registered(options.root).summary.read_text(encoding="utf-8").rstrip())


if __name__ == "__main__":
    main()
