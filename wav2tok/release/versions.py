"""Versions of a registered model: its aliases and tags, and what a version says about itself."""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wav2tok.corpus import heard
from wav2tok.errors import UserError, reason
from wav2tok.tracking.lookup import logged_model
from wav2tok.tracking.store import connect, reaching

CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"
"""Aliases: the version in use, the last one that did not replace it, and the one that was in use before."""
CLASSES = "wav2tok_classes"
"""The key of a logged model's metadata that holds the classes of its training recordings."""
APPROVED = "approved"
"""Tag: "false" if the gate did not approve the version, which then can never be champion."""
APPROVAL = "approval"
"""Tag: "waiting" for a person's yes, then "given" or "declined"."""
WAITING, GIVEN, DECLINED = "waiting", "given", "declined"
OUTCOME = "outcome"
"""Tag: what became of the version, and by which evidence; a repeated registration does not decide again."""
_NO_VERSION = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
"""What a store says of a version that it does not have, or of something that is not a version's number."""
_ATTEMPTS = 5
_PASSING = ("BAD_REQUEST", "INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE")


@dataclass(frozen=True)
class State:
    """A registered model as it was at one moment."""

    aliases: dict[str, str]
    versions: dict[str, Any]
    """MLflow's model versions by number."""

    @property
    def champion(self) -> Any | None:
        """The version that is champion."""
        return self.versions.get(self.aliases.get(CHAMPION, ""))


def read(name: str) -> State:
    """The aliases and versions of a registered model; none if it does not exist.

    The versions are read before the aliases: a version whose tag says that it became champion is then also seen as
    champion, or as a former one.
    """
    while True:
        state = State({}, _versions(name))
        state = State(_aliases(name), state.versions)
        if set(state.aliases.values()) <= set(state.versions):
            return state
        # A version was registered between the two answers.


def _versions(name: str) -> dict[str, Any]:
    client = connect().MlflowClient()
    found: dict[str, Any] = {}
    token = None
    while True:
        with reaching(connect()):
            page = client.search_model_versions(f"name='{quoted(name)}'", max_results=1000, page_token=token)
        found |= {str(version.version): version for version in page}
        token = page.token
        if not token:
            return found


def _aliases(name: str) -> dict[str, str]:
    mlflow = connect()
    from mlflow.exceptions import MlflowException

    with reaching(mlflow):
        try:
            found = mlflow.MlflowClient().get_registered_model(name).aliases
        except MlflowException as error:
            # With other codes (no connection, no permission) it is unknown which versions there are.
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return {}
    return {alias: str(number) for alias, number in found.items()}


def quoted(text: str) -> str:
    """A name as MLflow's search takes it within single quotes.

    Raises:
        UserError: it contains a quote, for which MLflow has no escape.
    """
    if "'" in text:
        raise UserError(f"register.name is {text!r}; MLflow cannot search for a name with a quote, so choose another.")
    return text


def champion(name: str) -> Any | None:
    """The model version with the alias ``champion``, or None."""
    return read(name).champion


def get(name: str, number: str, problem: str) -> Any:
    """One version.

    Args:
        problem: what cannot be done without it, for the error.

    Raises:
        UserError: the version does not exist, or the store cannot be used.
    """
    mlflow = connect()
    from mlflow.exceptions import MlflowException

    try:
        with reaching(mlflow, but=_NO_VERSION):
            return mlflow.MlflowClient().get_model_version(name, number)
    except MlflowException as error:
        raise UserError(f"{problem} ({reason(error)}); wav2tok history lists the versions.") from None


def tag(name: str, number: str, key: str, value: str) -> None:
    """Set a tag of a version; setting it again changes nothing."""
    mlflow = connect()
    with reaching(mlflow):
        mlflow.MlflowClient().set_model_version_tag(name, number, key, value)


def describe(version: Any, text: str) -> None:
    """Set the description that the version's page shows. PostgreSQL keeps 5,000 characters."""
    mlflow = connect()
    with reaching(mlflow):
        mlflow.MlflowClient().update_model_version(version.name, str(version.version), description=text)


def uri(version: Any) -> str:
    """The URI of a version."""
    return f"models:/{version.name}/{version.version}"


def classes(version: Any) -> frozenset[str]:
    """The classes of a version's training recordings."""
    mlflow = connect()
    with reaching(mlflow):
        about = mlflow.models.get_model_info(uri(version)).metadata or {}
    return frozenset(about.get(CLASSES, ()))


def heard_by(version: Any) -> frozenset[str] | None:
    """The digests of the recordings that a version was trained or validated on; None if it does not say."""
    mlflow, logged = connect(), logged_model(version.source)
    if logged is None:
        return None
    with reaching(mlflow), tempfile.TemporaryDirectory(prefix="wav2tok-") as folder:
        client = mlflow.MlflowClient()
        files = {file.path for file in client.list_logged_model_artifacts(logged)}
        if heard.HEARD_FILE not in files:
            return None
        where = f"{client.get_logged_model(logged).artifact_location}/{heard.HEARD_FILE}"
        path = mlflow.artifacts.download_artifacts(artifact_uri=where, dst_path=folder)
        return heard.read(Path(path).parent)


def point(name: str, alias: str, number: str) -> None:
    """Set an alias; two processes that set it for the first time at once make MLflow's database refuse one of them."""
    mlflow = connect()
    from mlflow.exceptions import MlflowException

    with reaching(mlflow):
        for attempt in range(_ATTEMPTS):
            try:
                mlflow.MlflowClient().set_registered_model_alias(name, alias, number)
                return
            except MlflowException as error:
                if error.error_code not in _PASSING or attempt == _ATTEMPTS - 1:
                    raise
                time.sleep(0.05 * 2**attempt)


def unpoint(name: str, alias: str, state: State) -> None:
    """Remove an alias, if the registered model has it."""
    if alias in state.aliases:
        mlflow = connect()
        with reaching(mlflow):
            mlflow.MlflowClient().delete_registered_model_alias(name, alias)
