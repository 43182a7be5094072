"""What a verb may write to: every check before anything is replaced.

A verb replaces files of its own names. It never replaces a folder that holds its inputs or anything else, nor the
current folder, nor what is not a regular file.
"""

import os
from collections.abc import Collection, Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from wav2tok import untrusted
from wav2tok.errors import UserError

OF_FILE_MANAGERS = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
"""What file managers leave in a folder that somebody looks at."""


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
        value = untrusted.parse_json(untrusted.read_text(path))
    except (UserError, ValueError):
        value = None
    if not isinstance(value, dict) or not value.keys() >= {*keys}:
        raise UserError(
            f"{path} would be replaced, and this verb did not write it; name another file, or move it away.", "out"
        )


def require_replaceable(folder: Path, names: Collection[str], inputs: Iterable[Path | None] = ()) -> None:
    """Refuse to replace a folder that may not be replaced (`wav2tok.files.replacing_folder`).

    Raises:
        UserError: as `wav2tok.files.replacing_folder` does.
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
