"""A person's yes before a new champion: the retraining flow asks for it in the Prefect UI.

The flow run is suspended: its process ends and holds nothing, and the answer starts another that goes on. Only a
deployment (``make schedule``, or a work pool) can be started again, so a run without one says which command approves.
"""

from typing import Any

from prefect.flow_runs import suspend_flow_run
from prefect.input import RunInput
from prefect.runtime import deployment
from pydantic import Field

DAY = 24 * 60 * 60


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
    """Whether this flow run can be suspended."""
    return deployment.id is not None


def ask(outcome: dict[str, Any], question: str, days: int) -> Approval:
    """Suspend the flow run until a person answers; in the process that the answer starts, return it.

    Without an answer the run fails after ``days``, and the version stays challenger.

    Args:
        outcome: of the stage ``register``; the answer counts for its version only.
        question: the comparison, in Markdown.
    """
    form = Approval.with_initial_data(description=question)
    key = f"approval-{outcome['name']}-{outcome['version']}"
    answer: Approval = suspend_flow_run(wait_for_input=form, timeout=days * DAY, key=key)
    return answer
