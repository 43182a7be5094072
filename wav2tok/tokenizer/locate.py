"""From a MODEL (file, folder or MLflow URI) to its graph."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from wav2tok.errors import UserError
from wav2tok.tokenizer.format import GRAPH_NAMES


def locate(model: str | Path) -> Path:
    """The ONNX file that a file or a folder stands for.

    Raises:
        UserError: there is none.
    """
    path = Path(model)
    if path.is_file():
        return path
    for name in GRAPH_NAMES:
        if (path / name).is_file():
            return path / name
    what = f"folder {path} holds no {GRAPH_NAMES[0]}" if path.is_dir() else f"{path} does not exist"
    raise UserError(
        f"--model: {what}; name an ONNX file, a folder that wav2tok train, export or pull wrote, or an "
        "MLflow URI such as models:/wav2tok@champion."
    )


@contextlib.contextmanager
def located(model: str | Path) -> Iterator[Path]:
    """The ONNX file that MODEL stands for: a file, a folder, or an MLflow URI such as ``models:/wav2tok@champion``.

    What an MLflow URI names is downloaded and kept for the length of the block.

    Raises:
        UserError: there is none, or the URI cannot be fetched.
    """
    if str(model).startswith(("models:/", "runs:/", "mlflow-artifacts:/")):
        from wav2tok.tracking.store import fetch

        with tempfile.TemporaryDirectory(prefix="wav2tok-") as folder:
            yield locate(fetch(str(model), Path(folder)))
    else:
        yield locate(model)
