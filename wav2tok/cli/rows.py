"""Rows of results on standard output: JSON lines, CSV or Parquet; failures on standard error."""

import csv
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wav2tok.errors import UserError
from wav2tok.extras import need
from wav2tok.secrets import without_secrets

if TYPE_CHECKING:
    from wav2tok.tokenizer.batch import Failure

Row = Mapping[str, Any]
ROWS_AT_ONCE = 1000


class Format(StrEnum):
    """How rows are printed."""

    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"


FormatOption = Annotated[
    Format, typer.Option("--format", help="jsonl: one JSON object per line; csv: lists are separated by spaces.")
]


def say_failure(failure: "Failure") -> None:
    """Print a recording that cannot be read, with the reason, as a JSON line on standard error."""
    row = {"path": failure.path, "error": failure.error}
    print(without_secrets(json.dumps(row, ensure_ascii=False)), file=sys.stderr, flush=True)


@contextmanager
def printing(form: Format) -> Iterator[Callable[[Row], None]]:
    """A function that prints one row; all rows have the keys of the first."""
    printers = {Format.JSONL: _json_lines, Format.CSV: _csv, Format.PARQUET: _parquet}
    with printers[form]() as emit:
        yield emit


@contextmanager
def _json_lines() -> Iterator[Callable[[Row], None]]:
    yield lambda row: print(json.dumps(row, ensure_ascii=False), flush=True)


@contextmanager
def _csv() -> Iterator[Callable[[Row], None]]:
    rows: csv.DictWriter[str] | None = None

    def emit(row: Row) -> None:
        nonlocal rows
        if rows is None:
            rows = csv.DictWriter(sys.stdout, list(row), lineterminator="\n")
            rows.writeheader()
        rows.writerow(
            {key: " ".join(map(str, value)) if isinstance(value, list) else value for key, value in row.items()}
        )
        sys.stdout.flush()

    yield emit


@contextmanager
def _parquet() -> Iterator[Callable[[Row], None]]:
    need("workflow", "pyarrow")
    if sys.stdout.isatty():
        raise UserError("parquet is not text; redirect it to a file: > rows.parquet", "format")
    import pyarrow
    from pyarrow import parquet

    waiting: list[Row] = []
    writer: parquet.ParquetWriter | None = None

    def flush() -> None:
        nonlocal writer
        table = pyarrow.Table.from_pylist(waiting, schema=writer.schema if writer else None)
        writer = writer or parquet.ParquetWriter(sys.stdout.buffer, table.schema)
        writer.write_table(table)
        waiting.clear()

    def emit(row: Row) -> None:
        waiting.append(row)
        if len(waiting) == ROWS_AT_ONCE:
            flush()

    yield emit
    if waiting or writer is None:
        flush()
    if writer is not None:
        writer.close()
    sys.stdout.buffer.flush()
