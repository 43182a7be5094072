"""What a search and a spot answer: the nearest by the right method, with their places and what chance would bring."""

import math
from dataclasses import dataclass

import numpy as np

from wav2tok.errors import UserError
from wav2tok.matching.infix import distances_to_ends, occurrences
from wav2tok.search import nearest, passages
from wav2tok.search.answers import Answers, Hit, Match
from wav2tok.search.collection import Collection
from wav2tok.search.identity import shown

SCAN_RECORDINGS = 20_000
"""A search compares every recording of a collection up to this size, which takes about 10 ms."""
SCAN_TOKENS = 400_000
"""A spot reads every token of a collection up to this size: 40 ms."""


@dataclass(frozen=True)
class Engine:
    """Searches in one collection.

    Attributes:
        collection: the token strings.
        frame_seconds: of their tokenizer, the unit of `wav2tok.matching.Tokenized.starts`.
        root: the folder that paths are relative to; empty: none.
    """

    collection: Collection
    frame_seconds: float
    root: str = ""

    def search(self, query: np.ndarray, top: int = 10, measure: nearest.Measure | None = None) -> Answers[Match]:
        """`wav2tok.search.index.Index.search`."""
        _require_answers(top)
        query = np.asarray(query, dtype=np.int64)
        if not self.collection.recordings:
            return Answers([], "scan")
        self._require_long(query, self.collection.recordings, "recordings")
        method, near = "scan", []
        if self.collection.recordings > SCAN_RECORDINGS:
            method, near = "candidates", nearest.candidates(self.collection, query, top, measure)
        if len(near) < min(top, self.collection.recordings):
            method, near = "scan", nearest.scan(self.collection, query, top, measure)
        if not near:  # all strings are empty
            return Answers([], method)
        law = nearest.by_chance(self.collection, query, measure)
        expected = law.expected(np.array([one.distance for one in near]), self.collection.recordings)
        return Answers([self._match(query, *pair) for pair in zip(near, expected.tolist(), strict=True)], method)

    def spot(self, query: np.ndarray, top: int = 10) -> Answers[Hit]:
        """`wav2tok.search.index.Index.spot`."""
        _require_answers(top)
        query = np.asarray(query, dtype=np.int64)
        tokens = self.collection.tokens
        if not tokens:
            return Answers([], "scan")
        self._require_long(query, tokens, "passages")
        law = passages.by_chance(self.collection, query)
        expected = law.expected(np.arange(len(query) + 1), tokens)
        most = int(np.count_nonzero(expected < 1)) - 1
        method, found = "scan", []
        if tokens > SCAN_TOKENS:
            method, found = "candidates", passages.candidates(self.collection, query, most, top)
        if len(found) < min(top, self.collection.recordings):
            method, found = "scan", passages.scan(self.collection, query, most, top)
        return Answers([self._hit(query, one, float(expected[one.edits])) for one in found], method)

    def _match(self, query: np.ndarray, near: nearest.Near, expected: float) -> Match:
        segment = self.collection.segments[near.segment]
        place: tuple[float, float] | tuple[None, None] = (None, None)
        if segment.lengths[near.document] > 2 * len(query):
            string = segment.string(near.document)
            edits = distances_to_ends(query, string, np.array([len(string)]))
            for first, last, count in occurrences(edits, query, string, -1)[:1]:
                place = self._times(passages.Passage(near.segment, near.document, first, last, count))
        path = shown(segment.path(near.document), self.root)
        return Match(path, round(near.distance, 4), _short(expected), *place)

    def _hit(self, query: np.ndarray, passage: passages.Passage, expected: float) -> Hit:
        path = shown(self.collection.segments[passage.segment].path(passage.document), self.root)
        similarity = round(100 * (1 - passage.edits / len(query)), 2)
        return Hit(path, *self._times(passage), similarity, _short(expected))

    def _times(self, passage: passages.Passage) -> tuple[float, float]:
        """The seconds where a passage begins and ends."""
        segment = self.collection.segments[passage.segment]
        starts, seconds = segment.starts(passage.document), segment.seconds(passage.document)
        end = starts[passage.last] * self.frame_seconds if passage.last < len(starts) else seconds
        begin = float(starts[passage.first] * self.frame_seconds)
        return round(min(begin, seconds), 3), round(float(min(end, seconds)), 3)

    def _require_long(self, query: np.ndarray, trials: int, what: str) -> None:
        expected = trials * math.exp(-self.collection.source.information(query))
        if not len(query) or expected > 1:
            raise UserError(
                f"the query has {len(query)} tokens, and about {expected:.3g} of the {trials} {what} of the index "
                "would equal it by chance, so answers would mean nothing; use a longer recording.",
                "query",
            )


def _short(expected: float) -> float:
    return float(f"{expected:.3g}")


def _require_answers(top: int) -> None:
    if top < 1:
        raise UserError(f"{top} answers were asked for; ask for at least 1.", "top")
