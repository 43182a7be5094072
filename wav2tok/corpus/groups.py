"""``groups.csv``: to which group (speaker, singer, session) each recording belongs, when file names do not say so.

A table in the folder of the recordings, with the columns ``path`` (relative to the folder, with forward slashes) and
``group``; others are ignored. DVC tracks it with the recordings.
"""

import csv
from collections.abc import Sequence
from pathlib import Path

from wav2tok.corpus.recordings import name_of
from wav2tok.errors import UserError, reason
from wav2tok.untrusted import open_table

TABLE = "groups.csv"
COLUMNS = ("path", "group")


def groups_of(folder: Path, names: Sequence[str]) -> list[str]:
    """The group of each recording ``names`` (relative to ``folder``) by the table of the folder.

    Raises:
        UserError: there is no table, it is malformed, or a recording is not in it.
    """
    table = Path(folder) / TABLE
    try:
        with open_table(table) as file:
            rows = csv.DictReader(file)
            missing = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
            if missing:
                raise UserError(f"{table} has no column {missing[0]!r}; its first line must name path and group.")
            groups = {name_of(row["path"]): name_of((row["group"] or "").strip()) for row in rows}
    except FileNotFoundError:
        raise UserError(
            f"split.group_by is column, and {table} does not exist; write it with the columns path and group."
        ) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{table} is not a table in UTF-8 ({reason(error)}); write it again.") from None
    unknown = next((name for name in names if not groups.get(name_of(name))), None)
    if unknown is not None:
        raise UserError(f"{table} has no group of {unknown}; add a line for it.")
    return [groups[name_of(name)] for name in names]
