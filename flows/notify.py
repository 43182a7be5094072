"""Send a notification when a run of this clone's deployments fails: ``python -m flows.notify TYPE/NAME``.

The block, such as ``custom-webhook/team`` or ``sendgrid-email/team``, holds the address and its secrets on the Prefect
server; this makes the automation that uses it, or replaces the one that there was.
"""

import argparse
import sys
from typing import Any

from prefect.automations import AutomationCore, EventTrigger, Posture
from prefect.client.orchestration import get_client
from prefect.events.actions import SendNotification
from prefect.exceptions import ObjectNotFound

from flows import project
from flows.approval import NEVER_ANSWERED
from wav2tok.errors import UserError

_UNANSWERED = "nobody has answered in time, so nothing was promoted; wav2tok promote still does it."
_BODY = (
    "{{ flow.name }} of {{ deployment.name }}: "
    f'{{{{ flow_run.state.message|replace("{NEVER_ANSWERED}", "{_UNANSWERED}") }}}}\n'
    "{{ flow_run|ui_url }}"
)


def notify(block: str, name: str) -> None:
    """Let failed, crashed and timed-out runs of the deployments called ``name`` be notified through a block.

    Args:
        block: its type and name, with a slash between.

    Raises:
        UserError: the server has no such block.
    """
    kind, _, label = block.partition("/")
    with get_client(sync_client=True) as client:
        try:
            found = client.read_block_document_by_name(label, kind)
        except ObjectNotFound:
            raise UserError(
                f"the Prefect server has no block {block!r}; make it in its UI, or name another as TYPE/NAME."
            ) from None
        wanted = _automation(name, found.id)
        known = client.read_automations_by_name(wanted.name)
        if known:
            client.update_automation(known[0].id, wanted)
        else:
            client.create_automation(wanted)


def _automation(name: str, block: Any) -> AutomationCore:
    return AutomationCore(
        name=f"{name}: a run failed",
        trigger=EventTrigger(
            expect={f"prefect.flow-run.{state}" for state in ("Failed", "Crashed", "TimedOut")},
            match={"prefect.resource.id": "prefect.flow-run.*"},
            # All deployments of the clone have its name.
            match_related={"prefect.resource.role": "deployment", "prefect.resource.name": name},
            for_each={"prefect.resource.id"},
            posture=Posture.Reactive,
            threshold=1,
        ),
        actions=[SendNotification(block_document_id=block, subject=f"{name}: a run failed", body=_BODY)],
    )


def main() -> None:
    """Make the automation; exit code 2 if the block does not exist."""
    parser = argparse.ArgumentParser(prog="python -m flows.notify", description="Notify somebody of failed runs.")
    parser.add_argument("block", help="a notification block of the Prefect server, as TYPE/NAME")
    block = parser.parse_args().block
    try:
        notify(block, project.name())
    except UserError as error:
        print(f"notify: {error}", file=sys.stderr)
        sys.exit(2)
    print(f"runs of {project.name()} that fail are reported by {block}.")


if __name__ == "__main__":
    main()
