"""Flow runs whose processes were killed with the worker or the machine: Prefect would show them as running for ever.

Such a run would also keep its place, so that later runs of its deployment are cancelled.
"""

import psutil
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterParentFlowRunId,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterWorkQueueName,
)
from prefect.client.schemas.objects import StateType
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings
from prefect.states import Crashed

_RUN = "PREFECT__FLOW_RUN_ID"
"""The variable by which a process knows its run."""
_AT_WORK = FlowRunFilterState(
    type=FlowRunFilterStateType(any_=[StateType.PENDING, StateType.RUNNING, StateType.CANCELLING])
)
_MESSAGE = "its process was killed, with the worker or the machine; the next run goes on where it stopped."


def close(address: str, secret: str, queue: str) -> None:
    """Mark the lost runs of a queue, and their parts, as crashed.

    Args:
        address, secret: of the Prefect server.
        queue: which only the worker of this folder serves, and while that does not run.
    """
    alive = {_run_of(one) for one in psutil.process_iter()}
    with (
        temporary_settings({PREFECT_API_URL: address, PREFECT_API_AUTH_STRING: secret}),
        get_client(sync_client=True) as client,
    ):
        of_queue = FlowRunFilterWorkQueueName(any_=[queue])
        found = client.read_flow_runs(flow_run_filter=FlowRunFilter(work_queue_name=of_queue, state=_AT_WORK))
        lost = [run for run in found if str(run.id) not in alive]
        if lost:
            of_them = FlowRunFilterParentFlowRunId(any_=[run.id for run in lost])
            lost += client.read_flow_runs(flow_run_filter=FlowRunFilter(parent_flow_run_id=of_them, state=_AT_WORK))
        for run in lost:
            client.set_flow_run_state(run.id, Crashed(message=_MESSAGE), force=True)


def _run_of(process: psutil.Process) -> str | None:
    """The id of the run that a process is; the stages that it starts inherit its environment, and may outlive it."""
    try:
        is_prefect = any(word.startswith("prefect") for word in process.cmdline())
        return process.environ().get(_RUN) if is_prefect else None
    except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
        return None
