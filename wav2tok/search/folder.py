"""An index on disk, as a reader sees it: a folder of immutable segments, and a manifest that says which of them count.

A reader maps the segments of the manifest that it read, and so keeps one consistent state of the index while others
write (`wav2tok.search.writer`).
"""

from pathlib import Path

import numpy as np

from wav2tok.errors import UserError
from wav2tok.files import sha256
from wav2tok.search import container
from wav2tok.search.manifest import OWN, Manifest, Part, read
from wav2tok.search.segment import Segment
from wav2tok.writable import OF_FILE_MANAGERS, require_folder

_MOST_RETRIES = 20


def open_parts(
    folder: Path, manifest: Manifest, known: dict[str, Segment] | None = None
) -> tuple[list[Segment], list[np.ndarray]]:
    """The segments of a manifest, mapped, and the removed recordings of each.

    Args:
        known: segments that are open already, by file.

    Raises:
        FileNotFoundError: a writer has replaced the manifest and deleted a segment meanwhile.
        UserError: a segment is damaged.
    """
    segments, dead = [], []
    for part in manifest.parts:
        try:
            segments.append((known or {}).get(part.file) or Segment(container.mapped(folder / part.file)))
            dead.append(_removed(folder, part))
            if segments[-1].documents != part.recordings or len(segments[-1].tokens) != part.tokens:
                raise ValueError("of another size")
        except (ValueError, KeyError):
            raise UserError(
                f"{folder / part.file} is damaged; restore it, or make the index again: wav2tok index FOLDER --out "
                f"{folder}",
                "index",
            ) from None
    return segments, dead


def snapshot(folder: Path, known: dict[str, Segment] | None = None) -> tuple[Manifest, list[Segment], list[np.ndarray]]:
    """The newest manifest with its segments.

    Raises:
        UserError: there is no index, or it is damaged.
    """
    for _ in range(_MOST_RETRIES):
        manifest = read(folder)
        try:
            return manifest, *open_parts(folder, manifest, known)
        except FileNotFoundError as error:
            missing = error.filename
            if read(folder).generation == manifest.generation:
                break
    raise UserError(
        f"{missing} is missing; restore it, or make the index again: wav2tok index FOLDER --out {folder}", "index"
    )


def _removed(folder: Path, part: Part) -> np.ndarray:
    if not part.dead:
        return np.zeros(0, dtype=np.int64)
    removed = np.frombuffer((folder / part.dead).read_bytes(), "<u2").astype(np.int64)
    if len(removed) and removed.max() >= part.recordings:
        raise ValueError("a recording that is not there")
    return removed


def require_own(folder: Path) -> None:
    """Refuse to make an index where another program's files are.

    Raises:
        UserError: ``folder`` is a file, or holds something else.
    """
    require_folder(folder)
    if folder.exists():
        foreign = [one.name for one in folder.iterdir() if not OWN.fullmatch(one.name)]
        foreign = sorted(set(foreign) - OF_FILE_MANAGERS)
        if foreign:
            raise UserError(f"{folder} holds {foreign[0]}, so it is not an index; name another folder.", "out")


def verify(folder: Path) -> list[str]:
    """The files of an index whose bytes are not those that were written, each with what is wrong.

    Raises:
        UserError: there is no index.
    """
    problems = []
    for part in read(folder).parts:
        for name, digest in ((part.file, part.sha256), (part.dead, part.dead_sha256)):
            if name and not (folder / name).is_file():
                problems.append(f"{folder / name} is missing")
            elif name and sha256(folder / name) != digest:
                problems.append(f"{folder / name} is not what was written: its digest differs")
    return problems
