"""Token strings of recordings, in memory or on disk, and search in them."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from wav2tok.errors import UserError
from wav2tok.matching import Tokenized
from wav2tok.search import changes
from wav2tok.search.answers import Answers, Hit, Match
from wav2tok.search.collection import Collection
from wav2tok.search.engine import Engine
from wav2tok.search.folder import snapshot
from wav2tok.search.identity import Identities, shown
from wav2tok.search.manifest import Manifest, read
from wav2tok.search.nearest import Measure
from wav2tok.search.segment import Rows, Segment, cut, pack
from wav2tok.tokenizer.batch import Failure, expand, tokenize_files
from wav2tok.tokenizer.tokenizer import Tokenizer


class Index:
    """One state of an index: token strings with the identity of their tokenizer, as strings of two do not compare.

    An index on disk may change meanwhile; this object keeps answering from the state that it opened. `refresh`, and
    every change made through it, return the new state.

    >>> index = Index.build(["recordings"], tokenizer)
    >>> index.save(Path("index"))
    >>> index = Index.load(Path("index"), tokenizer)
    >>> best = index.search(tokenizer.encode_file("query.flac"), top=1)[0]
    >>> best.path, best.distance
    ('recordings/arch/ada_0.flac', 0.0)

    Attributes:
        manifest: what the index says of itself: identity, model, generation.
        collection: its strings.
        folder: where it is; None if it is in memory.
    """

    def __init__(self, manifest: Manifest, collection: Collection, folder: Path | None = None) -> None:
        self.manifest, self.collection, self.folder = manifest, collection, folder

    def __repr__(self) -> str:
        return f"Index({len(self)} recordings, model={self.manifest.model!r}, identity={self.identity!r})"

    def __len__(self) -> int:
        return self.collection.recordings

    @property
    def identity(self) -> str:
        """`Tokenizer.identity` of the tokenizer that made the strings."""
        return self.manifest.identity

    @property
    def frame_seconds(self) -> float:
        """`Tokenizer.frame_seconds`, the unit of `Tokenized.starts`."""
        return self.manifest.frame_seconds

    @cached_property
    def engine(self) -> Engine:
        """What answers."""
        return Engine(self.collection, self.frame_seconds, self.manifest.root)

    def __iter__(self) -> Iterator[Tokenized]:
        """All recordings, in the index's order."""
        for number, segment in enumerate(self.collection.segments):
            for document in self.collection.alive(number).tolist():
                yield self._recording(segment.recording(document))

    @property
    def entries(self) -> list[Tokenized]:
        """All recordings, read into memory."""
        return list(self)

    @classmethod
    def of(cls, tokenizer: Tokenizer, entries: Iterable[Tokenized], root: str = "") -> "Index":
        """An index in memory of strings that ``tokenizer`` made; of two with the same real path, the last.

        Args:
            root: the folder that holds the recordings, if they may move together.
        """
        manifest = _manifest(tokenizer, root)
        segments = [Segment(pack(Rows.of(part), manifest.num_tokens)) for part in cut(changes.entries(entries, root))]
        dead = [np.zeros(0, dtype=np.int64)] * len(segments)
        return cls(manifest, Collection(segments, dead, manifest.num_tokens))

    @classmethod
    def build(cls, paths: Sequence[str | Path], tokenizer: Tokenizer) -> "Index":
        """Tokenize files, and the recordings in folders, into an index in memory.

        Raises:
            UserError: a folder holds no recordings, or a file cannot be read.
        """
        names = [str(path) for path in paths]
        entries = []
        for result in tokenize_files(expand(names), tokenizer):
            if isinstance(result, Failure):
                raise UserError(result.error)
            entries.append(result)
        return cls.of(tokenizer, entries, root_of(names))

    @classmethod
    def load(cls, path: Path, tokenizer: Tokenizer | None = None) -> "Index":
        """Open an index on disk; its strings are mapped, not read.

        Args:
            tokenizer: what queries will be made with; None to change or describe the index only.

        Raises:
            UserError: there is no index, it is damaged, or another tokenizer made it.
        """
        manifest, segments, dead = snapshot(path)
        index = cls(manifest, Collection(segments, dead, manifest.num_tokens), path)
        if tokenizer is not None:
            index.require(tokenizer)
        return index

    def require(self, tokenizer: Tokenizer) -> None:
        """Refuse the strings of another tokenizer.

        Raises:
            UserError: ``tokenizer`` did not make this index; the message names the one that did.
        """
        if tokenizer.identity != self.identity:
            raise UserError(
                f"{self.folder} was made with another tokenizer, {self.manifest.model} (identity {self.identity}), "
                f"than {tokenizer.source} (identity {tokenizer.identity}); use that one, or index again with this one.",
                "model",
            )

    def refresh(self) -> "Index":
        """The newest state of an index on disk; this one, if nothing has changed.

        Raises:
            UserError: it is gone or damaged, or another tokenizer has made it meanwhile.
        """
        if self.folder is None or read(self.folder).generation == self.manifest.generation:
            return self
        known = {
            part.file: segment for part, segment in zip(self.manifest.parts, self.collection.segments, strict=True)
        }
        manifest, segments, dead = snapshot(self.folder, known)
        if manifest.identity != self.identity:
            raise UserError(
                f"{self.folder} was made again with {manifest.model}; load it with that tokenizer.", "index"
            )
        return Index(manifest, Collection(segments, dead, manifest.num_tokens), self.folder)

    def save(self, path: Path) -> None:
        """Write all recordings as an index on disk; one that is there is replaced in one step.

        Raises:
            UserError: ``path`` is a file, or holds something else than an index, or another process writes there.
        """
        pairs = zip(self.collection.segments, self.collection.dead, strict=True)
        changes.replace_all(path, self.manifest, [segment.rows(dead) for segment, dead in pairs])

    @classmethod
    def create(cls, path: Path, tokenizer: Tokenizer, recordings: Iterable[Tokenized], root: str = "") -> "Index":
        """Write an index of strings that ``tokenizer`` made, a segment at a time; of two with one real path, the first.

        An index that is there already answers until the new one is whole, and is then replaced in one step.

        Args:
            root: the folder that holds the recordings, if they may move together.

        Raises:
            UserError: as for `save`.
        """
        changes.create(path, _manifest(tokenizer, root), recordings)
        return cls.load(path, tokenizer)

    def add(self, recordings: Iterable[Tokenized]) -> "Index":
        """Add recordings to an index on disk; one that is there already, by its real path, is replaced.

        When it returns, they are on disk.

        Raises:
            UserError: the index is in memory, or another process changes it.
        """
        changes.add(self._on_disk(), recordings)
        return self.refresh()

    def remove(self, paths: Iterable[str]) -> "Index":
        """Remove recordings, by their paths, from an index on disk.

        Raises:
            UserError: one of them is not in the index, and none is removed; the index is in memory; or another process
                changes it.
        """
        changes.remove(self._on_disk(), list(paths))
        return self.refresh()

    def paths(self) -> list[str]:
        """The paths of all recordings, in the index's order."""
        return [
            shown(os.fsdecode(names[document]), self.manifest.root)
            for number, names in enumerate(segment.names() for segment in self.collection.segments)
            for document in self.collection.alive(number).tolist()
        ]

    def below(self, paths: Sequence[str]) -> list[str]:
        """The recordings of the index that ``paths`` stand for: files, and folders for what the index holds of them.

        Raises:
            UserError: the index holds nothing of one of them.
        """
        held = {os.path.abspath(path): path for path in self.paths()}
        out: dict[str, None] = {}
        for path in paths:
            if not path:
                raise UserError("an empty path would name all recordings of this folder; write it as a dot.", "paths")
            full = os.path.abspath(path)
            inside = os.path.join(full, "")
            found = [held[full]] if full in held else [own for name, own in held.items() if name.startswith(inside)]
            if not found:
                raise UserError(f"{path} is not in {self.folder}.", "paths")
            out |= dict.fromkeys(found)
        return list(out)

    def reroot(self, root: str) -> "Index":
        """Say that the folder of the recordings is now ``root``.

        Raises:
            UserError: the index has no root, is in memory, or another process changes it.
        """
        if not self.manifest.root:
            raise UserError(f"{self.folder} was made of several paths, not of one folder, so it has no root.", "root")
        changes.reroot(self._on_disk(), root)
        return self.refresh()

    def changed(self, paths: Sequence[str]) -> list[str]:
        """Those of ``paths`` that are not in the index as they are now on disk."""
        identities = Identities(self.manifest.root)
        keys, stamps = np.array([identities.of(path) for path in paths], dtype=np.uint64).reshape(-1, 2).T
        same = np.zeros(len(paths), dtype=bool)
        for segment, dead in zip(self.collection.segments, self.collection.dead, strict=True):
            found = segment.find(keys)
            known = np.flatnonzero((found >= 0) & ~np.isin(found, dead))
            same[known] |= segment.stamps[found[known]] == stamps[known]
        same &= stamps > 0
        return [path for path, is_same in zip(paths, same.tolist(), strict=True) if not is_same]

    def stats(self) -> dict[str, Any]:
        """What the index holds, as JSON values."""
        about = self.manifest
        return {
            "recordings": len(self),
            "removed": sum(part.removed for part in about.parts),
            "tokens": self.collection.tokens,
            "segments": len(self.collection.segments),
            "generation": about.generation,
            "model": about.model,
            "identity": about.identity,
            "root": about.root,
            "bytes": sum(
                (self.folder / name).stat().st_size
                for part in about.parts
                for name in (part.file, part.dead)
                if name and self.folder is not None
            ),
        }

    def search(self, query: np.ndarray, top: int = 10, measure: Measure | None = None) -> Answers[Match]:
        """The ``top`` recordings nearest to a token string, int [L].

        Args:
            measure: the distance, by default the normalised edit distance. `wav2tok.search.nearest.measures` names
                others that read a codebook; they find more and take longer.

        Returns:
            Best first; ties keep the order of the index.

        Raises:
            UserError: ``top`` is less than 1, or the query is so short that chance would bring its own string.
        """
        return self.engine.search(query, top, measure)

    def spot(self, query: np.ndarray, top: int = 10) -> Answers[Hit]:
        """The ``top`` passages most similar to the query, int [L].

        The nearest passage of a recording counts however far it is, further ones if chance would bring less than one
        such passage in the whole index. Passages do not overlap.

        Returns:
            Best first; ties keep the order of the index.

        Raises:
            UserError: ``top`` is less than 1, or the query is so short that chance would bring its own string.
        """
        return self.engine.spot(query, top)

    def _recording(self, recording: Tokenized) -> Tokenized:
        return replace(recording, path=shown(recording.path, self.manifest.root))

    def _on_disk(self) -> Path:
        if self.folder is None:
            raise UserError("this index is in memory; save it first, and load it.")
        return self.folder


def root_of(paths: Sequence[str]) -> str:
    """The root of an index of these paths: the folder, if it is one folder; else none."""
    return str(Path(paths[0])) if len(paths) == 1 and os.path.isdir(paths[0]) else ""


def _manifest(tokenizer: Tokenizer, root: str) -> Manifest:
    return Manifest(tokenizer.identity, tokenizer.source, tokenizer.frame_seconds, tokenizer.num_tokens, root)
