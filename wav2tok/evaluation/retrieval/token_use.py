"""What the token strings themselves are like: how much of the codebook lives, how long they are, how alike."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from rapidfuzz.distance import Levenshtein

from wav2tok.matching.distances import edit_distances
from wav2tok.matching.strings import as_text


def count(strings: Sequence[np.ndarray], num_tokens: int) -> np.ndarray:
    """How often each token occurs, int [K]."""
    return np.bincount(np.concatenate([np.zeros(0, np.int64), *strings]).astype(np.int64), minlength=num_tokens)


def perplexity(counts: np.ndarray) -> float:
    """Two to the entropy of the tokens: K when all are used alike, 1 when one is; 0 when there is none."""
    shares = counts[counts > 0] / max(counts.sum(), 1)
    return float(2 ** -(shares * np.log2(shares)).sum()) if len(shares) else 0.0


def bigram_jaccard(queries: Sequence[np.ndarray], database: Sequence[np.ndarray]) -> np.ndarray:
    """Bigrams that two strings share over those that either has, float64 [Q, D]; 0 where neither has any."""
    from scipy import sparse

    strings = [np.asarray(tokens, dtype=np.int64) for tokens in (*queries, *database)]
    base = max((int(tokens.max()) for tokens in strings if len(tokens)), default=0) + 1
    bigrams = [np.unique(tokens[:-1] * base + tokens[1:]) for tokens in strings]
    lengths = [len(found) for found in bigrams]
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
) -> dict[str, float]:
    """The token metrics of N test recordings.

    Args:
        strings: the N recordings' de-duplicated tokens.
        seconds: the duration of them all.
        num_tokens: K.
        queries: int [Q], the recordings that ask.
        same, other: bool [Q, N], the pairs (of different recordings) of one class, and of two.
        views: for each kind of view, per factor, the Q queries' strings.

    Returns:
        ``codebook_use`` (share of K), ``perplexity``, ``tokens_per_second``, ``bits_per_second`` (at log2 K a token),
        and ``jaccard_PAIR`` and ``edit_PAIR`` (mean bigram Jaccard and normalised edit distance, 1 where a string is
        empty), PAIR being ``same_class``, ``other_class`` or a kind of view against the recording that it was made
        from; a PAIR that doesn't occur is absent.
    """
    counts = count(strings, num_tokens)
    rate = float(counts.sum()) / seconds
    found = {
        "codebook_use": float((counts > 0).sum()) / num_tokens,
        "perplexity": perplexity(counts),
        "tokens_per_second": rate,
        "bits_per_second": rate * float(np.log2(num_tokens)),
    }
    asking = [strings[i] for i in queries]
    if same.any():
        edits, alike = np.minimum(edit_distances(asking, strings), 1.0), bigram_jaccard(asking, strings)
        for pair, mask in (("same_class", same), ("other_class", other)):
            if mask.any():
                found[f"jaccard_{pair}"] = float(alike[mask].mean())
                found[f"edit_{pair}"] = float(edits[mask].mean())
    for kind, changed in views.items():
        pairs = np.array([_pair(a, b) for factor in changed for a, b in zip(factor, asking, strict=True)])
        found[f"jaccard_{kind}"], found[f"edit_{kind}"] = map(float, pairs.mean(axis=0))
    return found


def _pair(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """Bigram Jaccard and normalised edit distance of two strings alone."""
    one, other = set(pairwise(a.tolist())), set(pairwise(b.tolist()))
    edit = Levenshtein.normalized_distance(as_text(a), as_text(b)) if len(a) and len(b) else 1.0
    return len(one & other) / max(len(one | other), 1), edit
