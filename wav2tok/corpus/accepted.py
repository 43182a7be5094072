"""``accepted.csv``: a profile of the last accepted data, with which new data is compared (`wav2tok.corpus.moved`).

It is tracked by git and a dependency of ``validate``, so the verdict of a commit is the same in every clone. It holds
digests, classes, lengths and levels; of groups, which may be names of persons, digests alone.
"""

import csv
import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from wav2tok import files
from wav2tok.corpus.manifest import Entry
from wav2tok.errors import UserError
from wav2tok.untrusted import open_table, shown

FILE = Path("accepted.csv")
"""Read in the working folder, if it is there, as ``params.yaml`` is."""
KEPT = 2000
"""How many recordings are kept. Of more, those with the smallest digests: a draw that does not depend on what they are,
and by which it can be said of a new recording whether it would have been drawn."""


@dataclass(frozen=True)
class Known:
    """What is kept of a recording.

    Attributes:
        sha256: the first 16 digits of its content's digest.
        class_name: its class; "" if it has none.
        group: the first 12 digits of the SHA-256 of its group's name.
        seconds, rms_dbfs, snr_db: as in the manifest.
    """

    sha256: str
    class_name: str
    group: str
    seconds: float
    rms_dbfs: float
    snr_db: float


COLUMNS = tuple(field.name for field in fields(Known))


def known(entries: Iterable[Entry]) -> list[Known]:
    """What would be kept of the readable recordings of a manifest, by digest; of equal contents one.

    All of them: `write` drops what is more than `KEPT`.
    """
    found: dict[str, Known] = {}
    for one in entries:
        if not one.error:
            group = hashlib.sha256(one.group.encode(errors="surrogateescape")).hexdigest()[:12]
            row = Known(one.sha256[:16], one.class_name, group, one.seconds, one.rms_dbfs, one.snr_db)
            found.setdefault(row.sha256, row)
    return [found[key] for key in sorted(found)]


def write(recordings: Sequence[Known], path: Path) -> None:
    """Write a profile that `read` reads.

    Args:
        recordings: by digest.
    """
    with (
        files.replacing(path) as temporary,
        open(temporary, "w", newline="", encoding="utf-8", errors="surrogateescape") as file,
    ):
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(map(asdict, recordings[:KEPT]))


def read(path: Path | None = None) -> list[Known]:
    """The profile in a file, by digest; empty before data was accepted.

    Args:
        path: the file; None: `FILE`, if it exists.

    Raises:
        UserError: the file is missing or is not such a profile.
    """
    if path is None:
        if not FILE.exists():
            return []
        path = FILE
    try:
        with open_table(path, "surrogateescape") as file:
            reader = csv.DictReader(file, strict=True)
            rows = list(reader)
            if tuple(reader.fieldnames or ()) != COLUMNS:
                raise ValueError
        found = [_read(row) for row in rows]
        digests = [one.sha256 for one in found]
        if digests != sorted(set(digests)) or len(found) > KEPT:
            raise ValueError
    except OSError as error:
        raise UserError(f"{shown(path)} cannot be read ({error.strerror}).", "accepted") from None
    except (ValueError, TypeError, csv.Error):
        raise UserError(
            f"{shown(path)} is not a profile that wav2tok accept wrote; bring it back with git, or delete it and "
            "run wav2tok accept.",
            "accepted",
        ) from None
    return found


def _read(row: dict[str, str]) -> Known:
    """The recording of a row.

    Raises:
        ValueError, TypeError: it has too few or too many fields, or one that is not a finite number.
    """
    names = [row[name] for name in COLUMNS[:3]]
    numbers = [float(row[name]) for name in COLUMNS[3:]]
    if None in row or None in names or not all(map(math.isfinite, numbers)):
        raise ValueError
    sha256, class_name, group = names
    return Known(sha256, class_name, group, *numbers)
