"""Write files so that a reader never sees half of one, and replace only what a verb wrote before.

A verb replaces files of its own names. It never replaces a folder that holds its inputs or anything else, nor the
current folder, nor what is not a regular file; and one process at a time writes to a folder (`locked`).
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
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from wav2tok import temporary, untrusted
from wav2tok.errors import UserError
from wav2tok.progress import log

if os.name == "posix":
    import fcntl


def cache() -> Path:
    """What the user may delete at any time: ``wav2tok`` in XDG_CACHE_HOME, or else in ``~/.cache``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wav2tok"


def require_local(path: Path | str, parameter: str | None = None) -> None:
    """Refuse an address, such as ``s3://bucket/x``, where a path is meant: it would name a folder ``s3:``.

    Raises:
        UserError: ``path`` begins as an address does.
    """
    if untrusted.is_address(path):
        raise UserError(
            f"{untrusted.shown(path)} is an address, and only files and folders of this machine can be named here; "
            "name one, and copy it from or to elsewhere yourself.",
            parameter,
        )


def require_outside(out: Path, *folders: Path | str, parameter: str = "out") -> None:
    """Refuse to write into a folder of recordings: the next run would find its own output among them.

    Raises:
        UserError: ``out`` is one of ``folders`` or lies in it.
    """
    for folder in folders:
        if not out.resolve().is_relative_to(Path(folder).resolve()):
            continue
        raise UserError(
            f"{out} lies in {folder}, where the recordings are, and would be looked through with them; name a folder "
            "outside it.",
            parameter,
        )


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


def require_folder(folder: Path) -> None:
    """Refuse an output folder that is a file, a device or a pipe.

    Raises:
        UserError: ``folder`` exists and is not a folder.
    """
    if os.path.lexists(folder) and not folder.is_dir():
        raise UserError(f"{folder} is {_kind(folder)}; name a folder.", "out")


def require_file(path: Path) -> None:
    """Refuse to replace what is not a regular file, such as a folder or ``/dev/null``.

    Raises:
        UserError: ``path`` exists and is not a regular file.
    """
    if path.exists() and not path.is_file():
        raise UserError(f"{path} is {_kind(path)}, which is not replaced; name a file.")


def _kind(path: Path) -> str:
    if path.is_symlink() and not path.exists():
        return "a link that leads nowhere"
    return "a folder" if path.is_dir() else "a file" if path.is_file() else "a device, a pipe or a socket"


def require_empty(folder: Path) -> None:
    """Refuse a folder that holds something.

    Raises:
        UserError: ``folder`` is not empty, or is a file.
    """
    require_folder(folder)
    if folder.exists() and any(folder.iterdir()):
        raise UserError(f"{folder} is not empty; name another folder or remove it yourself.")


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
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of an output folder while the block runs; the folder is made if necessary.

    The kernel holds it (flock of the folder itself) and releases it when the process ends, however it ends. Windows
    locks no folders, so there it is a file beside it.

    Raises:
        UserError: another process holds it, or ``folder`` is not a folder.
    """
    require_folder(folder)
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    make_folder(folder)
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
        for place in made:  # empty if what was to be written was refused
            if any(place.iterdir()):
                break
            place.rmdir()


OF_FILE_MANAGERS = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
"""What file managers leave in a folder that somebody looks at."""


def require_own(folder: Path, mark: str, names: Collection[str]) -> None:
    """Refuse to replace files in ``folder`` that another program wrote.

    Args:
        mark: the file by which a folder of ours is known: the verb always writes it.
        names: the other files and folders that the verb writes.

    Raises:
        UserError: ``folder`` is a file, or holds one of ``names`` but not ``mark``.
    """
    require_folder(folder)
    foreign = [name for name in names if (folder / name).exists()]
    if foreign and not (folder / mark).exists():
        raise UserError(
            f"{folder / foreign[0]} would be replaced, but {folder} has no {mark}, so another program wrote it; "
            "name another folder, or move the file away.",
            "out",
        )


def require_own_json(path: Path, *keys: str) -> None:
    """Refuse to replace a file that another program wrote.

    Args:
        keys: of the JSON object that the verb writes.

    Raises:
        UserError: ``path`` exists and does not hold such an object.
    """
    require_local(path, "out")
    require_file(path)
    if not path.exists():
        return
    try:
        value = read_json(path)
    except UserError:
        value = None
    if not isinstance(value, dict) or not value.keys() >= {*keys}:
        raise UserError(
            f"{path} would be replaced, and this verb did not write it; name another file, or move it away.", "out"
        )


def require_replaceable(folder: Path, names: Collection[str], inputs: Iterable[Path | None] = ()) -> None:
    """Refuse to replace a folder that may not be replaced (`replacing_folder`).

    Raises:
        UserError: as `replacing_folder` does.
    """
    require_folder(folder)
    real = folder.resolve()
    if Path.cwd().is_relative_to(real):
        what = "is the current folder" if real == Path.cwd() else "holds the current folder"
        raise UserError(f"{folder} {what}, which cannot be replaced; name another.", "out")
    for one in inputs:
        if one is not None and one.exists() and one.resolve().is_relative_to(real):
            raise UserError(
                f"{folder} would be replaced, but it holds {one}, which is read; name another folder.", "out"
            )
    foreign = next((name for name in _contents(real) if not any(fnmatchcase(name, own) for own in names)), None)
    if foreign is not None:
        raise UserError(
            f"{folder} would be replaced, but it also holds {foreign}, which was not written there by this verb; "
            "name another folder, or move the file away.",
            "out",
        )


def _contents(folder: Path) -> Iterator[str]:
    """The files below a folder, sorted, and its empty folders, relative to it."""
    for place, folders, files in os.walk(folder):
        folders.sort()
        inside = Path(place).relative_to(folder)
        links = [name for name in folders if (Path(place) / name).is_symlink()]
        yield from ((inside / name).as_posix() for name in sorted([*files, *links]) if name not in OF_FILE_MANAGERS)
        if not folders and not files and Path(place) != folder:
            yield inside.as_posix()


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
            something else than ``names``, or the disk is full; it is unchanged then.
    """
    given = Path(path)
    require_replaceable(given, names, inputs)
    path = given.resolve()  # what a link points to is replaced, not the link
    make_folder(path.parent)
    with naming(path), temporary.place(path) as place:
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
