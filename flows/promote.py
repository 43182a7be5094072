"""Make a version the champion after a yes in the Prefect UI; the command line has ``wav2tok promote``."""

from pathlib import Path

from prefect import flow, get_run_logger
from prefect.states import Completed, Failed, State

from flows import approval, process
from flows.process import StageFailed
from flows.retrain import PROJECT
from wav2tok.config import parameters
from wav2tok.errors import UserError


@flow(name="promote", persist_result=False)
def promote(version: int, root: Path = PROJECT) -> State[None]:
    """Ask a person whether a version is to be the champion, and do what the answer says.

    The run is suspended while it waits, at most ``register.approval_days``. ``wav2tok promote`` then compares the
    version with the champion, for the log, and records who said it and why.

    Args:
        version: of the registered model.
        root: the project.
    """
    try:
        root = root.resolve()
        register = parameters.load(root / "params.yaml").register
        what = f"{register.name} version {version}"
        if not approval.possible():
            return Failed(message=f'run this as a deployment, or say: wav2tok promote {version} --why "..."')
        asked = {"name": register.name, "version": str(version)}
        answer = approval.ask(asked, f"# Is {what} to be the champion?", register.approval_days)
        if not answer.approve:
            return Completed(name="Declined", message=f"{what} stays what it is: {answer.reason}")
        log = get_run_logger()
        minutes = parameters.load(root / "params.yaml").schedule.timeout_minutes
        process.verb(
            ["promote", str(version), "--why", answer.reason], root, minutes, lambda line: log.info("%s", line)
        )
        return Completed(message=f"{what} is the champion: {answer.reason}")
    except (UserError, StageFailed) as error:
        return Failed(message=str(error))
