"""The flavours of a registered tokenizer: MLflow's own ``onnx``, and a ``python_function`` that takes audio.

``mlflow.onnx.load_model`` gives the graph, from padded waveforms to frames. ``mlflow models serve`` and
``mlflow.pyfunc.load_model`` take a table of recordings and return their token strings (`wav2tok.release.audio_model`).

The model brings the part of this package that it needs (`COPIED`), so that a server needs only `REQUIREMENTS`.
"""

import io
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soundfile

from wav2tok.release import wav2tok_pyfunc as loader

if TYPE_CHECKING:
    import pandas
    from mlflow.models import Model, ModelSignature

REQUIREMENTS = ["numpy", "onnx", "onnxruntime", "rapidfuzz", "soundfile", "soxr"]
"""What a server of the model installs, beside MLflow."""
COPIED = ("audio", "matching", "tokenizer", "tracking", "release/__init__.py", "release/audio_model.py", "*.py")
"""The packages and single modules that a model brings."""


def signature() -> "ModelSignature":
    """The columns of the ``python_function``."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema
    from mlflow.types.schema import Array

    return ModelSignature(
        inputs=Schema(
            [
                ColSpec(DataType.binary, "audio"),
                ColSpec(DataType.double, "sample_rate", required=False),
                ColSpec(DataType.string, "encoding", required=False),
            ]
        ),
        outputs=Schema(
            [
                ColSpec(DataType.string, "tokens"),
                ColSpec(Array(DataType.long), "token_ids"),
                ColSpec(DataType.double, "duration_s"),
            ]
        ),
    )


def example() -> "pandas.DataFrame":
    """A table of one recording: a tenth of a second of a tone, as FLAC."""
    import pandas

    file, rate = io.BytesIO(), 16000
    soundfile.write(file, 0.1 * np.sin(2 * np.pi * 220 * np.arange(rate // 10) / rate), rate, format="FLAC")
    return pandas.DataFrame({"audio": [file.getvalue()]})


def save_model(path: str, mlflow_model: "Model", graph: Path) -> None:
    """Write a model with both flavours into the folder ``path``; `mlflow.models.Model.log` calls it.

    Args:
        path: a folder that does not exist.
        mlflow_model: what describes the model; it gets the flavours.
        graph: the ONNX file.
    """
    import mlflow.onnx
    import onnx
    import onnxruntime
    from mlflow import pyfunc

    # The graph's optional input makes ONNX Runtime warn.
    onnxruntime.set_default_logger_severity(3)
    mlflow.onnx.save_model(
        onnx.load(str(graph)),
        path,
        mlflow_model=mlflow_model,
        signature=signature(),
        input_example=example(),
        # By default CUDA would be asked for even where there is no device: errors in red.
        onnx_execution_providers=["CPUExecutionProvider"],
        pip_requirements=REQUIREMENTS,
        # One file, so that `pull` can copy it and its digest covers the weights.
        save_as_external_data=False,
    )
    flavor = mlflow_model.flavors[pyfunc.FLAVOR_NAME]
    flavor[pyfunc.MAIN] = loader.__name__.rpartition(".")[2]
    flavor[pyfunc.CODE] = "code"
    _copy_package(Path(path) / flavor[pyfunc.CODE])
    mlflow_model.save(str(Path(path) / "MLmodel"))


def _copy_package(code: Path) -> None:
    """Write the loader, and beside it the package that it falls back to."""
    package = Path(__file__).resolve().parents[1]
    copy = code / loader.COPY / package.name
    for name in COPIED:
        for part in package.glob(name):
            for file in part.rglob("*.py") if part.is_dir() else [part]:
                target = copy / file.relative_to(package)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, target)
    shutil.copyfile(loader.__file__, code / Path(loader.__file__).name)
