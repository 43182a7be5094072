"""What tests of the registry share: a registration that wins or loses by decree, and aliases."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import mlflow
import pytest

from wav2tok.release import champion, history, registry
from wav2tok.release.champion import Comparison, Standing

ON_BOTH = pytest.mark.parametrize(
    "exported",
    ["sqlite", pytest.param("postgresql", marks=[pytest.mark.slow, pytest.mark.services])],
    indirect=True,
)
"""For a test whose outcome may depend on the database; a server takes twenty times as long as a file."""


def register(
    folder: Path,
    name: str,
    *,
    wins: bool = True,
    tags: Mapping[str, Any] | None = None,
    classes: Collection[str] = (),
    manual: bool = False,
) -> tuple[str, Standing]:
    """Register an export folder in a run of its own: the version's number, and what became of it."""
    with mlflow.start_run():
        version = registry.register(folder, name, {"approved": "true"} | dict(tags or {}), classes)
        number = str(version.version)

        def note(why: str) -> None:
            history.record(name, number, history.now("registered", why))

        return number, champion.contend(name, number, decreed(wins), note, manual=manual)


def versions_of(name: str, count: int) -> None:
    """Make versions of ``name`` that need no graph: no alias, no story, no files."""
    client = mlflow.MlflowClient()
    client.create_registered_model(name)
    with mlflow.start_run() as run:
        logged = client.create_logged_model(run.info.experiment_id, name="empty", source_run_id=run.info.run_id)
        for _ in range(count):
            client.create_model_version(
                name, f"models:/{logged.model_id}", run.info.run_id, {"approved": "true"}, model_id=logged.model_id
            )


def decreed(wins: bool) -> champion.Decide:
    """A comparison with a known end."""
    return lambda ours, theirs: Comparison(wins, f"version {ours.version} against {theirs.version}: {wins}")


def alias(name: str, which: str = "champion") -> str | None:
    """The number of the version with an alias; None if no version has it."""
    found = mlflow.MlflowClient().get_registered_model(name).aliases.get(which)
    return None if found is None else str(found)
