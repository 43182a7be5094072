"""A person's approval of a new champion: the retraining flow asks for it in the Prefect UI.

The flow run is suspended: its process ends and holds nothing, and the answer starts another that goes on. Only a
deployment (``make schedule``, or a work pool) can be started again, so a run without one says which command approves.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from prefect import get_run_logger
from prefect.context import FlowRunContext
from prefect.flow_runs import suspend_flow_run
from prefect.input import RunInput
from pydantic import Field

NEVER_ANSWERED = "The flow was paused and never resumed."
"""The message of Prefect's server when a suspended run times out, which no flow can change."""
_KEY = "approval-"
"""Begins the key by which Prefect knows what a run was suspended for; name and version follow."""


class Approval(RunInput):
    """The form that the Prefect UI shows."""

    approve: bool = Field(default=False, description="Make this version the champion.")
    name: str = Field(description="Who decides.", min_length=1)
    why: str = Field(description="The reason, for those who come after.", min_length=1, max_length=800)

    @property
    def reason(self) -> str:
        """Who said it, and why."""
        return f"{self.name}, in Prefect: {self.why}"


def possible() -> bool:
    """Whether this flow run can be suspended: it is of a deployment, and not a part of another run."""
    context = FlowRunContext.get()
    # Not prefect.runtime.deployment, which within another run names the deployment of that one.
    return context is not None and context.flow_run is not None and context.flow_run.deployment_id is not None


def asked() -> dict[str, Any] | None:
    """The ``name`` and ``version`` that this run has asked a person about before; None if it has not asked."""
    context = FlowRunContext.get()
    policy = None if context is None or context.flow_run is None else context.flow_run.empirical_policy
    keys = [key for key in (policy and policy.pause_keys) or () if key.startswith(_KEY)]
    if not keys:
        return None
    name, _, version = keys[0].removeprefix(_KEY).rpartition("-")
    return {"name": name, "version": version}


def ask(outcome: dict[str, Any], question: str, days: float) -> Approval:
    """Suspend the flow run until a person answers; in the process that the answer starts, return it.

    Without an answer Prefect's server fails the run after ``days``, with the message `NEVER_ANSWERED`, and the version
    stays what it is. The form and the log say so before.

    Args:
        outcome: of the stage ``register``; the answer counts for its version only.
        question: the comparison, in Markdown.
    """
    name, version, wait = outcome["name"], outcome["version"], timedelta(days=days)
    until = (
        f"{name} version {version} waits for a yes until {datetime.now(UTC) + wait:%Y-%m-%d %H:%M} UTC. Without it "
        f'this run then fails and nothing changes; wav2tok promote {version} --why "..." still approves it.'
    )
    if asked() is None:  # the process that the answer starts comes here, too
        get_run_logger().info("%s", until)
    form = Approval.with_initial_data(description=f"{question}\n\n{until}")
    answer: Approval = suspend_flow_run(
        wait_for_input=form, timeout=round(wait.total_seconds()), key=f"{_KEY}{name}-{version}"
    )
    return answer
