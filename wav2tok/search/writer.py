"""Changing an index on disk.

A change writes new segments, then replaces the manifest in one step. A writer that is killed leaves the manifest of its
last finished change, and at most files that nothing refers to, which the next writer deletes. There is one writer at a
time.

Each change adds a segment. Four small neighbours of similar size become one, so N recordings have about 3 log4(N) of
them, and a recording is written again log4(N) times.
"""

import contextlib
import hashlib
import json
import os
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from wav2tok.errors import UserError
from wav2tok.files import make_folder, naming
from wav2tok.matching.candidates import MAX_UNITS
from wav2tok.search.folder import open_parts, require_own
from wav2tok.search.manifest import FORMAT, LOCK, MANIFEST, Manifest, Part, read
from wav2tok.search.segment import Rows, Segment, pack

# How many segments of similar size become one.
_FAN = 4


class Writer:
    """The one that changes an index; use it as `writing` yields it.

    Attributes:
        manifest: of the last finished change.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder, self.manifest = folder, manifest
        self._segments: dict[str, Segment] = {}

    def segments(self) -> tuple[list[Segment], list[np.ndarray]]:
        """The segments of the manifest and their removed recordings."""
        segments, dead = open_parts(self.folder, self.manifest, self._segments)
        self._segments = {part.file: one for part, one in zip(self.manifest.parts, segments, strict=True)}
        return segments, dead

    def write(self, rows: Rows) -> Part:
        """Write a segment; it belongs to the index once `commit` names it."""
        content = pack(rows, self.manifest.num_tokens)
        name = self._name("segment")
        _write(self.folder / name, content)
        segment = Segment(content)
        return Part(name, _digest(content), segment.documents, int(segment.units[-1]), len(segment.tokens))

    def without(self, part: Part, dead: np.ndarray) -> Part:
        """``part`` with these recordings removed, int64, ascending."""
        content = dead.astype("<u2").tobytes()
        name = self._name("dead")
        _write(self.folder / name, content)
        return replace(part, dead=name, dead_sha256=_digest(content), removed=len(dead))

    def commit(self, parts: Sequence[Part]) -> None:
        """Make these segments the index, in one step."""
        used = self.manifest.files
        manifest = replace(self.manifest, parts=tuple(parts), generation=self.manifest.generation + 1)
        text = json.dumps({"format": FORMAT} | asdict(manifest), indent=1) + "\n"
        _replace(self.folder / MANIFEST, text.encode())
        self.manifest = manifest
        for name in used - manifest.files:
            _delete(self.folder / name)

    def tidy(self) -> None:
        """Merge small neighbours, and drop what was removed from segments of which half is gone."""
        while (found := _to_merge(self.manifest.parts)) is not None:
            first, last = found
            segments, dead = self.segments()
            rows = Rows.joined([segments[i].rows(dead[i]) for i in range(first, last)])
            merged = [self.write(rows)] if len(rows.lengths) else []
            self.commit([*self.manifest.parts[:first], *merged, *self.manifest.parts[last:]])

    def sweep(self) -> None:
        """Delete what a killed writer left."""
        used = self.manifest.files
        for one in self.folder.iterdir():
            if one.name.startswith(".index-") or (one.suffix in (".segment", ".dead") and one.name not in used):
                _delete(one)

    def _name(self, suffix: str) -> str:
        return f"{self.manifest.generation + 1:08d}-{secrets.token_hex(4)}.{suffix}"


@contextlib.contextmanager
def writing(folder: Path, new: Manifest | None = None) -> Iterator[Writer]:
    """The writer of an index, while the block runs.

    Args:
        new: what the index will be, if it is made, or made again; by default it stays what it is.

    Raises:
        UserError: another process is writing, the index is missing, or the folder holds other files.
    """
    from filelock import FileLock, Timeout  # here, because readers need no lock, and its import takes as long as theirs

    if new is None:
        read(folder)  # before a folder is made
    require_own(folder)
    make_folder(folder)
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        option = "index" if new is None else "out"
        raise UserError(f"another process is changing {folder}; wait until it has finished.", option) from None
    try:
        present = read(folder) if new is None or (folder / MANIFEST).exists() else new
        writer = Writer(folder, present)
        writer.sweep()
        if new is not None:
            writer.manifest = replace(new, generation=present.generation, parts=present.parts)
        yield writer
    finally:
        lock.release()


def _to_merge(parts: Sequence[Part]) -> tuple[int, int] | None:
    """Which neighbours should become one segment, from the first to before the last; None if none should."""
    for i, part in enumerate(parts):
        if 2 * part.removed >= part.recordings:
            return i, i + 1
    for first in range(len(parts) - _FAN + 1):
        later = parts[first + 1 :]
        if parts[first].recordings * (_FAN - 1) <= sum(part.recordings for part in later) and (
            sum(part.units for part in parts[first:]) <= MAX_UNITS
        ):
            return first, len(parts)
    return None


def _write(path: Path, content: bytes) -> None:
    """Write a file whose bytes survive a loss of power; its name does once `_replace` has returned."""
    try:
        with naming(path, len(content)), path.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except (OSError, UserError):
        _delete(path)
        raise


def _replace(path: Path, content: bytes) -> None:
    """Replace a file, whole or not at all, so that it survives a loss of power, with all that was written before."""
    temporary = path.with_name(f".index-{secrets.token_hex(4)}")
    _write(temporary, content)
    temporary.replace(path)
    if os.name == "posix":
        handle = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _delete(path: Path) -> None:
    # Windows deletes no file that a reader has mapped; the next writer tries again.
    with contextlib.suppress(FileNotFoundError, PermissionError):
        path.unlink()
