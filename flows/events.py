"""Events of a project, which automations of Prefect can wait for."""

from pathlib import Path
from typing import Any

from prefect.events import emit_event

from flows import project

DRIFT = "wav2tok.drift"
"""New recordings differ from those that the champion was trained on."""
OUTDATED = "wav2tok.outdated"
"""The gate would refuse the champion today. The deployment of ``retrain`` starts then (``prefect.yaml``)."""


def emit(event: str, root: Path, payload: dict[str, Any]) -> None:
    """Emit an event of the project in ``root``, whose resource has the name of its deployments."""
    name = project.name(root)
    resource = {"prefect.resource.id": f"wav2tok.project.{name}", "prefect.resource.name": name}
    emit_event(event=event, resource=resource, payload=payload)
