"""``words.tsv``: which words a recording of running speech contains, and when.

A tab-separated table with a heading. The columns ``utterance`` (the recording's file name without suffix), ``start_s``,
``end_s`` (seconds from its beginning) and ``word`` are read, others are ignored. The table is in the recording's folder
or in its parent: for ``sentences/audio/ada_1.flac`` that is ``sentences/words.tsv``.
"""

import csv
import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wav2tok.errors import UserError, reason
from wav2tok.untrusted import open_table

TABLE = "words.tsv"
COLUMNS = ("utterance", "start_s", "end_s", "word")


@dataclass(frozen=True)
class Word:
    """A word of a recording, from ``start`` to ``end`` (seconds)."""

    text: str
    start: float
    end: float


def table_of(path: str | Path) -> Path | None:
    """The ``words.tsv`` in a recording's folder, else the one in the parent folder, else None."""
    folder = Path(path).parent
    return next((place / TABLE for place in (folder, folder.parent) if (place / TABLE).is_file()), None)


def has_transcripts(paths: Sequence[str]) -> bool:
    """Whether there are recordings and every recording has a ``words.tsv``."""
    tables = {folder: table_of(folder / "any") for folder in {Path(path).parent for path in paths}}
    return bool(tables) and None not in tables.values()


def read(paths: Sequence[str]) -> list[tuple[Word, ...]]:
    """The words of each recording, in the order of its table.

    Raises:
        UserError: a recording has no table or is not in it, or a table is malformed.
    """
    tables: dict[Path, dict[str, list[Word]]] = {}
    sentences = []
    for path in paths:
        table = table_of(path)
        if table is None:
            raise UserError(f"{path} has no {TABLE} in its folder or the parent folder; put one there.")
        if table not in tables:
            tables[table] = _parse(table)
        words = tables[table].get(Path(path).stem)
        if words is None:
            raise UserError(f"{table} has no word of {Path(path).stem} ({path}); add its words or omit the file.")
        sentences.append(tuple(words))
    return sentences


def _parse(table: Path) -> dict[str, list[Word]]:
    """A table's words by utterance."""
    utterances: dict[str, list[Word]] = {}
    try:
        with open_table(table) as file:
            rows = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)  # quotation marks are ordinary characters
            heading = next(rows, [])
            missing = [name for name in COLUMNS if name not in heading]
            if missing:
                raise UserError(f"{table} has no column {missing[0]!r}; its first line must name {', '.join(COLUMNS)}.")
            places = [heading.index(name) for name in COLUMNS]
            for row in rows:
                where = f"{table}, line {rows.line_num}"
                if len(row) != len(heading):
                    raise UserError(f"{where} has {len(row)} fields instead of {len(heading)}; fix or delete the line.")
                utterance, start, end, text = (row[place].strip() for place in places)
                utterances.setdefault(utterance, []).append(_word(where, text, start, end))
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{table} is not a table in UTF-8 ({reason(error)}); write it again.") from None
    if not utterances:
        raise UserError(f"{table} has no words; add some or delete it.")
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
        raise UserError(f"{where}: the word ends at {end} s, not after its start at {start} s; fix or delete the line.")
    if not text:
        raise UserError(f"{where} has no word; fix or delete the line.")
    # A letter with an accent can be encoded in two ways; both are the same word.
    return Word(unicodedata.normalize("NFC", text), *times)
