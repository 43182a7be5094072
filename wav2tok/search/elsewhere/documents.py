"""Recordings as documents of text, which any search engine can index, and the ranking of what it finds.

The terms of a recording are its seeds (`wav2tok.matching.candidates`), each once. An engine that ranks by BM25 with
``k1 = 0`` adds up ``ln(1 + (D - n + .5) / (n + .5))`` for each term that ``n`` of ``D`` documents share with the query
(Robertson and Zaragoza, The Probabilistic Relevance Framework, 2009, as in Lucene). As that is ``ln((D + 1) / (n +
.5))``, it finds the candidates that the index finds. `ranked` then compares their tokens with the query's.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from wav2tok.errors import UserError
from wav2tok.matching import edit_distances, rank
from wav2tok.matching.candidates import shapes
from wav2tok.search.index import Index

CANDIDATES = 1000
"""How many documents an engine is asked for, to be ranked by their distance."""


@dataclass(frozen=True)
class Document:
    """A recording as an engine holds it.

    Attributes:
        path: the recording.
        seconds: its length.
        tokens: its token string, numbers with spaces between.
        terms: its seeds, with spaces between.
    """

    path: str
    seconds: float
    tokens: str
    terms: str


def terms(tokens: np.ndarray, num_tokens: int) -> list[str]:
    """The seeds of a token string, int [L], each once: the pattern's letter, and the tokens.

    >>> terms(np.array([5, 7, 2]), 256)
    ['a5_7', 'a7_2', 'b5_2']
    """
    own = np.asarray(tokens).tolist()
    found = [
        letter + "_".join(str(own[start + offset]) for offset in shape)
        for letter, shape in zip("ab", shapes(num_tokens), strict=True)
        for start in range(len(own) - shape[-1])
    ]
    return list(dict.fromkeys(found))


def documents(index: Index) -> Iterator[Document]:
    """The recordings of an index, in its order.

    Raises:
        UserError: a path is not Unicode, which no engine takes.
    """
    for one in index:
        try:
            one.path.encode()
        except UnicodeEncodeError:
            raise UserError(f"{one.path!r} is not Unicode; rename the file, and index it again.", "index") from None
        words = " ".join(map(str, one.tokens.tolist()))
        yield Document(one.path, one.seconds, words, " ".join(terms(one.tokens, index.manifest.num_tokens)))


def ranked(query: np.ndarray, found: Sequence[Document], top: int = 10) -> list[tuple[Document, float]]:
    """The ``top`` of the documents that an engine found that are nearest to a query, int [L], with their distances.

    The distance is that of `wav2tok.search.index.Index.search`. Ties keep the engine's order.
    """
    strings = [np.array(one.tokens.split(), dtype=np.int64) for one in found]
    distances = edit_distances([np.asarray(query)], strings)
    order = rank(distances, np.ones(distances.shape, dtype=bool))[0] if len(found) else []
    return [(found[i], float(distances[0, i])) for i in order[:top] if i >= 0]
