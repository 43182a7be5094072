"""The recordings of a collection that are nearest to a token string as a whole.

A small collection is scanned: every recording is compared, so the answer is exact. In a large one, recordings that
share seeds with the query are candidates (`wav2tok.matching.candidates`), and only they are compared. Both rank by the
same distances as the report: `wav2tok.matching.edit_distances`, or another measure.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, pairwise

import numpy as np
from rapidfuzz import process
from rapidfuzz.distance import Levenshtein

from wav2tok.matching import (
    centroid_dtw_distances,
    edit_distances,
    local_distances,
    rank,
    weighted_edit_distances,
)
from wav2tok.matching.candidates import MAX_UNITS, best, vote
from wav2tok.matching.chance import Chance
from wav2tok.matching.transposed import transposed_distances
from wav2tok.search.collection import Collection
from wav2tok.search.segment import Segment, Text, text

CANDIDATES = range(375, 1501)
"""How many recordings are compared in a large collection: most with a short query, which shares few seeds with any."""
# As many as have this many tokens, if they are as long as the query.
_COMPARED_TOKENS = 37_500

Measure = Callable[[Sequence[np.ndarray], Sequence[np.ndarray]], np.ndarray]
"""Distances of Q queries to D strings, float64 [Q, D], such as those of `wav2tok.matching`."""


@dataclass(frozen=True)
class Near:
    """A recording that is near to a query as a whole: its segment, its place there, and its distance."""

    segment: int
    document: int
    distance: float


def measures(codebook: np.ndarray, in_keys: bool = False) -> dict[str, Measure]:
    """The distances that a search may rank by, by name; those with a codebook, [K, d], need ``wav2tok[evaluate]``.

    Args:
        in_keys: whether local alignment tries several keys, as the report does for a codebook of melodies
            (`wav2tok.matching.transposed.is_transposable`).
    """
    return {
        "edit": edit_distances,
        "weighted": partial(weighted_edit_distances, codebook=codebook),
        "dtw": partial(centroid_dtw_distances, codebook=codebook),
        "local": partial(transposed_distances if in_keys else local_distances, codebook=codebook),
    }


def scan(collection: Collection, query: np.ndarray, top: int, measure: Measure | None = None) -> list[Near]:
    """The ``top`` recordings nearest to a query, int [L], of all; by edit distance, or by another measure."""
    every = [collection.alive(number) for number in range(len(collection.segments))]
    strings = [
        one.strings if len(alive) == one.documents else [one.strings[i] for i in alive.tolist()]
        for one, alive in zip(collection.segments, every, strict=True)
    ]
    owners = np.repeat(np.arange(len(every)), [len(alive) for alive in every])
    return _nearest(
        collection, query, owners, np.concatenate([*every, np.zeros(0, np.int64)]), list(chain(*strings)), top, measure
    )


def candidates(collection: Collection, query: np.ndarray, top: int, measure: Measure | None = None) -> list[Near]:
    """As `scan`, of the recordings that share most seeds with the query."""
    places, votes = vote(query, [one.postings for one in collection.segments], collection.num_tokens)
    bounds = np.searchsorted(places, np.arange(len(collection.segments) + 1) * MAX_UNITS)
    for number, segment in enumerate(collection.segments):
        part = slice(bounds[number], bounds[number + 1])
        if segment.units[-1] > segment.documents and bounds[number] < bounds[number + 1]:
            # The votes of all pieces of a recording count for its first.
            documents = segment.document_of(places[part] - number * MAX_UNITS)
            firsts = np.flatnonzero(np.append(True, documents[1:] != documents[:-1]))
            totals = np.add.reduceat(votes[part], firsts)
            votes[part] = 0
            votes[part][firsts] = totals
            places[part] = number * MAX_UNITS + documents
        if len(collection.dead[number]):
            votes[part][np.isin(places[part], number * MAX_UNITS + collection.dead[number])] = 0
    # A vote counts for each token that an edit could save: of equal votes, long recordings have more by chance.
    count = min(max(_COMPARED_TOKENS // len(query), CANDIDATES[0]), CANDIDATES[-1])
    likely = best(votes, 4 * count)
    if len(likely) == 4 * count:
        # None is divided by less than the query's length, so all others have too few votes, however short they are.
        least = np.sort(_densities(collection, query, places[likely], votes[likely]))[-count]
        likely = np.flatnonzero(votes >= int(least * len(query)))
    places = places[likely[best(_densities(collection, query, places[likely], votes[likely]), count)]]
    owners, documents = np.divmod(places, MAX_UNITS)
    texts = chain.from_iterable(one.texts(those) for one, those in _by_segment(collection, places))
    return _nearest(collection, query, owners, documents, list(texts), top, measure)


def _densities(collection: Collection, query: np.ndarray, places: np.ndarray, votes: np.ndarray) -> np.ndarray:
    """Votes over the length of the recording or of the query, whichever is longer."""
    lengths = [one.lengths[those] for one, those in _by_segment(collection, places)]
    return votes / np.maximum(np.concatenate([*lengths, np.zeros(0, np.int64)]), len(query))


def _by_segment(collection: Collection, places: np.ndarray) -> Iterator[tuple[Segment, np.ndarray]]:
    """Each segment with its recordings among ``places``, int64, ascending: segment * MAX_UNITS + recording."""
    bounds = np.searchsorted(places, np.arange(len(collection.segments) + 1) * MAX_UNITS).tolist()
    for number, (begin, end) in enumerate(pairwise(bounds)):
        if begin < end:
            yield collection.segments[number], places[begin:end] - number * MAX_UNITS


def _nearest(
    collection: Collection,
    query: np.ndarray,
    owners: np.ndarray,
    documents: np.ndarray,
    texts: list[Text],
    top: int,
    measure: Measure | None,
) -> list[Near]:
    if measure is None:
        distances = _edits(collection, query, texts)
    else:
        places = zip(owners.tolist(), documents.tolist(), strict=True)
        distances = measure([query], [collection.segments[number].string(document) for number, document in places])[0]
    # Only what can be among the first needs an order, and ties keep the index's.
    if len(distances) > top > 0:
        least = np.partition(distances, top - 1)[top - 1]
        close = np.flatnonzero(distances <= least + 1e-6)
    else:
        close = np.arange(len(distances))
    near = distances[None, close]
    order = close[[place for place in rank(near, np.ones(near.shape, dtype=bool))[0, :top] if place >= 0]]
    return [Near(int(owners[i]), int(documents[i]), float(distances[i])) for i in order]


def _edits(collection: Collection, query: np.ndarray, texts: list[Text]) -> np.ndarray:
    """`wav2tok.matching.edit_distances` of a query to strings that are text already, float64 [D]."""
    if not texts:
        return np.zeros(0)
    if not len(query):
        return np.full(len(texts), np.inf)
    own, scorer = text(query, collection.num_tokens), Levenshtein.normalized_distance
    distances = process.cdist([own], texts, scorer=scorer, dtype=np.float64)[0]
    distances[[not one for one in texts]] = np.inf
    return distances


def by_chance(collection: Collection, query: np.ndarray, measure: Measure | None = None) -> Chance:
    """The law of chance for the distance of a query to whole recordings."""
    if measure is None:
        distances = _edits(collection, query, collection.sample_texts)
    else:
        distances = measure([query], collection.sample)[0]
    return Chance.of(collection.source.information(query), distances)
