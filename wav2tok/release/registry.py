"""The model registry: versions of the ONNX tokenizer, the champion and its challengers.

A version carries as tags its score on held-out recordings, a digest of them and one of the training data. A new version
becomes the champion if there is none, or if it beats the champion on the same recordings; otherwise it is the
challenger. A champion that was trained on classes which the new version does not know stays, until somebody promotes
the new one by hand.
"""

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wav2tok.errors import UserError, reason
from wav2tok.files import replacing_folder
from wav2tok.release import pyfunc
from wav2tok.tokenizer.format import CARD_FILE, GRAPH_NAMES
from wav2tok.tokenizer.locate import card_of, located
from wav2tok.tokenizer.tokenizer import Tokenizer
from wav2tok.tracking.lookup import IDENTITY
from wav2tok.tracking.store import connect, existing, reaching

CHAMPION, CHALLENGER = "champion", "challenger"
CLASSES = "wav2tok_classes"
"""The key of a logged model's metadata that holds the classes of its training recordings."""


@dataclass(frozen=True)
class Registered:
    """A registered version: its number, the alias it got, and why."""

    name: str
    version: str
    alias: str
    why: str


def pull(uri: str, out: Path) -> Path:
    """Copy a model into the folder ``out``, completely or not at all; returns its ONNX file.

    Args:
        uri: an MLflow URI, a ready-made model, a file or a folder, as `wav2tok.tokenizer.locate.located` takes it.
    """
    with replacing_folder(out, (GRAPH_NAMES[0], CARD_FILE)) as folder, located(uri) as (graph, _):
        (folder / GRAPH_NAMES[0]).write_bytes(graph.read_bytes())
        card = card_of(graph)
        if card.exists():
            (folder / CARD_FILE).write_bytes(card.read_bytes())
    return out / GRAPH_NAMES[0]


def champion(name: str) -> Any | None:
    """The model version with the alias ``champion``, or None."""
    mlflow = connect()
    from mlflow.exceptions import MlflowException

    try:
        return mlflow.MlflowClient().get_model_version_by_alias(name, CHAMPION)
    except MlflowException as error:
        # With other codes (no connection, no permission) it is unknown whether there is a champion.
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
        return None


def promote(name: str, version: str) -> None:
    """Give ``version`` of ``name`` the alias ``champion``.

    Raises:
        UserError: there is no such version, or no store.
    """
    mlflow = existing(f"{name} version {version} cannot be promoted")
    from mlflow.exceptions import MlflowException

    try:
        mlflow.MlflowClient().set_registered_model_alias(name, CHAMPION, version)
    except MlflowException as error:
        raise UserError(
            f"{name} version {version} cannot be promoted ({reason(error)}); see the versions in the MLflow UI."
        ) from None


def log_model(folder: Path, name: str, classes: Collection[str]) -> str:
    """Log the ONNX model of an exported folder to the active run and register it; returns the version's number.

    Args:
        classes: of the training recordings, stored with the model.
    """
    mlflow = connect()
    logged = mlflow.models.Model.log(
        None,
        flavor=pyfunc,
        name="tokenizer",
        registered_model_name=name,
        metadata={CLASSES: sorted(classes)},
        graph=folder / GRAPH_NAMES[0],
    )
    return str(logged.registered_model_version)


def compare(
    challenger: float, version: Any, test_digest: str, measure: Callable[[Tokenizer], float]
) -> tuple[bool, str]:
    """Whether a challenger's held-out score beats the champion's on the same recordings, and why.

    Args:
        challenger: its score.
        version: the champion's model version.
        test_digest: of the recordings and the protocol of the challenger's score.
        measure: scores a tokenizer on those recordings; called if the champion's score is of others.
    """
    tags = version.tags
    if tags.get("test_digest") == test_digest and "score" in tags:
        score = float(tags["score"])
    else:
        score = measure(Tokenizer.from_pretrained(f"models:/{version.name}/{version.version}"))
    better = challenger > score
    return better, (
        f"held-out score {challenger:.3f} against {score:.3f} of the champion, version {version.version}, "
        "on the same recordings"
    )


def unknown_classes(version: Any, classes: Collection[str]) -> list[str]:
    """The classes that a version was trained on and that are not among ``classes``, sorted."""
    mlflow = connect()
    with reaching(mlflow):
        about = mlflow.models.get_model_info(f"models:/{version.name}/{version.version}").metadata or {}
    return sorted(set(about.get(CLASSES, ())) - set(classes))


def register(
    folder: Path,
    name: str,
    score: float,
    test_digest: str,
    measure: Callable[[Tokenizer], float],
    tags: dict[str, Any],
    classes: Collection[str] = (),
) -> Registered:
    """Register an exported, approved model in the active run, and decide which alias it gets.

    Args:
        folder: the folder that ``wav2tok export`` wrote.
        name: of the registered model.
        score: the mean of MRR and MAP over the report's views.
        test_digest: of the held-out recordings and the protocol of that score.
        measure: see `compare`.
        tags: more tags for the version.
        classes: of the training recordings; none if they have no classes.
    """
    mlflow = connect()
    current = champion(name)
    # Decided first, so that a champion that cannot be scored leaves no version without an alias.
    if current is None:
        won, why = True, "there was no champion"
    elif unknown := unknown_classes(current, classes):
        won, why = (
            False,
            (
                f"the champion, version {current.version}, was trained on {len(unknown)} classes that this model does "
                f"not know, such as {unknown[0]}; promote this one by hand to replace it all the same"
            ),
        )
    else:
        won, why = compare(score, current, test_digest, measure)
    version = log_model(folder, name, classes)
    client = mlflow.MlflowClient()
    identity = Tokenizer(folder / GRAPH_NAMES[0], device="cpu").identity
    for key, value in ({"score": score, "test_digest": test_digest, IDENTITY: identity} | tags).items():
        client.set_model_version_tag(name, version, key, value if isinstance(value, str) else json.dumps(value))
    alias = CHAMPION if won else CHALLENGER
    client.set_registered_model_alias(name, alias, version)
    card = folder / CARD_FILE
    client.update_model_version(name, version, description=card.read_text(encoding="utf-8") if card.exists() else why)
    return Registered(name, version, alias, why)
