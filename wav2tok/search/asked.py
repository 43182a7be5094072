"""Searches that were served, kept by consent of whoever asked: one JSON object a line, and sounds in a folder.

``wav2tok serve --log-queries`` writes them, and ``wav2tok replay`` asks them again.
"""

import contextlib
import hashlib
import json
import os
import re
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from wav2tok.errors import UserError
from wav2tok.files import make_folder, replacing
from wav2tok.untrusted import parse_json, require_regular

if os.name == "posix":
    import fcntl

ANSWERS = 10
"""How many answers to a search are kept."""
_SOUND = re.compile(r"[0-9a-f]{32}\.query")
"""What files of `Sounds` are called."""


@dataclass(frozen=True)
class Asked:
    """A search.

    Attributes:
        time: when, UTC, as 2026-11-30T12:00:00Z.
        model, identity: the tokenizer that made the tokens, and the index that answered.
        tokens: of the query.
        paths, distances: the first answers, best first, at most `ANSWERS`.
        sound: the name of its file in the folder of the sounds; None if none was kept.
    """

    time: str
    model: str
    identity: str
    tokens: tuple[int, ...]
    paths: tuple[str, ...]
    distances: tuple[float, ...]
    sound: str | None = None


def append(asked: Asked, log: Path, megabytes: float) -> None:
    """Add a line to a log, which only its owner may read.

    A log that would grow beyond ``megabytes`` MiB first gets the name of `former`, in place of the one before it.

    Raises:
        OSError: it cannot be written.
    """
    line = (json.dumps(asdict(asked), ensure_ascii=False) + "\n").encode("utf-8", "surrogateescape")
    log = Path(os.path.realpath(log))
    while True:
        number = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            if os.name == "posix":
                with contextlib.suppress(OSError):  # some network file systems have no locks
                    fcntl.flock(number, fcntl.LOCK_EX)  # several services may write to one log
            about = os.fstat(number)
            if not 0 < about.st_size > megabytes * (1 << 20) - len(line):
                os.write(number, line)
                return
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(about, os.stat(log)):  # else another service has renamed it
                    log.replace(former(log))
        finally:
            os.close(number)


def former(log: Path) -> Path:
    """Where the searches are that were logged before those of ``log``."""
    return log.with_name(f"{log.name}.1")


def read(log: Path) -> Iterator[Asked]:
    """The searches in a log, in their order. A last line that was not written whole is left out.

    Raises:
        UserError: the file is missing or not a regular one, or a line is not as `append` writes it.
    """
    require_regular(log, "log")
    try:
        with open(log, encoding="utf-8", errors="surrogateescape") as file:
            for number, line in enumerate(file, start=1):
                if not line.endswith("\n"):
                    return
                try:
                    yield _asked(parse_json(line))
                except (KeyError, TypeError, ValueError):
                    raise UserError(
                        f"{log} line {number} is not a search that wav2tok serve logged; delete the line, or name "
                        "another file.",
                        "log",
                    ) from None
    except OSError as error:
        raise UserError(f"{log} cannot be read ({error.strerror}).", "log") from None


def _asked(values: object) -> Asked:
    """The search of a line.

    Raises:
        KeyError, TypeError, ValueError: it is none.
    """
    if not isinstance(values, dict):
        raise TypeError
    time, model, identity = (str(values[name]) for name in ("time", "model", "identity"))
    tokens, distances = tuple(map(int, values["tokens"])), tuple(map(float, values["distances"]))
    paths, sound = tuple(map(str, values["paths"])), values["sound"]
    if len(paths) != len(distances) or min(tokens, default=0) < 0:
        raise ValueError
    if sound is not None and not _SOUND.fullmatch(sound):
        raise ValueError  # a name of another folder, too
    return Asked(time, model, identity, tokens, paths, distances, sound)


@dataclass(frozen=True)
class Sounds:
    """A folder of sounds that were asked for, which forgets.

    Attributes:
        folder: made if necessary, and then for its owner alone.
        days: older ones are deleted.
        megabytes: the oldest are deleted beyond this size, in MiB.
    """

    folder: Path
    days: float
    megabytes: float

    def keep(self, content: bytes) -> str:
        """Keep the bytes of a recording; returns the name of its file.

        Raises:
            OSError, UserError: it cannot be written.
        """
        if not self.folder.exists():
            make_folder(self.folder)
            self.folder.chmod(0o700)
        name = f"{hashlib.sha256(content).hexdigest()[:32]}.query"
        with replacing(self.folder / name, len(content)) as new:
            new.write_bytes(content)
        self.forget()
        return name

    def forget(self) -> None:
        """Delete what is too old or too much."""
        if not self.folder.is_dir():
            return
        files = [path for path in self.folder.iterdir() if _SOUND.fullmatch(path.name)]
        about = sorted(((path.stat(), path) for path in files), key=lambda one: -one[0].st_mtime)
        room, oldest = self.megabytes * (1 << 20), time.time() - 86_400 * self.days
        for status, path in about:
            room -= status.st_size
            if room < 0 or status.st_mtime < oldest:
                path.unlink(missing_ok=True)
