"""Read files, and write them so that a reader never sees half of one.

One process at a time writes to a folder (`locked`). What may be written to at all is in `wav2tok.writable`.
"""

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import stat
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from wav2tok import temporary, untrusted
from wav2tok.errors import UserError
from wav2tok.progress import log
from wav2tok.writable import require_file, require_folder, require_local, require_replaceable

if os.name == "posix":
    import fcntl


def cache() -> Path:
    """What the user may delete at any time: ``wav2tok`` in XDG_CACHE_HOME, or else in ``~/.cache``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wav2tok"


def make_folder(path: Path) -> None:
    """Make a folder and its parents, if necessary.

    Raises:
        UserError: there is a file of that name, or it is the address of another machine.
    """
    require_local(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise UserError(f"{path} cannot be made a folder, because a file is in the way; name another.") from None


def read_text(path: Path) -> str:
    """Read a text file that a stage wrote.

    Raises:
        UserError: it is missing, is not a regular file or is not text.
    """
    if untrusted.why_not_regular(path) == "does not exist":
        raise UserError(f"{path} does not exist; run the stage that writes it first.")
    return untrusted.read_text(path)


_FULL = re.compile(r"No space left on device|database or disk is full|os error 28\b|errno 28\b", re.IGNORECASE)
"""How libraries that write files by themselves say that the disk is full."""


def says_full(error: BaseException) -> bool:
    """Whether an error of the system or of a library says that a disk is full, or a quota used up."""
    return getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or _FULL.search(str(error)) is not None


@contextlib.contextmanager
def naming(path: Path, size: int | None = None) -> Iterator[None]:
    """If the disk is full or read-only, name what was to be written, and not the temporary file that was.

    Raises:
        UserError: it is.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, OSError) and error.errno == errno.EROFS:
            raise UserError(f"{path} cannot be written: the disk is read-only; name a place on another disk.") from None
        if isinstance(error, UserError) or not says_full(error):
            raise
        free = shutil.disk_usage(path.parent).free
        needed = "" if size is None else f", which takes {size / 1e6:,.2f} MB where {free / 1e6:,.2f} MB are free"
        raise UserError(
            f"{path} cannot be written{needed}: no space is left on the disk; free some space, or name a place on "
            "another disk."
        ) from None


@contextlib.contextmanager
def replacing(path: Path | str, size: int | None = None) -> Iterator[Path]:
    """Yield the path of a new, empty file on the disk of ``path``; if the block succeeds, it is renamed to ``path``.

    If the block fails, ``path`` is unchanged. A new file has the mode that ``open`` gives it; one that is replaced
    keeps its own. What a killed process has left, the next one that writes ``path`` deletes (`wav2tok.temporary`).

    Args:
        size: of what is written in bytes, if it is known, for the message if the disk is full.

    Raises:
        UserError: ``path`` is not a regular file, or the disk is full.
    """
    path = Path(path)
    require_file(path)
    make_folder(path.parent)
    with naming(path, size), temporary.place(path) as place:
        new = place / f"new{path.suffix}"
        new.touch()
        mode = _mode(path if path.exists() else new)
        yield new
        new.chmod(mode)
        new.replace(path)


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@contextlib.contextmanager
def _in_folder(folder: Path) -> Iterator[None]:
    """Make a folder and its parents, if necessary; when the block ends, those that it made and that are empty go."""
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    make_folder(folder)
    try:
        yield
    finally:
        for place in made:  # what was to be written was refused
            if not place.exists() or any(place.iterdir()):
                break
            place.rmdir()


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """Let no other process work at the file ``path`` while the block runs, which replaces it at its end.

    The kernel releases the lock when the process ends, however it ends.

    Raises:
        UserError: another process does, or ``path`` is not a regular file.
    """
    require_local(path, "out")
    require_file(path)
    with _in_folder(path.parent), temporary.place(path, alone=True):
        yield


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of an output folder while the block runs; the folder is made if necessary.

    The kernel holds it (flock of the folder itself) and releases it when the process ends, however it ends. Windows
    locks no folders, so there it is a file beside it.

    Raises:
        UserError: another process holds it, or ``folder`` is not a folder.
    """
    require_folder(folder)
    with _in_folder(folder), _lock(folder):
        yield


@contextlib.contextmanager
def _lock(folder: Path) -> Iterator[None]:
    taken = UserError(
        f"another process is writing to {folder}; wait until it has finished, or name another folder.", "out"
    )
    if os.name != "posix":
        lock = FileLock(folder.resolve().with_name(f".{folder.resolve().name}.lock"))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise taken from None
        with lock:
            yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise taken from None
        except OSError as error:  # some network file systems
            log.warning(f"{folder} cannot be locked ({error.strerror}), so do not write to it twice at a time")
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def replacing_folder(
    path: Path | str, names: Collection[str] = (), inputs: Iterable[Path | None] = ()
) -> Iterator[Path]:
    """Yield a new folder on the disk of ``path``; if the block succeeds, it replaces ``path`` and all that is in it.

    A new folder has the mode that ``mkdir`` gives it; one that is replaced keeps its own. If the process is killed, the
    next one that writes ``path`` finds the old folder or the new one there, whole (`wav2tok.temporary`).

    Args:
        names: the files that the folder may hold, because an earlier run wrote them: patterns of their paths below it,
            as of `fnmatch`.
        inputs: the files and folders that are read for it.

    Raises:
        UserError: ``path`` is a file or a device, is or holds the current folder or one of ``inputs``, or holds
            something else than ``names``; or another process is replacing it; or the disk is full. It is unchanged
            then.
    """
    given = Path(path)
    require_replaceable(given, names, inputs)
    path = given.resolve()  # what a link points to is replaced, not the link
    make_folder(path.parent)
    with naming(path), temporary.place(path, alone=True) as place:
        require_replaceable(given, names, inputs)  # what was put back
        new = place / "new"
        new.mkdir()
        mode = _mode(path if path.exists() else new)
        yield new
        new.chmod(mode)
        if path.exists():
            require_replaceable(given, names, inputs)  # somebody may have put a file there meanwhile
            temporary.swap(new, path)
        else:
            new.replace(path)


def write_json(path: Path | str, value: Any) -> None:
    """Write ``value`` as indented JSON, whole or not at all; NaN and infinities raise ValueError."""
    text = (json.dumps(value, indent=2, allow_nan=False) + "\n").encode()
    with replacing(path, len(text)) as new:
        new.write_bytes(text)


def read_json(path: Path | str, kind: Any = None) -> Any:
    """Read a JSON file.

    Args:
        kind: a dataclass whose fields the value must have, of these types, strictly: "no" is not a bool and "3" not a
            number. It may have others. This needs pydantic.

    Raises:
        UserError: the file is missing, is not JSON or of another type, or holds NaN or an infinity.
    """
    try:
        text = read_text(Path(path))
        value = untrusted.parse_json(text)
    except ValueError as error:
        raise UserError(f"{path} is not valid JSON ({error}); make it again.") from None
    if kind is not None:
        import pydantic

        try:
            pydantic.TypeAdapter(kind).validate_json(text, strict=True)
        except pydantic.ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(map(str, first["loc"])) or "it"
            raise UserError(
                f"{path} is not as it was written: {place} is {first['input']!r:.80} ({first['msg']}); make it again."
            ) from None
    return value


def sha256(path: Path | str) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
