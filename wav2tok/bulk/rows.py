"""The rows of bulk tokenizing: exactly one for each file, also for one that cannot be read.

| column | |
|---|---|
| path | absolute |
| model, identity | what made the tokens, as ``wav2tok tokenize`` names it |
| sample_rate | Hz, of the model |
| step | samples at that rate from one frame to the next |
| duration_s | of the recording; null if it cannot be read |
| tokens | the token string, no two neighbours equal; null if it cannot be read |
| starts | the frame where each token begins; it begins ``starts * step / sample_rate`` seconds after the recording |
| warning | what is doubtful about the recording, or null |
| error | why it cannot be read, or null |
"""

import os
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow

from wav2tok.matching import Tokenized
from wav2tok.tokenizer.batch import Failure
from wav2tok.tokenizer.tokenizer import Tokenizer

FORMAT = "wav2tok tokens 1"


def schema(tokenizer: Tokenizer) -> pyarrow.Schema:
    """The columns; the metadata says what they are and what made them."""
    token = pyarrow.uint16() if tokenizer.num_tokens <= 1 << 16 else pyarrow.int32()
    columns = {
        "path": pyarrow.string(),
        "model": pyarrow.string(),
        "identity": pyarrow.string(),
        "sample_rate": pyarrow.int32(),
        "step": pyarrow.int32(),
        "duration_s": pyarrow.float64(),
        "tokens": pyarrow.list_(token),
        "starts": pyarrow.list_(pyarrow.int32()),
        "warning": pyarrow.string(),
        "error": pyarrow.string(),
    }
    about = {"format": FORMAT, "model": tokenizer.source, "identity": tokenizer.identity}
    return pyarrow.schema(columns, about)


def name(path: str) -> str:
    """A path as rows have it: absolute, and in characters alone, as Parquet keeps no other bytes."""
    return os.path.abspath(path).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def table(
    results: Sequence[Tokenized | Failure], warnings: Mapping[str, Sequence[str]], tokenizer: Tokenizer
) -> pyarrow.Table:
    """One row for each result, in order.

    Args:
        warnings: {path: sentences}.
    """
    about = {
        "model": tokenizer.source,
        "identity": tokenizer.identity,
        "sample_rate": tokenizer.sample_rate,
        "step": tokenizer.step,
    }
    rows = []
    for result in results:
        row = about | {"path": name(result.path), "warning": "; ".join(warnings.get(result.path, ())) or None}
        if isinstance(result, Failure):
            row["error"] = result.error.encode("utf-8", "backslashreplace").decode()
        else:
            row |= {"duration_s": result.seconds, "tokens": result.tokens, "starts": result.starts}
        rows.append(row)
    return pyarrow.Table.from_pylist(rows, schema(tokenizer))


def results(rows: pyarrow.Table) -> Iterator[Tokenized | Failure]:
    """What `table` was made of, but for the warnings."""
    columns = (rows[column] for column in ("path", "duration_s", "tokens", "starts", "error"))
    for path, seconds, tokens, starts, error in zip(*columns, strict=True):
        if error.is_valid:
            yield Failure(path.as_py(), error.as_py())
        else:
            string, frames = (np.asarray(values.values, dtype=np.int64) for values in (tokens, starts))
            yield Tokenized(path.as_py(), seconds.as_py(), string, frames)
