"""An index on disk: a folder of immutable segments, and a manifest that says which of them are the index.

A change writes new segments, then replaces the manifest in one step. A reader maps the segments of the manifest that it
read, and so keeps one consistent state of the index while others write. A writer that is killed leaves the manifest of
its last finished change, and at most files that nothing refers to, which the next writer deletes. There is one writer
at a time.

Each change adds a segment. Four small neighbours of similar size become one, so N recordings have about 3 log4(N) of
them, and a recording is written again log4(N) times.
"""

import contextlib
import hashlib
import json
import os
import re
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from wav2tok.errors import UserError
from wav2tok.files import OF_FILE_MANAGERS, make_folder, naming, require_folder, sha256
from wav2tok.matching.candidates import MAX_UNITS
from wav2tok.search import container
from wav2tok.search.segment import Rows, Segment, pack
from wav2tok.untrusted import parse_json, read_text, why_not_regular

MANIFEST = "index.json"
LOCK = "writer.lock"
FORMAT = 2
_OWN = re.compile(rf"{re.escape(MANIFEST)}|{LOCK}|\.index-.*|\d{{8}}-[0-9a-f]{{8}}\.(segment|dead)")
# How many segments of similar size become one.
_FAN = 4
_MOST_RETRIES = 20


@dataclass(frozen=True)
class Part:
    """A segment as the manifest names it.

    Attributes:
        file, sha256: of the segment.
        recordings, units, tokens: how many it has.
        dead, dead_sha256: the file of its removed recordings; empty if none was removed.
        removed: how many were.
    """

    file: str
    sha256: str
    recordings: int
    units: int
    tokens: int
    dead: str = ""
    dead_sha256: str = ""
    removed: int = 0


@dataclass(frozen=True)
class Manifest:
    """What an index is.

    Attributes:
        generation: how many changes were made.
        identity: `wav2tok.tokenizer.tokenizer.Tokenizer.identity` of the tokenizer that made the strings.
        model: its `source`: the model's name, with the registry's version.
        frame_seconds, num_tokens: of that tokenizer.
        root: the folder that the paths of the segments are relative to; empty: paths are as they were given.
        parts: the segments.
    """

    identity: str
    model: str
    frame_seconds: float
    num_tokens: int
    root: str = ""
    generation: int = 0
    parts: tuple[Part, ...] = field(default=())


def read(folder: Path) -> Manifest:
    """The manifest of an index.

    Raises:
        UserError: there is none, or it is not of this release.
    """
    if folder.exists() and not folder.is_dir():
        raise UserError(
            f"{folder} is a file, and an index is a folder; if an earlier release wrote it, move it away and index "
            f"again: wav2tok index FOLDER --out {folder}",
            "index",
        )
    try:
        if why_not_regular(folder / MANIFEST) == "does not exist":
            raise FileNotFoundError
        values = parse_json(read_text(folder / MANIFEST))
        written = values.pop("format")
        if written == 1:
            raise UserError(
                f"{folder} was written by an older wav2tok; index again: wav2tok index FOLDER --out {folder}", "index"
            )
        if written != FORMAT:
            raise UserError(f"{folder} was written by a newer wav2tok; update wav2tok, or index again.", "index")
        manifest = Manifest(**values | {"parts": tuple(Part(**part) for part in values["parts"])})
        if not _sound(manifest):
            raise ValueError
        return manifest
    except FileNotFoundError:
        problem = "does not exist" if not folder.exists() else f"has no {MANIFEST}, so it is not an index"
        raise UserError(f"{folder} {problem}; make one with: wav2tok index FOLDER --out {folder}", "index") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UserError(
            f"{folder / MANIFEST} is damaged; make the index again: wav2tok index FOLDER --out {folder}", "index"
        ) from None


def _sound(manifest: Manifest) -> bool:
    """Whether the values of a manifest can be those of an index; its files lie in its folder."""
    files = [name for part in manifest.parts for name in (part.file, part.dead) if name]
    return (
        isinstance(manifest.num_tokens, int)
        and 2 <= manifest.num_tokens <= 65_536
        and isinstance(manifest.frame_seconds, int | float)
        and 0 < manifest.frame_seconds < 3600
        and all(isinstance(text, str) for text in (manifest.identity, manifest.model, manifest.root))
        and all(isinstance(name, str) and _OWN.fullmatch(name) for name in files)
    )


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
        foreign = [one.name for one in folder.iterdir() if not _OWN.fullmatch(one.name)]
        foreign = sorted(set(foreign) - OF_FILE_MANAGERS)
        if foreign:
            raise UserError(f"{folder} holds {foreign[0]}, so it is not an index; name another folder.", "out")


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
        used = _files(self.manifest)
        manifest = replace(self.manifest, parts=tuple(parts), generation=self.manifest.generation + 1)
        text = json.dumps({"format": FORMAT} | asdict(manifest), indent=1) + "\n"
        _replace(self.folder / MANIFEST, text.encode())
        self.manifest = manifest
        for name in used - _files(manifest):
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
        used = _files(self.manifest)
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
        UserError: another process writes, there is no index, or the folder holds something else.
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
        raise UserError(f"another process is changing {folder}; wait until it has finished.", "index") from None
    try:
        present = read(folder) if new is None or (folder / MANIFEST).exists() else new
        writer = Writer(folder, present)
        writer.sweep()
        if new is not None:
            writer.manifest = replace(new, generation=present.generation, parts=present.parts)
        yield writer
    finally:
        lock.release()


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


def _files(manifest: Manifest) -> set[str]:
    return {name for part in manifest.parts for name in (part.file, part.dead) if name}


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
