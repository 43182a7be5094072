"""Claims: how two promotions at the same time notice each other.

MLflow sets an alias without comparing it with what it was, so two promotions at once could undo each other. Each
therefore first writes a claim, a tag of its version, then moves the alias, then looks for the claims of others. Of two
at the same time at least one sees the other, because each writes before it reads.
"""

from wav2tok.release import history, versions
from wav2tok.release.history import Event
from wav2tok.release.versions import State
from wav2tok.tracking.store import connect, reaching

CLAIM = "claim"
"""Tag of a version that is about to become champion: the event that it will be (`history.Event.value`)."""


def make(name: str, number: str, event: Event) -> None:
    """Say that a version is about to become champion."""
    versions.tag(name, number, CLAIM, event.value)


def drop(name: str, number: str) -> None:
    """Remove the claim of a version, if it has one."""
    mlflow = connect()
    from mlflow.exceptions import MlflowException

    with reaching(mlflow):
        try:
            mlflow.MlflowClient().delete_model_version_tag(name, number, CLAIM)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":  # another process has dropped it
                raise


def seen(state: State, replaced: str | None) -> set[tuple[str, str, str]]:
    """The marks that are no rival's: earlier promotions, and claims to the place of another version."""
    return {mark for mark in marks(state) if mark[1] != CLAIM or history.parse(mark[2]).replaced != replaced}


def marks(state: State) -> set[tuple[str, str, str]]:
    """Every claim and every promotion of a registered model: (version, tag, value)."""
    return {
        (number, key, value)
        for number, version in state.versions.items()
        for key, value in version.tags.items()
        if key == CLAIM or (key.startswith(history.PREFIX) and history.parse(value).crowns)
    }
