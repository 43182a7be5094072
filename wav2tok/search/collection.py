"""Search in segments: which of their recordings are nearest to a token string, and where it occurs in them.

A small collection is scanned: every recording is compared, so the answer is exact. In a large one, recordings that
share seeds with the query are candidates (`wav2tok.matching.candidates`), and only they are compared. Both rank by the
same distances as the report: `wav2tok.matching.edit_distances` for whole recordings, the edits to the nearest substring
over the query's length for passages.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, pairwise

import numpy as np
from rapidfuzz import process
from rapidfuzz.distance import Levenshtein

from wav2tok.matching import rank
from wav2tok.matching.candidates import MAX_UNITS, PIECE, WHOLE, best, vote
from wav2tok.matching.chance import Chance, information
from wav2tok.matching.infix import distances_to_ends, occurrences
from wav2tok.search.segment import Segment, Text, text

SCAN_RECORDINGS = 20_000
"""A search compares every recording of a collection up to this size, which takes about 10 ms."""
SCAN_TOKENS = 400_000
"""A spot reads every token of a collection up to this size: 40 ms."""
CANDIDATES = range(250, 1001)
"""How many recordings are compared in a larger collection: most with a short query, which shares few seeds with any."""
STRETCHES = 400
"""How many stretches are read in a larger collection."""
_COMPARED_TOKENS = 25_000
_SAMPLE = 500
_SAMPLE_TOKENS = 20_000


Measure = Callable[[Sequence[np.ndarray], Sequence[np.ndarray]], np.ndarray]
"""Distances of Q queries to D strings, float64 [Q, D], such as those of `wav2tok.matching`."""


@dataclass(frozen=True)
class Near:
    """A recording that is near to a query as a whole: its segment, its place there, and its distance."""

    segment: int
    document: int
    distance: float


@dataclass(frozen=True)
class Passage:
    """Where a query occurs: a segment, a recording in it, the first token and the one after the last, and the edits."""

    segment: int
    document: int
    first: int
    last: int
    edits: int


class Collection:
    """Segments, without their dead recordings.

    Attributes:
        segments: in the order of the index.
        dead: the removed recordings of each, int64, ascending.
        num_tokens: size of the codebook.
        recordings, tokens: how many there are, without (recordings) and with (tokens) the dead.
    """

    def __init__(self, segments: Sequence[Segment], dead: Sequence[np.ndarray], num_tokens: int) -> None:
        self.segments, self.dead, self.num_tokens = list(segments), list(dead), num_tokens
        self.recordings = sum(one.documents for one in segments) - sum(map(len, dead))
        self.tokens = sum(len(one.tokens) for one in segments)

    @cached_property
    def counts(self) -> np.ndarray:
        """How often each token occurs, int64 [K]."""
        return np.sum([one.counts for one in self.segments], axis=0, dtype=np.int64) + np.zeros(
            self.num_tokens, dtype=np.int64
        )

    def information(self, query: np.ndarray) -> float:
        """`wav2tok.matching.chance.information` of a query here."""
        return information(query, self.counts)

    def alive(self, segment: int) -> np.ndarray:
        """The recordings of a segment that were not removed, int64."""
        every = np.arange(self.segments[segment].documents)
        return np.delete(every, self.dead[segment]) if len(self.dead[segment]) else every

    def scan(self, query: np.ndarray, top: int, measure: Measure | None = None) -> list[Near]:
        """The ``top`` recordings nearest to a query, int [L], of all; by edit distance, or by another measure."""
        every = [self.alive(number) for number in range(len(self.segments))]
        strings = [
            one.strings if len(alive) == one.documents else [one.strings[i] for i in alive.tolist()]
            for one, alive in zip(self.segments, every, strict=True)
        ]
        owners = np.repeat(np.arange(len(every)), [len(alive) for alive in every])
        return self._nearest(
            query, owners, np.concatenate([*every, np.zeros(0, np.int64)]), list(chain(*strings)), top, measure
        )

    def candidates(self, query: np.ndarray, top: int, measure: Measure | None = None) -> list[Near]:
        """As `scan`, of the recordings that share most seeds with the query."""
        places, votes = vote(query, [one.postings for one in self.segments], self.num_tokens)
        bounds = np.searchsorted(places, np.arange(len(self.segments) + 1) * MAX_UNITS)
        for number, segment in enumerate(self.segments):
            part = slice(bounds[number], bounds[number + 1])
            if segment.units[-1] > segment.documents and bounds[number] < bounds[number + 1]:
                # The votes of all pieces of a recording count for its first.
                documents = segment.document_of(places[part] - number * MAX_UNITS)
                firsts = np.flatnonzero(np.append(True, documents[1:] != documents[:-1]))
                totals = np.add.reduceat(votes[part], firsts)
                votes[part] = 0
                votes[part][firsts] = totals
                places[part] = number * MAX_UNITS + documents
            if len(self.dead[number]):
                votes[part][np.isin(places[part], number * MAX_UNITS + self.dead[number])] = 0
        # A vote counts for each token that an edit could save: of equal votes, long recordings have more by chance.
        count = min(max(_COMPARED_TOKENS // len(query), CANDIDATES[0]), CANDIDATES[-1])
        likely = best(votes, 4 * count)
        if len(likely) == 4 * count:
            # None is divided by less than the query's length, so all others have too few votes, however short they are.
            least = np.sort(self._densities(query, places[likely], votes[likely]))[-count]
            likely = np.flatnonzero(votes >= int(least * len(query)))
        places = places[likely[best(self._densities(query, places[likely], votes[likely]), count)]]
        owners, documents = np.divmod(places, MAX_UNITS)
        texts = chain.from_iterable(one.texts(those) for one, those in self._by_segment(places))
        return self._nearest(query, owners, documents, list(texts), top, measure)

    def _densities(self, query: np.ndarray, places: np.ndarray, votes: np.ndarray) -> np.ndarray:
        """Votes over the length of the recording or of the query, whichever is longer."""
        lengths = [one.lengths[those] for one, those in self._by_segment(places)]
        return votes / np.maximum(np.concatenate([*lengths, np.zeros(0, np.int64)]), len(query))

    def _by_segment(self, places: np.ndarray) -> Iterator[tuple[Segment, np.ndarray]]:
        """Each segment with its recordings among ``places``, int64, ascending: segment * MAX_UNITS + recording."""
        bounds = np.searchsorted(places, np.arange(len(self.segments) + 1) * MAX_UNITS).tolist()
        for number, (begin, end) in enumerate(pairwise(bounds)):
            if begin < end:
                yield self.segments[number], places[begin:end] - number * MAX_UNITS

    def _nearest(
        self,
        query: np.ndarray,
        owners: np.ndarray,
        documents: np.ndarray,
        texts: list[Text],
        top: int,
        measure: Measure | None,
    ) -> list[Near]:
        if measure is None:
            distances = self._edits(query, texts)
        else:
            places = zip(owners.tolist(), documents.tolist(), strict=True)
            distances = measure([query], [self.segments[number].string(document) for number, document in places])[0]
        # Only what can be among the first needs an order, and ties keep the index's.
        if len(distances) > top > 0:
            least = np.partition(distances, top - 1)[top - 1]
            close = np.flatnonzero(distances <= least + 1e-6)
        else:
            close = np.arange(len(distances))
        near = distances[None, close]
        order = close[[place for place in rank(near, np.ones(near.shape, dtype=bool))[0, :top] if place >= 0]]
        return [Near(int(owners[i]), int(documents[i]), float(distances[i])) for i in order]

    def _edits(self, query: np.ndarray, texts: list[Text]) -> np.ndarray:
        """`wav2tok.matching.edit_distances` of a query to strings that are text already, float64 [D]."""
        if not texts:
            return np.zeros(0)
        if not len(query):
            return np.full(len(texts), np.inf)
        own, scorer = text(query, self.num_tokens), Levenshtein.normalized_distance
        distances = process.cdist([own], texts, scorer=scorer, dtype=np.float64)[0]
        distances[[not one for one in texts]] = np.inf
        return distances

    def by_chance(self, query: np.ndarray, measure: Measure | None = None) -> Chance:
        """The law of chance for the distance of a query to whole recordings."""
        backwards = query[::-1]
        decoys = measure([backwards], self._sample)[0] if measure else self._edits(backwards, self._sample_texts)
        return Chance.of(self.information(query), decoys)

    @cached_property
    def _sample(self) -> list[np.ndarray]:
        """Recordings from all over the collection, int64 [L] each."""
        step = max(1, -(-sum(one.documents for one in self.segments) // _SAMPLE))
        every = [one.string(document) for one in self.segments for document in range(0, one.documents, step)]
        return [string for string in every if len(string)]

    @cached_property
    def _sample_texts(self) -> list[Text]:
        return [text(string, self.num_tokens) for string in self._sample]

    @cached_property
    def _stretches(self) -> tuple[np.ndarray, np.ndarray]:
        """Stretches of at most `WHOLE` tokens from all over the collection: end to end, and their lengths."""
        share = max(1, -(-self.tokens // _SAMPLE_TOKENS))
        pieces = []
        for one in self.segments:
            for begin in range(0, len(one.tokens), share * WHOLE):
                document = int(np.searchsorted(one.ends, begin, side="right")) - 1
                pieces.append(one.tokens[begin : min(begin + WHOLE, int(one.ends[document + 1]))])
        return np.concatenate(pieces), np.array([len(piece) for piece in pieces])

    def spot_by_chance(self, query: np.ndarray) -> Chance:
        """The law of chance for the edits of a query to the nearest substring that ends at a token."""
        return Chance.of(self.information(query), distances_to_ends(query[::-1], *self._stretches))

    def scan_passages(self, query: np.ndarray, most: int, top: int) -> list[Passage]:
        """Where a query, int [L], occurs in all recordings, nearest first.

        Args:
            most: a recording's nearest passage counts however far it is, further ones only up to so many edits.
            top: how many passages.
        """
        rows, nearest, owners = [], [], []
        for number, segment in enumerate(self.segments):
            rows.append(distances_to_ends(query, segment.tokens, segment.lengths))
            least = np.full(segment.documents, len(query), dtype=np.int64)
            filled = np.flatnonzero(segment.lengths)
            if len(filled):
                least[filled] = np.minimum.reduceat(rows[-1], segment.ends[:-1][filled].astype(np.int64))
            least[self.dead[number]] = len(query)
            nearest.append(least)
            owners.append(np.full(segment.documents, number))
        documents = np.concatenate([np.arange(len(least)) for least in nearest] + [np.zeros(0, np.int64)])
        every, owner = np.concatenate([*nearest, documents[:0]]), np.concatenate([*owners, documents[:0]])
        # The nearest ``top`` passages are in the ``top`` recordings whose best is nearest.
        found: list[Passage] = []
        for place in np.argsort(every, kind="stable")[:top].tolist():
            number, document = int(owner[place]), int(documents[place])
            first, last = self.segments[number].ends[document : document + 2].tolist()
            string = self.segments[number].string(document)
            found += [
                Passage(number, document, *span) for span in occurrences(rows[number][first:last], query, string, most)
            ]
        return _best(found, most, top)

    def candidate_passages(self, query: np.ndarray, most: int, top: int) -> list[Passage]:
        """As `scan_passages`, in the stretches that share most seeds with the query."""
        stretches = self._stretches_near(query)
        strings = [self.segments[one.segment].string(one.document)[one.first : one.last] for one in stretches]
        if not strings:
            return []
        lengths = np.array([len(string) for string in strings])
        edits = np.split(distances_to_ends(query, np.concatenate(strings), lengths), np.cumsum(lengths)[:-1])
        order = np.argsort([row.min() for row in edits], kind="stable")[:top]
        found = [
            replace(stretches[i], first=stretches[i].first + begin, last=stretches[i].first + end, edits=count)
            for i in order.tolist()
            for begin, end, count in occurrences(edits[i], query, strings[i], most)
        ]
        return _best(found, most, top)

    def _stretches_near(self, query: np.ndarray) -> list[Passage]:
        """The stretches that share most seeds with a query, in the index's order; they do not overlap.

        The votes of neighbouring pieces of a recording are added up: a passage across their border has some in either.
        """
        places, votes = vote(query, [one.postings for one in self.segments], self.num_tokens)
        owners, units = np.divmod(places, MAX_UNITS)
        pairs = votes.copy()
        if len(votes) > 1:
            following = (units[1:] > 0) & (places[1:] == places[:-1] + 1)
            pairs[:-1] += np.where(following, votes[1:], 0)
        chosen = best(pairs, STRETCHES)
        removed = [set(dead.tolist()) for dead in self.dead]
        out: list[Passage] = []
        for number, unit in zip(owners[chosen].tolist(), units[chosen].tolist(), strict=True):
            segment = self.segments[number]
            document = int(segment.document_of(np.array([unit]))[0])
            length = int(segment.lengths[document])
            if document in removed[number] or not length:
                continue
            first, last = 0, length
            if length > WHOLE:  # this piece and the next, and what a substring there may begin or end with
                begin = (unit - int(segment.units[document])) * PIECE
                first, last = max(0, begin - 2 * len(query)), min(length, begin + 2 * PIECE + 2 * len(query))
            if out and (out[-1].segment, out[-1].document) == (number, document) and first <= out[-1].last:
                first, last = out[-1].first, max(last, out[-1].last)
                out.pop()
            out.append(Passage(number, document, first, last, 0))
        return out


def _best(passages: list[Passage], most: int, top: int) -> list[Passage]:
    """The ``top`` passages, nearest first: the nearest of each recording, and others of at most ``most`` edits."""
    seen: set[tuple[int, int]] = set()
    out = []
    for one in sorted(passages, key=lambda one: (one.edits, one.segment, one.document, one.first)):
        if one.edits <= most or (one.segment, one.document) not in seen:
            out.append(one)
        seen.add((one.segment, one.document))
    return out[:top]
