"""The ``python_function`` of a registered tokenizer: a table with a row for each recording in, its token string out.

column          type            meaning
audio           binary          a WAV, FLAC, OGG or MP3 file; in JSON and in text columns as base64
sample_rate     double          only for audio without a header, one channel of raw samples: their rate in Hz
encoding        string          of raw samples: s16le (the default) or f32le

tokens          string          the tokens, with spaces between them
token_ids       list of long    the same as numbers
duration_s      double          length in seconds
"""

import base64
import binascii
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import soundfile

from wav2tok.audio.raw import ENCODINGS
from wav2tok.audio.source import Content
from wav2tok.errors import UserError
from wav2tok.tokenizer.batch import Failure, tokenize_files
from wav2tok.tokenizer.tokenizer import Tokenizer

if TYPE_CHECKING:
    import pandas


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
        raise UserError(f"audio of {name} has {len(audio)} bytes, which is not a whole number of {encoding} samples.")
    # As a file, so that it is decoded as every other.
    file = io.BytesIO()
    soundfile.write(file, np.frombuffer(audio, kind), int(rate), format="WAV", subtype=subtype)
    return Content(name, file.getvalue())
