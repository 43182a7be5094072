"""Changes of an index on disk: a change that returns is on disk, and one that fails leaves the index as it was."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from wav2tok.errors import UserError
from wav2tok.matching import Tokenized
from wav2tok.matching.candidates import MAX_UNITS
from wav2tok.search.identity import Identities
from wav2tok.search.manifest import Manifest, Part
from wav2tok.search.segment import Entry, Rows, Segment, cut
from wav2tok.search.writer import Writer, writing


def create(path: Path, about: Manifest, recordings: Iterable[Tokenized]) -> None:
    """Write an index, a segment at a time; of two recordings with one real path, the first.

    Args:
        about: what the index is; its parts are ignored.
    """
    with writing(path, about) as writer:
        identities = Identities(about.root)
        waiting: list[Entry] = []
        parts: list[Part] = []
        seen: set[int] = set()
        for one in recordings:
            entry = _entry(one, identities)
            if entry.key not in seen:
                seen.add(entry.key)
                waiting.append(entry)
            if len(waiting) == MAX_UNITS:
                *full, waiting = map(list, cut(waiting))
                parts += [writer.write(Rows.of(part)) for part in full]
        parts += [writer.write(Rows.of(part)) for part in cut(waiting)]
        writer.commit(parts)


def replace_all(path: Path, about: Manifest, segments: Sequence[Rows]) -> None:
    """Write an index of these segments."""
    with writing(path, about) as writer:
        writer.commit([writer.write(rows) for rows in segments if len(rows.lengths)])


def add(path: Path, recordings: Iterable[Tokenized]) -> None:
    """Add recordings; one that is there already, by its real path, is replaced."""
    with writing(path) as writer:
        added = entries(recordings, writer.manifest.root)
        if added:
            keys = np.array([entry.key for entry in added], dtype=np.uint64)
            parts = _without(writer, lambda segment: segment.find(keys))
            writer.commit([*parts, *[writer.write(Rows.of(part)) for part in cut(added)]])
            writer.tidy()


def remove(path: Path, names: Sequence[str]) -> None:
    """Remove recordings by their paths; none, if one of them is not there."""
    with writing(path) as writer:
        identities = Identities(writer.manifest.root)
        keys = np.array([identities.of(name)[0] for name in names], dtype=np.uint64)
        known = np.zeros(len(keys), dtype=bool)
        for segment, dead in zip(*writer.segments(), strict=True):
            found = segment.find(keys)
            known |= (found >= 0) & ~np.isin(found, dead)
        if not known.all():
            raise UserError(f"{names[int(np.argmin(known))]} is not in {path}.", "paths")
        writer.commit(_without(writer, lambda segment: segment.find(keys)))
        writer.tidy()


def reroot(path: Path, root: str) -> None:
    """Say where the folder of the recordings is now."""
    with writing(path) as writer:
        writer.manifest = replace(writer.manifest, root=root)
        writer.commit(writer.manifest.parts)


def entries(recordings: Iterable[Tokenized], root: str) -> list[Entry]:
    """What is indexed of recordings; of two with the same real path, the last."""
    identities = Identities(root)
    return list({entry.key: entry for entry in (_entry(one, identities) for one in recordings)}.values())


def _entry(recording: Tokenized, identities: Identities) -> Entry:
    path = identities.below(recording.path)
    stored = Tokenized(path, recording.seconds, recording.tokens, recording.starts)
    return Entry(stored, *identities.of(recording.path))


def _without(writer: Writer, find: Callable[[Segment], np.ndarray]) -> list[Part]:
    """The writer's parts, without the recordings that ``find`` names in each segment (-1: none)."""
    parts = []
    for part, segment, dead in zip(writer.manifest.parts, *writer.segments(), strict=True):
        found = find(segment)
        gone = np.union1d(dead, found[found >= 0])
        parts.append(writer.without(part, gone) if len(gone) > len(dead) else part)
    return parts
