"""A folder of Parquet parts; the parts alone say which recordings are done.

No second list could disagree with them. A part takes its name when it is complete, and nothing
but the process that holds the folder's lock writes one, so a file has one row however often its work was begun.
"""

import re
import time
from collections.abc import Iterator, Set
from pathlib import Path
from types import TracebackType

import pyarrow
import pyarrow.compute
from pyarrow import parquet

from wav2tok.bulk.rows import FORMAT
from wav2tok.errors import UserError
from wav2tok.files import replacing

ROWS = 4096
"""The most rows that wait to be written; a part of recordings of ten seconds is then of some 5 MB."""
SECONDS = 60.0
"""How long a row waits at most: what a killed job has to do again."""
_NAME = re.compile(r"part-(\d+)\.parquet")


def parts(folder: Path) -> list[Path]:
    """The parts of a folder, which need not exist, in the order of their numbers."""
    found = [path for path in folder.glob("part-*.parquet") if _NAME.fullmatch(path.name)]
    return sorted(found, key=_number)


def _number(part: Path) -> int:
    found = _NAME.fullmatch(part.name)
    assert found is not None
    return int(found[1])


def require_made_by(folder: Path, identity: str, parameter: str = "out") -> None:
    """Refuse parts that another model or another program wrote, and damaged ones.

    Args:
        identity: `Tokenizer.identity` of the model.
        parameter: what names the folder.

    Raises:
        UserError: it names the part.
    """
    for part in parts(folder):
        try:
            about = parquet.read_schema(part).metadata or {}
        except (pyarrow.ArrowException, OSError) as error:
            raise UserError(
                f"{part} is damaged ({str(error).splitlines()[0]}); delete it, and its recordings are tokenized again."
            ) from None
        if about.get(b"format") != FORMAT.encode():
            raise UserError(f"{part} was not written by wav2tok tokenize --ray; name another folder.", parameter)
        if about[b"identity"] != identity.encode():
            raise UserError(
                f"{folder} holds the tokens of another model, {about[b'model'].decode()} (identity "
                f"{about[b'identity'].decode()}, not {identity}); name another folder.",
                parameter,
            )


def read(folder: Path) -> Iterator[pyarrow.Table]:
    """The rows of a folder, part by part."""
    for part in parts(folder):
        yield parquet.read_table(part)


def finished(folder: Path) -> set[str]:
    """The paths of the rows without an error."""
    done: set[str] = set()
    for part in parts(folder):
        rows = parquet.read_table(part, columns=["path", "error"])
        done.update(rows.filter(pyarrow.compute.is_null(rows["error"]))["path"].to_pylist())
    return done


def forget_failures(folder: Path, paths: Set[str]) -> None:
    """Take the rows with an error of ``paths`` out of their parts, because these recordings are tried again."""
    for part in parts(folder):
        rows = parquet.read_table(part, columns=["path", "error"])
        again = [error is not None and path in paths for path, error in zip(*rows.to_pydict().values(), strict=True)]
        if any(again):
            _write(parquet.read_table(part).filter(pyarrow.array([not one for one in again])), part)


class Writer:
    """Collects rows and writes them as parts; at the end of the block, also after an error, those that wait."""

    def __init__(self, folder: Path) -> None:
        """Begin after the last part of ``folder``, which must exist and be locked."""
        self._folder = folder
        self._next = max(map(_number, parts(folder)), default=-1) + 1
        self._waiting: list[pyarrow.Table] = []
        self._since = time.monotonic()

    def __enter__(self) -> "Writer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._flush()

    def add(self, rows: pyarrow.Table) -> None:
        """Take rows, and write a part if there are enough of them or the first has waited long enough."""
        self._waiting.append(rows)
        if sum(map(len, self._waiting)) >= ROWS or time.monotonic() - self._since >= SECONDS:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            _write(pyarrow.concat_tables(self._waiting), self._folder / f"part-{self._next:05d}.parquet")
            self._next += 1
            self._waiting.clear()
        self._since = time.monotonic()


def _write(rows: pyarrow.Table, part: Path) -> None:
    with replacing(part) as new:
        parquet.write_table(rows, new, compression="zstd")
