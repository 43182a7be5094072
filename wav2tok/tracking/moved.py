"""Follow a store that was moved, copied or renamed with its folder.

MLflow writes absolute paths of artifacts into its database, and would look for them, and write new ones, where the
folder was before.
"""

import contextlib
import re
import sqlite3
from pathlib import Path

_PATHS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
    ("model_versions", "source"),
)
"""The tables and columns of MLflow's database that hold paths of artifacts."""


def follow(database: Path, artifacts: Path) -> None:
    """Make the paths in an MLflow database those below ``artifacts``.

    An experiment's artifacts have moved if their folder is now below ``artifacts``, or if it is gone where it was. The
    artifacts of other experiments lie elsewhere on purpose, and their paths stay.

    Args:
        database: the SQLite file of the store.
        artifacts: the folder next to it that holds a folder per experiment.
    """
    with contextlib.closing(sqlite3.connect(database, timeout=60)) as connection, connection:
        try:
            rows = connection.execute("SELECT artifact_location FROM experiments").fetchall()
        except sqlite3.OperationalError:  # a store that MLflow has not set up yet
            return
        for (old,) in rows:
            place = re.fullmatch(rf"(?:file://)?(/.*/{re.escape(artifacts.name)})/([^/]+)", old or "")
            if place is None or Path(place[1]) == artifacts:
                continue
            new = artifacts / place[2]
            if new.is_dir() or not Path(place[1]).exists():
                for table, column in _PATHS:
                    connection.execute(
                        f"UPDATE {table} SET {column} = ? || substr({column}, ?) "
                        f"WHERE {column} = ? OR substr({column}, 1, ?) = ?",
                        (str(new), len(old) + 1, old, len(old) + 1, f"{old}/"),
                    )
