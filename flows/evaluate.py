"""Measure the champion again, on the test recordings of today: they change when new recordings arrive.

``python -m flows.evaluate`` does so once.
"""

import argparse
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.states import Completed, Failed, State

from flows import artifacts, events, process
from flows.command import finish
from flows.process import StageFailed
from flows.retrain import JITTER, PROJECT, may_help, skipped
from wav2tok.config import parameters
from wav2tok.errors import UserError
from wav2tok.files import read_json
from wav2tok.report.folder import ReportFolder

OUT = "artifacts/champion"
"""Where the report goes; the graph's own report stays as it is."""


@task(cache_policy=NO_CACHE, retry_condition_fn=may_help, persist_result=False)
def measure(root: Path, model: str, minutes: float) -> State[Any]:
    """Evaluate a registered model; the result is the gate's verdict."""
    log = get_run_logger()
    # Not recorded in its MLflow run: that tells how the model was made and judged then.
    asked = ["evaluate", "--model", model, "--out", OUT, "--no-track"]
    try:
        process.verb(asked, root, minutes, lambda line: log.info("%s", line))
    except StageFailed as error:
        return Failed(message=str(error), data=error)
    report = ReportFolder(root / OUT)
    create_table_artifact(
        artifacts.rows(read_json(report.metrics)), key="champion-retrieval", description=f"{model}, measured again."
    )
    return Completed(message=f"{model} was measured.", data=read_json(report.gate))


@flow(name="evaluate-champion", persist_result=False)
def evaluate_champion(root: Path = PROJECT) -> State[dict[str, Any]]:
    """Evaluate the champion on the present test recordings; it fails if the gate would refuse it today.

    Args:
        root: the project, with ``params.yaml`` and the split ``artifacts/audios.bin``.

    Returns:
        the gate's verdict (``gate.json``).
    """
    try:
        root = root.resolve()
        config = parameters.load(root / "params.yaml")
        settings = config.schedule
        model = f"models:/{config.register.name}@champion"
        with process.alone(root):
            attempt = measure.with_options(
                retries=settings.retries, retry_delay_seconds=settings.retry_delay_seconds, retry_jitter_factor=JITTER
            )
            state = attempt(root, model, settings.timeout_minutes, return_state=True)
        if not state.is_completed():
            return Failed(message=state.message, data=state.result(raise_on_failure=False))
        verdict: Any = state.result()
        if not verdict["approved"]:
            events.emit(events.OUTDATED, root, {"reasons": verdict["reasons"]})
            return Failed(message=f"{model} does not pass the gate today: {' '.join(verdict['reasons'])}", data=verdict)
        return Completed(message=f"{model} passes the gate; its report is {root / OUT}", data=verdict)
    except process.Busy as error:
        return skipped(error)
    except UserError as error:
        return Failed(message=str(error), data=error)


def main() -> None:
    """Run the flow once; exit code 2 if a person must fix something, 1 if the champion is not good enough."""
    parser = argparse.ArgumentParser(prog="python -m flows.evaluate", description="Measure the champion again.")
    parser.add_argument("--root", type=Path, default=PROJECT, help="the project (default: this one)")
    root = parser.parse_args().root
    print(finish("evaluate", lambda: evaluate_champion(root, return_state=True)).message)


if __name__ == "__main__":
    main()
