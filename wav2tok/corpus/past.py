"""Earlier validations, to see when something went wrong: what each found, and its page in the Data Docs."""

import datetime
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from wav2tok.files import read_json, write_json

FILE = "history.json"
"""In the folder of the Data Docs: the validations that it has pages of, oldest first."""
KEPT = 20
"""How many validations are kept."""


@dataclass(frozen=True)
class Past:
    """A validation.

    Attributes:
        at: when it was, UTC, as 2026-11-30T12:00:00Z.
        page: its page, relative to the Data Docs.
        failed: the names of the checks that failed, and of the distributions that moved.
        digest: of the recordings (`wav2tok.corpus.manifest.manifest_digest`): the same for the same corpus.
    """

    at: str
    page: str
    success: bool
    files: int
    recordings: int
    hours: float
    classes: int
    groups: int
    failed: list[str]
    digest: str


@dataclass(frozen=True)
class _File:
    validations: list[Past]


def read(docs: Path) -> list[Past]:
    """The validations that a folder of Data Docs has pages of, oldest first; none if it has no history.

    Raises:
        UserError: the history is not as it was written.
    """
    if not (docs / FILE).exists():
        return []
    names = [field.name for field in fields(Past)]
    found = read_json(docs / FILE, _File)["validations"]
    return [Past(**{name: one[name] for name in names}) for one in found]


def keep(earlier: Sequence[Past], old: Path, new: Path, page: str, summary: dict[str, Any]) -> list[Past]:
    """Add a validation to the earlier ones, and bring the pages of the last `KEPT` into the folder ``new``.

    Args:
        earlier: what `read` found in the folder ``old``.
        page: that of this validation, which is in ``new``.
        summary: the content of ``validation.json``.

    Returns:
        the validations that ``new`` has pages of, oldest first.
    """
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    failed = [check["name"] for check in summary["checks"] if not check["success"]]
    failed += [shift["name"] for shift in summary["compared"]["shifts"] if shift["moved"]]
    same = ("success", "files", "recordings", "hours", "classes", "groups", "digest")
    this = Past(at=now, page=page, failed=failed, **{name: summary[name] for name in same})
    pages = {path.relative_to(old).as_posix() for path in old.rglob("*.html")} - {page}  # whatever the history names
    kept = [one for one in earlier if one.page in pages][-(KEPT - 1) :]
    for one in kept:
        (new / one.page).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(old / one.page, new / one.page)
    write_json(new / FILE, asdict(_File([*kept, this])))
    return [*kept, this]
