"""The passages of a collection that are nearest to a token string.

As for whole recordings (`wav2tok.search.nearest`), a small collection is read as a whole, and in a large one the
stretches that share most seeds with the query. The distance is the edits to the nearest substring, by which the report
spots.
"""

from dataclasses import dataclass, replace

import numpy as np

from wav2tok.matching.candidates import MAX_UNITS, PIECE, WHOLE, best, vote
from wav2tok.matching.chance import Chance
from wav2tok.matching.infix import distances_to_ends, occurrences
from wav2tok.search.collection import Collection

STRETCHES = 400
"""How many stretches are read in a large collection."""


@dataclass(frozen=True)
class Passage:
    """Where a query occurs: a segment, a recording in it, the first token and the one after the last, and the edits."""

    segment: int
    document: int
    first: int
    last: int
    edits: int


def scan(collection: Collection, query: np.ndarray, most: int, top: int) -> list[Passage]:
    """Where a query, int [L], occurs in all recordings, nearest first.

    Args:
        most: a recording's nearest passage counts however far it is, further ones only up to this number of edits.
        top: how many passages.
    """
    rows, nearest, owners = [], [], []
    for number, segment in enumerate(collection.segments):
        rows.append(distances_to_ends(query, segment.tokens, segment.lengths))
        least = np.full(segment.documents, len(query), dtype=np.int64)
        filled = np.flatnonzero(segment.lengths)
        if len(filled):
            least[filled] = np.minimum.reduceat(rows[-1], segment.ends[:-1][filled].astype(np.int64))
        least[collection.dead[number]] = len(query)
        nearest.append(least)
        owners.append(np.full(segment.documents, number))
    documents = np.concatenate([np.arange(len(least)) for least in nearest] + [np.zeros(0, np.int64)])
    every, owner = np.concatenate([*nearest, documents[:0]]), np.concatenate([*owners, documents[:0]])
    # The nearest ``top`` passages are in the ``top`` recordings whose best is nearest.
    found: list[Passage] = []
    for place in np.argsort(every, kind="stable")[:top].tolist():
        number, document = int(owner[place]), int(documents[place])
        first, last = collection.segments[number].ends[document : document + 2].tolist()
        string = collection.segments[number].string(document)
        found += [
            Passage(number, document, *span) for span in occurrences(rows[number][first:last], query, string, most)
        ]
    return _best(found, most, top)


def candidates(collection: Collection, query: np.ndarray, most: int, top: int) -> list[Passage]:
    """As `scan`, in the stretches that share most seeds with the query."""
    stretches = _stretches_near(collection, query)
    strings = [collection.segments[one.segment].string(one.document)[one.first : one.last] for one in stretches]
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


def _stretches_near(collection: Collection, query: np.ndarray) -> list[Passage]:
    """The stretches that share most seeds with a query, in the index's order; they do not overlap.

    The votes of neighbouring pieces of a recording are added up: a passage across their border has some in either.
    """
    places, votes = vote(query, [one.postings for one in collection.segments], collection.num_tokens)
    owners, units = np.divmod(places, MAX_UNITS)
    pairs = votes.copy()
    if len(votes) > 1:
        following = (units[1:] > 0) & (places[1:] == places[:-1] + 1)
        pairs[:-1] += np.where(following, votes[1:], 0)
    chosen = best(pairs, STRETCHES)
    removed = [set(dead.tolist()) for dead in collection.dead]
    out: list[Passage] = []
    for number, unit in zip(owners[chosen].tolist(), units[chosen].tolist(), strict=True):
        segment = collection.segments[number]
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


def by_chance(collection: Collection, query: np.ndarray) -> Chance:
    """The law of chance for the edits of a query to the nearest substring that ends at a token."""
    return Chance.of(collection.source.information(query), distances_to_ends(query, *collection.stretches))


def _best(passages: list[Passage], most: int, top: int) -> list[Passage]:
    """The ``top`` passages, nearest first: the nearest of each recording, and others of at most ``most`` edits."""
    seen: set[tuple[int, int]] = set()
    out = []
    for one in sorted(passages, key=lambda one: (one.edits, one.segment, one.document, one.first)):
        if one.edits <= most or (one.segment, one.document) not in seen:
            out.append(one)
        seen.add((one.segment, one.document))
    return out[:top]
