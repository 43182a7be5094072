"""Whether the present store holds what an earlier registration reported.

The outcome of the stage ``register`` is a file that DVC caches and shares; the version that it names is in the store
that was used then. ``python -m wav2tok.tracking.registered OUTCOME`` ends with code 1, and says why, if the present
store does not hold it; ``make`` and the retraining flow then register again.
"""

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wav2tok.errors import UserError
from wav2tok.files import read_json
from wav2tok.tracking import store


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
    # MLflow fills `model_id` in some stores only.
    source = re.fullmatch(r"models:/(m-[^/]+)", found.source or "")
    return source[1] if source else None


def missing(outcome: Mapping[str, Any]) -> str | None:
    """What is wrong, in one sentence, if the present store does not hold the version of an outcome; else None.

    Args:
        outcome: as the stage ``register`` writes it.
    """
    if not outcome.get("model_id") or not store.available():
        return None
    try:
        found = model_id(outcome["name"], outcome["version"])
    except UserError:
        found = None
    if found == outcome["model_id"]:
        return None
    return f"the MLflow store {store.location()} does not hold this {outcome['name']} version {outcome['version']}"


def main() -> None:
    """Check the outcome that the only argument names; exit code 2 if it cannot be read."""
    try:
        sentence = missing(read_json(Path(sys.argv[1])))
    except UserError as error:
        print(f"registered: {error}", file=sys.stderr)
        sys.exit(2)
    if sentence:
        print(f"{sentence}; registering it again")
        sys.exit(1)


if __name__ == "__main__":
    main()
