"""Whether the present store holds what an earlier registration reported, and whether there was one.

The outcome of the stage ``register`` is a file that DVC caches and shares; the version that it names is in the store
that was used then. ``python -m wav2tok.tracking.registered OUTCOME`` ends with code 1, and says why, if the present
store does not hold it, or if a DVC experiment left the model unregistered and this is no experiment; ``make`` and the
retraining flow then register again.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wav2tok.errors import UserError
from wav2tok.files import read_json
from wav2tok.tracking import lineage, store
from wav2tok.tracking.lookup import logged_model


def model_id(name: str, version: str) -> str | None:
    """The id of the logged model that a version of a registered model is of, unique among stores; None without one."""
    mlflow = store.existing()
    from mlflow.exceptions import MlflowException

    try:
        found = mlflow.MlflowClient().get_model_version(name, version)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None
    return logged_model(found.source)


def missing(outcome: Mapping[str, Any]) -> str | None:
    """Why a model has to be registered again, in one sentence, by its last outcome; None if it has not.

    Args:
        outcome: as the stage ``register`` writes it.
    """
    if outcome.get("experiment") and lineage.experiment() is None:
        return f"this model was not registered, because the experiment {outcome['experiment']} trained it"
    if not outcome.get("model_id") or not store.available():
        return None
    try:
        found = model_id(outcome["name"], outcome["version"])
    except UserError:
        found = None
    if found == outcome["model_id"]:
        return None
    return f"the MLflow store {store.shown()} does not hold this {outcome['name']} version {outcome['version']}"


def main() -> None:
    """Check the outcome that the only argument names; exit code 2 if it cannot be read."""
    try:
        sentence = missing(read_json(Path(sys.argv[1])))
    except UserError as error:
        print(f"registered: {error}", file=sys.stderr)
        sys.exit(2)
    if sentence:
        print(f"{sentence}; registering it")
        sys.exit(1)


if __name__ == "__main__":
    main()
