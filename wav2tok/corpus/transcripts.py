"""``words.tsv``: which words a recording of running speech holds, and when.

Tab-separated with a heading; the columns ``utterance`` (the recording's file name without suffix), ``start_s``,
``end_s`` (seconds from its beginning) and ``word`` are read, others are passed over. The table stands in the
recording's folder or in the one above: for ``sentences/audio/ada_1.flac`` that is ``sentences/words.tsv``.
"""

import csv
import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wav2tok.errors import UserError, reason

TABLE = "words.tsv"
COLUMNS = ("utterance", "start_s", "end_s", "word")


@dataclass(frozen=True)
class Word:
    """A word of a recording, from ``start`` to ``end`` seconds."""

    text: str
    start: float
    end: float


def table_of(path: str | Path) -> Path | None:
    """The ``words.tsv`` beside a recording, else the one in the folder above, else None."""
    folder = Path(path).parent
    return next((place / TABLE for place in (folder, folder.parent) if (place / TABLE).is_file()), None)


def has_transcripts(paths: Sequence[str]) -> bool:
    """Whether there are recordings and every one has a ``words.tsv``."""
    tables = {folder: table_of(folder / "any") for folder in {Path(path).parent for path in paths}}
    return bool(tables) and None not in tables.values()


def read(paths: Sequence[str]) -> list[tuple[Word, ...]]:
    """The words of each recording, as the table has them in order.

    Raises:
        UserError: a recording without a table, or one that its table does not name, or a malformed table.
    """
    tables: dict[Path, dict[str, list[Word]]] = {}
    found = []
    for path in paths:
        table = table_of(path)
        if table is None:
            raise UserError(f"{path} has no {TABLE} beside it or in the folder above; put one there.")
        if table not in tables:
            tables[table] = _parse(table)
        words = tables[table].get(Path(path).stem)
        if words is None:
            raise UserError(f"{table} has no word of {Path(path).stem} ({path}); add its words or leave the file out.")
        found.append(tuple(words))
    return found


def _parse(table: Path) -> dict[str, list[Word]]:
    """A table's words by utterance."""
    utterances: dict[str, list[Word]] = {}
    try:
        with table.open(encoding="utf-8", newline="") as file:
            rows = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)  # a quotation mark is a letter like others
            heading = next(rows, [])
            missing = [name for name in COLUMNS if name not in heading]
            if missing:
                raise UserError(f"{table} has no column {missing[0]!r}; its first line must name {', '.join(COLUMNS)}.")
            places = [heading.index(name) for name in COLUMNS]
            for row in rows:
                where = f"{table}, line {rows.line_num}"
                if len(row) != len(heading):
                    raise UserError(f"{where} has {len(row)} fields instead of {len(heading)}; mend or remove it.")
                utterance, start, end, text = (row[place].strip() for place in places)
                utterances.setdefault(utterance, []).append(_word(where, text, start, end))
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{table} is no table in UTF-8 ({reason(error)}); write it anew.") from None
    if not utterances:
        raise UserError(f"{table} holds no word; fill or remove it.")
    return utterances


def _word(where: str, text: str, start: str, end: str) -> Word:
    times = []
    for name, value in (("start_s", start), ("end_s", end)):
        try:
            times.append(float(value))
        except ValueError:
            times.append(math.nan)
        if not (math.isfinite(times[-1]) and times[-1] >= 0):
            raise UserError(f"{where}: {name} is {value!r}; it must be a number of seconds, 0 or more.")
    if times[1] <= times[0]:
        raise UserError(f"{where}: the word ends at {end} s, not after its start at {start} s; mend or remove it.")
    if not text:
        raise UserError(f"{where} has no word; mend or remove it.")
    # One letter can be written in two ways; a word is the same in both.
    return Word(unicodedata.normalize("NFC", text), *times)
