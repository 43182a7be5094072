"""The flavours of a registered tokenizer: MLflow's own ``onnx``, and a ``python_function`` that takes audio.

``mlflow.onnx.load_model`` gives the graph, from padded waveforms to frames. ``mlflow models serve`` and
``mlflow.pyfunc.load_model`` take a table with a row for each recording and return its token string:

    column          type            meaning
    audio           binary          a WAV, FLAC, OGG or MP3 file; in JSON and in text columns as base64
    sample_rate     double          only for audio without a header, one channel of raw samples: their rate in Hz
    encoding        string          of raw samples: s16le (the default) or f32le

    tokens          string          the tokens, with spaces between them
    token_ids       list of long    the same as numbers
    duration_s      double          length in seconds

The model brings the part of this package that it needs (`COPIED`), so that a server needs only `REQUIREMENTS`.
"""

import base64
import binascii
import io
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import soundfile

from wav2tok.audio.decode import Content
from wav2tok.errors import UserError
from wav2tok.release import wav2tok_pyfunc as loader
from wav2tok.tokenizer.batch import Failure, tokenize_files
from wav2tok.tokenizer.tokenizer import Tokenizer

if TYPE_CHECKING:
    import pandas
    from mlflow.models import Model, ModelSignature

REQUIREMENTS = ["numpy", "onnx", "onnxruntime", "rapidfuzz", "soundfile", "soxr"]
"""What a server of the model installs, beside MLflow."""
COPIED = ("audio", "matching", "tokenizer", "tracking", "release/__init__.py", "release/*pyfunc.py", "*.py")
"""The packages and single modules that a model brings."""
ENCODINGS = {"s16le": ("<i2", "PCM_16"), "f32le": ("<f4", "FLOAT")}
"""Raw samples: numpy's type of them, and libsndfile's subtype."""


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


class AudioModel:
    """What ``mlflow.pyfunc.load_model`` wraps."""

    def __init__(self, graph: str) -> None:
        self.tokenizer = Tokenizer(graph, device="cpu")

    def predict(self, model_input: "pandas.DataFrame", params: dict[str, Any] | None = None) -> "pandas.DataFrame":
        """The token strings of a table of recordings.

        Raises:
            MlflowException: a recording cannot be read; it names the row.
        """
        import pandas
        from mlflow.exceptions import MlflowException

        try:
            recordings = [_content(number, row) for number, row in enumerate(model_input.to_dict("records"))]
            strings = _strings(recordings, self.tokenizer)
        except UserError as error:
            raise MlflowException.invalid_parameter_value(str(error)) from None
        return pandas.DataFrame(
            [(" ".join(map(str, tokens)), tokens, seconds) for tokens, seconds in strings],
            columns=["tokens", "token_ids", "duration_s"],
        )


def _strings(recordings: Sequence[Content], tokenizer: Tokenizer) -> list[tuple[list[int], float]]:
    """Tokens and seconds of each recording."""
    strings = []
    for result in tokenize_files(recordings, tokenizer):
        if isinstance(result, Failure):
            raise UserError(result.error)
        strings.append((result.tokens.tolist(), result.seconds))
    return strings


def _content(number: int, row: Mapping[Any, Any]) -> Content:
    """The recording of a row of the table, as the bytes of a file."""
    name, audio, rate = f"row {number}", row["audio"], row.get("sample_rate")
    if isinstance(audio, str):
        try:
            audio = base64.b64decode(audio, validate=True)
        except binascii.Error:
            raise UserError(f"audio of {name} is text, but not base64; encode the bytes of a file.") from None
    if not isinstance(audio, bytes | bytearray):
        raise UserError(f"audio of {name} is {type(audio).__name__}; it must be bytes, or base64 as text.")
    if rate is None or np.isnan(rate):
        return Content(name, bytes(audio))
    encoding = row.get("encoding")
    encoding = encoding if isinstance(encoding, str) else "s16le"
    if encoding not in ENCODINGS:
        raise UserError(f"encoding of {name} is {encoding!r}; it must be {' or '.join(ENCODINGS)}.")
    kind, subtype = ENCODINGS[encoding]
    if not 1 <= rate < 2**31 or rate != int(rate):
        raise UserError(f"sample_rate of {name} is {rate:g}; it must be a positive integer, in Hz.")
    if len(audio) % np.dtype(kind).itemsize:
        raise UserError(f"audio of {name} has {len(audio)} bytes, which are no whole samples of {encoding}.")
    # As a file, so that it is decoded as every other.
    file = io.BytesIO()
    soundfile.write(file, np.frombuffer(audio, kind), int(rate), format="WAV", subtype=subtype)
    return Content(name, file.getvalue())
