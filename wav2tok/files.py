"""Write files so that a reader never sees half of one."""

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from wav2tok import untrusted
from wav2tok.errors import UserError


def cache() -> Path:
    """What the user may delete at any time: ``wav2tok`` in XDG_CACHE_HOME, or else in ``~/.cache``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wav2tok"


def make_folder(path: Path) -> None:
    """Make a folder and its parents, if necessary.

    Raises:
        UserError: there is a file of that name.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise UserError(f"{path} cannot be made a folder, because a file is in the way; name another.") from None


def require_empty(folder: Path) -> None:
    """Refuse a folder that holds something.

    Raises:
        UserError: ``folder`` is not empty, or is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file; name a folder that does not exist yet.")
    if folder.exists() and any(folder.iterdir()):
        raise UserError(f"{folder} is not empty; name another folder or remove it yourself.")


def read_text(path: Path) -> str:
    """Read a text file that a stage wrote.

    Raises:
        UserError: it is missing, is no regular file or is not text.
    """
    if untrusted.why_not_regular(path) == "does not exist":
        raise UserError(f"{path} does not exist; run the stage that writes it first.")
    return untrusted.read_text(path)


@contextlib.contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path next to ``path``; if the block succeeds, it is renamed to ``path``.

    If the block fails, ``path`` is unchanged and the temporary file is deleted.
    """
    path = Path(path)
    if path.is_dir():
        raise UserError(f"{path} is a folder; name a file.")
    make_folder(path.parent)
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


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
    if folder.is_file():
        raise UserError(f"{folder} is a file; name a folder.", "out")
    foreign = [name for name in names if (folder / name).exists()]
    if foreign and not (folder / mark).exists():
        raise UserError(
            f"{folder / foreign[0]} would be replaced, but {folder} has no {mark}, so another program wrote it; "
            "name another folder, or move the file away.",
            "out",
        )


@contextlib.contextmanager
def replacing_folder(path: Path | str, names: Collection[str] = ()) -> Iterator[Path]:
    """Yield a new folder next to ``path``; if the block succeeds, it replaces ``path`` and all that is in it.

    Args:
        names: what the folder may hold, because an earlier run wrote it.

    Raises:
        UserError: ``path`` is a file, is the current folder, or holds something else; it is unchanged then.
    """
    if Path(path).is_file():
        raise UserError(f"{path} is a file; name a folder.", "out")
    if Path(path).resolve() == Path.cwd():
        raise UserError(f"{path} is the current folder, which cannot be replaced; name another.", "out")
    if Path(path).exists():
        foreign = sorted({entry.name for entry in Path(path).iterdir()} - {*names} - OF_FILE_MANAGERS)
        if foreign:
            raise UserError(
                f"{path} would be replaced, but it also holds {foreign[0]}, which was not written there by this verb; "
                "name another folder, or move the file away.",
                "out",
            )
    path = Path(path).resolve()  # what a link points to is replaced, not the link
    make_folder(path.parent)
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    try:
        yield temporary
        temporary.chmod(0o755)
        if path.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{path.name}-old-", dir=path.parent))
            path.replace(old / path.name)
            temporary.replace(path)
            shutil.rmtree(old)
        else:
            temporary.replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_json(path: Path | str, value: Any) -> None:
    """Write ``value`` as indented JSON, whole or not at all; NaN and infinities raise ValueError."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def read_json(path: Path | str) -> Any:
    """Read a JSON file.

    Raises:
        UserError: the file is missing or is not JSON.
    """
    try:
        return untrusted.parse_json(read_text(Path(path)))
    except ValueError as error:
        raise UserError(f"{path} is not valid JSON ({error}); make it again.") from None


def sha256(path: Path | str) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
