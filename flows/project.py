"""What the deployments of this clone are called and when they run: ``prefect.yaml`` asks for it in its build step."""

import hashlib
import re
from pathlib import Path

from flows.retrain import PROJECT
from flows.schedule import next_runs
from wav2tok.config import parameters

POOL = "wav2tok"
"""The work pool of `make services`; each clone has a queue of its own in it, from which only its worker takes runs."""


def name(root: Path = PROJECT) -> str:
    """The name of a clone: its folder and a digest of its path, so that two clones on one machine differ."""
    path = root.resolve()
    folder = re.sub(r"[^\w.-]+", "-", path.name).strip("-") or "project"
    return f"{folder}-{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"


def described(root: str | None = None) -> dict[str, str]:
    """What ``prefect.yaml`` fills in.

    Args:
        root: the project; by default the one that this file belongs to.

    Returns:
        ``name``, ``root``, and the cron lines ``retrain``, ``evaluate`` and ``ingest`` of ``params.yaml``.

    Raises:
        UserError: a cron line is not one, or never occurs.
    """
    path = Path(root).resolve() if root else PROJECT
    schedule = parameters.load(path / "params.yaml").schedule
    lines = {"retrain": "cron", "evaluate": "evaluate_cron", "ingest": "ingest_cron"}
    crons = {short: str(getattr(schedule, field)) for short, field in lines.items()}
    for short, field in lines.items():
        next_runs(crons[short], 1, parameter=f"schedule.{field}")
    return {"name": name(path), "root": str(path), **crons}
