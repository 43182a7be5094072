"""The history of a registered model: which version was promoted or rolled back, when, by whom and why.

Each event is a tag of the version that it happened to, with the time in its key and JSON as its value, so the story is
where the versions are and needs no other store.
"""

import datetime
import getpass
import json
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from wav2tok.errors import UserError
from wav2tok.release import versions
from wav2tok.tracking.store import existing

PREFIX = "event."
LONGEST = 1000
"""Characters of a reason. A tag holds 5,000 in some stores."""


@dataclass(frozen=True)
class Event:
    """Something that happened to a version.

    Attributes:
        at: the time, UTC, as 2026-11-30T12:00:00.000000Z.
        event: registered, promoted, rolled back (to this version), or declined.
        by: who did it, as user@host.
        why: the reason, given by a person or found by a comparison.
        previous: the version that a rollback of this event returns to; None if there is none.
        replaced: the version that was champion until then.
    """

    at: str
    event: str
    by: str
    why: str
    previous: str | None = None
    replaced: str | None = None

    @property
    def key(self) -> str:
        """The key of its tag."""
        return PREFIX + self.at

    @property
    def value(self) -> str:
        """The value of its tag."""
        return json.dumps({key: value for key, value in asdict(self).items() if value is not None}, ensure_ascii=False)

    @property
    def crowns(self) -> bool:
        """Whether the version became champion by it."""
        return self.event in ("promoted", "rolled back")


def now(event: str, why: str, *, previous: str | None = None, replaced: str | None = None) -> Event:
    """An event of this moment by this user."""
    at = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return Event(at, event, who(), shortened(why), previous, replaced)


def who() -> str:
    """The user of this process: the name by which MLflow knows it, or that of the system; and the machine."""
    try:
        user = os.environ.get("MLFLOW_TRACKING_USERNAME") or getpass.getuser()
    except (KeyError, OSError):  # a container without a user of that number
        user = f"uid {os.getuid()}"
    return f"{user}@{platform.node() or 'unknown'}"


def shortened(text: str) -> str:
    """A sentence that a comparison found, as long as a tag takes it."""
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."


def require_reason(why: str) -> str:
    """A reason that a person gave, without spaces around it.

    Raises:
        UserError: it is empty or too long.
    """
    why = why.strip()
    if not why:
        raise UserError("the reason is empty; say why, because the history keeps it.", "why")
    if len(why) > LONGEST:
        raise UserError(f"the reason has {len(why)} characters; at most {LONGEST} are kept.", "why")
    return why


def parse(value: str) -> Event:
    """The event that a tag's value holds."""
    return Event(**json.loads(value))


def of_version(version: Any) -> list[Event]:
    """The events of a version, oldest first."""
    return sorted((parse(value) for key, value in version.tags.items() if key.startswith(PREFIX)), key=lambda e: e.at)


def record(name: str, number: str, event: Event) -> None:
    """Write an event to a version; writing it again changes nothing."""
    versions.tag(name, number, event.key, event.value)


def read(name: str) -> list[Mapping[str, Any]]:
    """The story of a registered model, oldest first: one row per event, with the version and its score.

    Raises:
        UserError: there is no store, or no such model.
    """
    existing(f"{name} has no history")
    state = versions.read(name)
    if not state.versions:
        raise UserError(f"{name} has no versions, so it has no history; register a model with wav2tok register.")
    rows = []
    for number, version in state.versions.items():
        score = version.tags.get("score")
        aliases = sorted(alias for alias, pointed in state.aliases.items() if pointed == number)
        rows += [
            {
                "at": event.at,
                "event": event.event,
                "version": number,
                "replaced": event.replaced,
                "score": None if score is None else float(score),
                "by": event.by,
                "why": event.why,
                "aliases": aliases,
            }
            for event in of_version(version)
        ]
    return sorted(rows, key=lambda row: str(row["at"]))
