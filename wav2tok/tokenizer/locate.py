"""From a model's name (file, folder or MLflow URI) to its graph."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from wav2tok.errors import UserError
from wav2tok.tokenizer.format import GRAPH_NAMES
from wav2tok.tracking.store import fetch


def locate(model: str | Path) -> Path:
    """The ONNX file that a path names: the file itself, or the graph in a folder.

    Raises:
        UserError: there is none.
    """
    path = Path(model)
    if path.is_file():
        return path
    for name in GRAPH_NAMES:
        if (path / name).is_file():
            return path / name
    problem = f"folder {path} holds no {GRAPH_NAMES[0]}" if path.is_dir() else f"{path} does not exist"
    raise UserError(
        f"{problem}; name an ONNX file, a folder that wav2tok train, export or pull wrote, or an MLflow URI such as "
        "models:/wav2tok@champion.",
        "model",
    )


@contextlib.contextmanager
def located(model: str | Path) -> Iterator[tuple[Path, str]]:
    """The ONNX file of a model (a file, a folder, or an MLflow URI such as ``models:/wav2tok@champion``) and its name.

    A model that a URI names is downloaded, and deleted at the end of the block.

    Raises:
        UserError: there is none, or it cannot be downloaded.
    """
    if str(model).startswith(("models:/", "runs:/", "mlflow-artifacts:/")):
        with tempfile.TemporaryDirectory(prefix="wav2tok-") as folder:
            yield locate(fetch(str(model), Path(folder))), str(model)
    else:
        yield locate(model), str(model)
