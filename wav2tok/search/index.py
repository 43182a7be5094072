"""Token strings of recordings, in memory or on disk, and search in them."""

import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from wav2tok.errors import UserError
from wav2tok.matching import (
    Tokenized,
    centroid_dtw_distances,
    edit_distances,
    local_distances,
    weighted_edit_distances,
)
from wav2tok.matching.infix import distances_to_ends, occurrences
from wav2tok.search import changes
from wav2tok.search import folder as disk
from wav2tok.search.answers import Answers, Hit, Match
from wav2tok.search.collection import SCAN_RECORDINGS, SCAN_TOKENS, Collection, Measure, Near, Passage
from wav2tok.search.identity import Identities, shown
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

    def __init__(self, manifest: disk.Manifest, collection: Collection, folder: Path | None = None) -> None:
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

    @property
    def entries(self) -> list[Tokenized]:
        """All recordings, in the index's order; it reads all of them into memory."""
        return [
            self._recording(segment.recording(document))
            for number, segment in enumerate(self.collection.segments)
            for document in self.collection.alive(number).tolist()
        ]

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
        manifest, segments, dead = disk.snapshot(path)
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
        if self.folder is None or disk.read(self.folder).generation == self.manifest.generation:
            return self
        known = {
            part.file: segment for part, segment in zip(self.manifest.parts, self.collection.segments, strict=True)
        }
        manifest, segments, dead = disk.snapshot(self.folder, known)
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
            measure: the distance, by default the normalised edit distance. `measures` names others that read a
                codebook; they find more and take longer.

        Returns:
            Best first; ties keep the order of the index.

        Raises:
            UserError: ``top`` is less than 1, or the query is so short that chance would bring its own string.
        """
        _require_answers(top)
        query = np.asarray(query, dtype=np.int64)
        if not len(self):
            return Answers([], "scan")
        self._require_long(query, len(self), "recordings")
        method, nearest = "scan", []
        if len(self) > SCAN_RECORDINGS:
            method, nearest = "candidates", self.collection.candidates(query, top, measure)
        if len(nearest) < min(top, len(self)):
            method, nearest = "scan", self.collection.scan(query, top, measure)
        if not nearest:  # all strings are empty
            return Answers([], method)
        law = self.collection.by_chance(query, measure)
        expected = law.expected(np.array([one.distance for one in nearest]), len(self))
        return Answers([self._match(query, *pair) for pair in zip(nearest, expected.tolist(), strict=True)], method)

    def spot(self, query: np.ndarray, top: int = 10) -> Answers[Hit]:
        """The ``top`` passages most similar to the query, int [L].

        The nearest passage of a recording counts however far it is, further ones if chance would bring less than one
        such passage in the whole index. Passages do not overlap.

        Returns:
            Best first; ties keep the order of the index.

        Raises:
            UserError: ``top`` is less than 1, or the query is so short that chance would bring its own string.
        """
        _require_answers(top)
        query = np.asarray(query, dtype=np.int64)
        tokens = self.collection.tokens
        if not tokens:
            return Answers([], "scan")
        self._require_long(query, tokens, "passages")
        law = self.collection.spot_by_chance(query)
        expected = law.expected(np.arange(len(query) + 1), tokens)
        most = int(np.count_nonzero(expected < 1)) - 1
        method, passages = "scan", []
        if tokens > SCAN_TOKENS:
            method, passages = "candidates", self.collection.candidate_passages(query, most, top)
        if len(passages) < min(top, len(self)):
            method, passages = "scan", self.collection.scan_passages(query, most, top)
        return Answers([self._hit(query, one, float(expected[one.edits])) for one in passages], method)

    def _match(self, query: np.ndarray, near: Near, expected: float) -> Match:
        segment = self.collection.segments[near.segment]
        place: tuple[float, float] | tuple[None, None] = (None, None)
        if segment.lengths[near.document] > 2 * len(query):
            string = segment.string(near.document)
            edits = distances_to_ends(query, string, np.array([len(string)]))
            for first, last, count in occurrences(edits, query, string, -1)[:1]:
                place = self._times(Passage(near.segment, near.document, first, last, count))
        path = shown(segment.path(near.document), self.manifest.root)
        return Match(path, round(near.distance, 4), _short(expected), *place)

    def _hit(self, query: np.ndarray, passage: Passage, expected: float) -> Hit:
        path = shown(self.collection.segments[passage.segment].path(passage.document), self.manifest.root)
        similarity = round(100 * (1 - passage.edits / len(query)), 2)
        return Hit(path, *self._times(passage), similarity, _short(expected))

    def _times(self, passage: Passage) -> tuple[float, float]:
        """The seconds where a passage begins and ends."""
        segment = self.collection.segments[passage.segment]
        starts, seconds = segment.starts(passage.document), segment.seconds(passage.document)
        end = starts[passage.last] * self.frame_seconds if passage.last < len(starts) else seconds
        begin = float(starts[passage.first] * self.frame_seconds)
        return round(min(begin, seconds), 3), round(float(min(end, seconds)), 3)

    def _recording(self, recording: Tokenized) -> Tokenized:
        return replace(recording, path=shown(recording.path, self.manifest.root))

    def _require_long(self, query: np.ndarray, trials: int, what: str) -> None:
        expected = trials * math.exp(-self.collection.information(query))
        if not len(query) or expected > 1:
            raise UserError(
                f"the query has {len(query)} tokens, and about {expected:.3g} of the {trials} {what} of the index "
                "would equal it by chance, so answers would mean nothing; use a longer recording.",
                "query",
            )

    def _on_disk(self) -> Path:
        if self.folder is None:
            raise UserError("this index is in memory; save it first, and load it.")
        return self.folder


def measures(codebook: np.ndarray) -> dict[str, Measure]:
    """The distances that a search may rank by, by name; those with a codebook, [K, d], need ``wav2tok[evaluate]``."""
    return {
        "edit": edit_distances,
        "weighted": partial(weighted_edit_distances, codebook=codebook),
        "dtw": partial(centroid_dtw_distances, codebook=codebook),
        "local": partial(local_distances, codebook=codebook),
    }


def root_of(paths: Sequence[str]) -> str:
    """The root of an index of these paths: the folder, if it is one folder; else none."""
    return str(Path(paths[0])) if len(paths) == 1 and os.path.isdir(paths[0]) else ""


def _manifest(tokenizer: Tokenizer, root: str) -> disk.Manifest:
    return disk.Manifest(tokenizer.identity, tokenizer.source, tokenizer.frame_seconds, tokenizer.num_tokens, root)


def _short(expected: float) -> float:
    return float(f"{expected:.3g}")


def _require_answers(top: int) -> None:
    if top < 1:
        raise UserError(f"{top} answers were asked for; ask for at least 1.", "top")
