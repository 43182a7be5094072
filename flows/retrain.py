"""Retrain: the stages of ``dvc.yaml`` as Prefect tasks, with retries, time limits and something to read at the end.

``python -m flows.retrain`` runs it once: what nothing has changed is skipped, what was killed goes on. DVC decides
what is stale and MLflow keeps what was learned; here is only when, and how safely.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from prefect import Task, flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas import TaskRun
from prefect.states import Completed, Failed, State

from flows import artifacts, process
from flows.process import STAGES, StageFailed, StageRefused, TimeLimit
from wav2tok.config import parameters
from wav2tok.errors import UserError
from wav2tok.files import read_json

PROJECT = Path(__file__).resolve().parents[1]


def _may_help(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Whether another attempt may help: not where the stage has refused its input."""
    return not isinstance(state.data, StageRefused)


# States are returned, not exceptions raised: their message is then the sentence and nothing else. DVC is the cache.
@task(cache_policy=NO_CACHE, retry_condition_fn=_may_help, persist_result=False)
def stage(name: str, root: Path, minutes: float, force: bool = False) -> State[Any]:
    """Run one stage of the graph, if it is stale, and show what it made."""
    log = get_run_logger()
    try:
        worked = process.run(name, root, minutes, lambda line: log.info("%s", line), force)
    except StageFailed as error:
        if name == "validate":
            artifacts.publish(name, root)  # the Data Docs say what is wrong with the recordings
        return Failed(message=str(error), data=error, name="TimedOut" if isinstance(error, TimeLimit) else "Failed")
    artifacts.publish(name, root)
    if worked:
        return Completed(message=f"{name} ran.", data=True)
    return Completed(message="Nothing that it reads has changed.", data=False, name="Unchanged")


TASKS = tuple(stage.with_options(name=name, task_run_name=name) for name in STAGES)


@flow(name="retrain", persist_result=False)
def retrain(root: Path = PROJECT, force: bool = False) -> State[dict[str, Any]]:
    """Run the graph once, alone on this machine.

    Args:
        root: the project, with ``dvc.yaml`` and ``params.yaml``.
        force: run every stage, stale or not.

    Returns:
        what ``artifacts/registered/registered.json`` holds. A model that the gate refused is a success whose state is
        named "Not approved".
    """
    try:
        root = root.resolve()
        settings = parameters.load(root / "params.yaml").schedule
        with process.alone(root):
            worked = False
            for each in TASKS:
                attempt = each.with_options(retries=settings.retries, retry_delay_seconds=settings.retry_delay_seconds)
                state = attempt(each.name, root, settings.timeout_minutes, force, return_state=True)
                if not state.is_completed():
                    return Failed(message=state.message, data=state.result(raise_on_failure=False))
                worked = bool(state.result()) or worked
            return _ending(read_json(root / "artifacts" / "registered" / "registered.json"), worked)
    except UserError as error:
        return Failed(message=str(error), data=error)


def _ending(outcome: dict[str, Any], worked: bool) -> State[dict[str, Any]]:
    """The final state, which says what became of the model."""
    standing = "" if worked else "Nothing has changed since: "
    if not outcome["registered"]:
        return Completed(
            name="Not approved",
            data=outcome,
            message=f"{standing}not approved, nothing registered: {' '.join(outcome['reasons'])}",
        )
    return Completed(
        data=outcome,
        message=f"{standing}registered {outcome['name']} version {outcome['version']} "
        f"as {outcome['alias']}: {outcome['why']}",
    )


def main() -> None:
    """Run the flow once and print the summary; 2 if a person must mend something, 1 if a stage failed."""
    parser = argparse.ArgumentParser(prog="python -m flows.retrain", description="Run what is stale of the graph.")
    parser.add_argument("--root", type=Path, default=PROJECT, help="the project (default: this one)")
    parser.add_argument("--force", action="store_true", help="run every stage, stale or not")
    given = parser.parse_args()
    try:
        state = retrain(given.root, given.force, return_state=True)
    except KeyboardInterrupt:
        print("retrain: stopped; what was finished is kept.", file=sys.stderr)
        sys.exit(130)
    if state.is_completed():
        print((given.root / "artifacts" / "registered" / "summary.txt").read_text(encoding="utf-8").rstrip())
        return
    print(f"retrain: {state.message}", file=sys.stderr)
    sys.exit(2 if isinstance(state.result(raise_on_failure=False), UserError) else 1)


if __name__ == "__main__":
    main()
