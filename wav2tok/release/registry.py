"""The model registry: register versions of the ONNX tokenizer, and download them.

A version is an MLflow model with the graph, and beside it the other files of the export: the card, and which recordings
the model has heard. Its tags hold its score on held-out recordings and what ties it to its report and data.
`wav2tok.release.champion` decides which version is in use.
"""

import json
import shutil
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from wav2tok.release import pyfunc, versions
from wav2tok.release.versions import CLASSES
from wav2tok.tokenizer.format import GRAPH_NAMES, identity_of
from wav2tok.tracking.lookup import IDENTITY
from wav2tok.tracking.store import connect, reaching

COMPLETE = "complete"
"""Tag of a logged model whose files are all there."""


def log_model(folder: Path, classes: Collection[str]) -> str:
    """Log the ONNX model of an exported folder to the active run, with the other files of the folder; returns its id.

    A model that an earlier call has logged completely is used again, and one that it has not is deleted.

    Args:
        classes: of the training recordings, stored with the model.
    """
    mlflow = connect()
    client = mlflow.MlflowClient()
    graph = folder / GRAPH_NAMES[0]
    identity = identity_of(graph)
    run = mlflow.active_run()
    wanted = f"source_run_id = '{run.info.run_id}' AND tags.{IDENTITY} = '{identity}'"
    for found in client.search_logged_models([run.info.experiment_id], filter_string=wanted):
        if found.tags.get(COMPLETE) == "true":
            return str(found.model_id)
        client.delete_logged_model(found.model_id)
    logged = mlflow.models.Model.log(
        None,
        flavor=pyfunc,
        name="tokenizer",
        metadata={CLASSES: sorted(classes)},
        tags={IDENTITY: identity},
        graph=graph,
    )
    with tempfile.TemporaryDirectory(prefix="wav2tok-") as beside:
        for path in folder.iterdir():
            if path.is_file() and path != graph:
                shutil.copyfile(path, Path(beside) / path.name)
        client.log_model_artifacts(logged.model_id, beside)
    client.set_logged_model_tags(logged.model_id, {COMPLETE: "true"})
    return str(logged.model_id)


def register(
    folder: Path, name: str, tags: Mapping[str, Any], classes: Collection[str] = (), *, tracked: bool = True
) -> Any:
    """Make a version of an exported folder, without an alias, or complete the one that an earlier call began.

    A version is known by the active run and by the identity of its graph, so a registration that broke off is completed
    by the next call, and no call makes a second version of the same model in the same run.

    Args:
        folder: the folder that ``wav2tok export`` wrote.
        name: of the registered model.
        tags: of the version, besides `IDENTITY`.
        classes: of the training recordings; none if they have no classes.
        tracked: whether the active run is that of the training. If it is only of this call, a version of the same graph
            whose registration broke off is completed, whichever run it is of.

    Returns:
        MLflow's model version.
    """
    mlflow = connect()
    from mlflow.exceptions import MlflowException

    client, run_id = mlflow.MlflowClient(), mlflow.active_run().info.run_id
    identity = identity_of(folder / GRAPH_NAMES[0])
    values = {
        key: value if isinstance(value, str) else json.dumps(value)
        for key, value in ({IDENTITY: identity} | dict(tags)).items()
    }
    with reaching(mlflow):
        known = [
            version
            for version in versions.read(name).versions.values()
            if version.tags.get(IDENTITY) == identity
            and (version.run_id == run_id or not (tracked or versions.OUTCOME in version.tags))
        ]
        if known:
            version = min(known, key=lambda found: int(found.version))
            for key, value in values.items():
                if version.tags.get(key) != value:
                    versions.tag(name, str(version.version), key, value)
            return client.get_model_version(name, version.version)
        logged = log_model(folder, classes)
        try:
            client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        return client.create_model_version(name, f"models:/{logged}", run_id=run_id, tags=values, model_id=logged)
