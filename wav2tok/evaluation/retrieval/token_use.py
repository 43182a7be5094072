"""Statistics of the token strings: use of the codebook, token rate, similarity of pairs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from rapidfuzz.distance import Levenshtein

from wav2tok.matching.distances import edit_distances
from wav2tok.matching.strings import as_text


@dataclass(frozen=True)
class TokenUse:
    """Statistics of the token strings of the test recordings.

    Attributes:
        figures: ``codebook_use`` (share of K), ``perplexity``, ``tokens_per_second``, ``bits_per_second`` (at log2 K
            bits per token), and ``jaccard_PAIR`` and ``edit_PAIR``: mean bigram Jaccard and mean normalised edit
            distance, which is 1 where a string is empty. PAIR is ``same_class``, ``other_class``, or a kind of view,
            compared with the recording it was made from. Pairs that do not occur are absent.
        counts: int [K], how often each token occurs.
    """

    figures: dict[str, float]
    counts: np.ndarray


def count(strings: Sequence[np.ndarray], num_tokens: int) -> np.ndarray:
    """How often each token occurs, int [K]."""
    return np.bincount(np.concatenate([np.zeros(0, np.int64), *strings]).astype(np.int64), minlength=num_tokens)


def perplexity(counts: np.ndarray) -> float:
    """Two to the entropy of the tokens: K if all are equally frequent, 1 if there is only one; 0 without tokens."""
    shares = counts[counts > 0] / max(counts.sum(), 1)
    return float(2 ** -(shares * np.log2(shares)).sum()) if len(shares) else 0.0


def bigram_jaccard(queries: Sequence[np.ndarray], database: Sequence[np.ndarray]) -> np.ndarray:
    """Bigrams in both strings over bigrams in either, float64 [Q, D]; 0 where neither has any."""
    from scipy import sparse

    strings = [np.asarray(tokens, dtype=np.int64) for tokens in (*queries, *database)]
    base = max((int(tokens.max()) for tokens in strings if len(tokens)), default=0) + 1
    bigrams = [np.unique(tokens[:-1] * base + tokens[1:]) for tokens in strings]
    lengths = [len(one) for one in bigrams]
    columns = np.unique(np.concatenate([np.zeros(0, np.int64), *bigrams]), return_inverse=True)[1]
    rows = np.repeat(np.arange(len(strings)), lengths)
    shape = (len(strings), int(columns.max(initial=-1)) + 1)
    table = sparse.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=shape)
    shared = (table[: len(queries)] @ table[len(queries) :].T).toarray()
    sizes = np.array(lengths, dtype=np.float64)
    either = sizes[: len(queries), None] + sizes[None, len(queries) :] - shared
    return shared / np.maximum(either, 1)


def measure(
    strings: Sequence[np.ndarray],
    seconds: float,
    num_tokens: int,
    queries: np.ndarray,
    same: np.ndarray,
    other: np.ndarray,
    views: Mapping[str, Sequence[Sequence[np.ndarray]]],
) -> TokenUse:
    """The statistics of N test recordings.

    Args:
        strings: the N recordings' de-duplicated tokens.
        seconds: the duration of all recordings together.
        num_tokens: K.
        queries: int [Q], the recordings that ask.
        same, other: bool [Q, N], the pairs (of different recordings) of the same class, and of different classes.
        views: for each kind of view, per factor, the Q queries' strings.
    """
    counts = count(strings, num_tokens)
    rate = float(counts.sum()) / seconds
    figures = {
        "codebook_use": float((counts > 0).sum()) / num_tokens,
        "perplexity": perplexity(counts),
        "tokens_per_second": rate,
        "bits_per_second": rate * float(np.log2(num_tokens)),
    }
    asking = [strings[i] for i in queries]
    if same.any():
        edits, shared = np.minimum(edit_distances(asking, strings), 1.0), bigram_jaccard(asking, strings)
        for pair, mask in (("same_class", same), ("other_class", other)):
            if mask.any():
                figures[f"jaccard_{pair}"] = float(shared[mask].mean())
                figures[f"edit_{pair}"] = float(edits[mask].mean())
    for kind, changed in views.items():
        pairs = np.array([_pair(a, b) for factor in changed for a, b in zip(factor, asking, strict=True)])
        figures[f"jaccard_{kind}"], figures[f"edit_{kind}"] = map(float, pairs.mean(axis=0))
    return TokenUse(figures, counts)


def _pair(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """Bigram Jaccard and normalised edit distance of one pair of strings."""
    one, other = set(pairwise(a.tolist())), set(pairwise(b.tolist()))
    edit = Levenshtein.normalized_distance(as_text(a), as_text(b)) if len(a) and len(b) else 1.0
    return len(one & other) / max(len(one | other), 1), edit
