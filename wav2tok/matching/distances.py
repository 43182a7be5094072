"""Token strings and the distances between them, all ``[Q, D]`` float64: queries down, database across.

Three forms, of which the first is always reported; the other two read nothing beyond the strings and the codebook:

* `edit_distances`: Levenshtein, normalised by the longer string (rapidfuzz);
* `weighted_edit_distances`: the same with a substitution as dear as its two centroids are far apart;
* `centroid_dtw_distances`: dynamic time warping over the tokens' centroids.

**An empty string is infinitely far from everything**, another empty one included: nothing was heard, so nothing can
match. It therefore comes behind every real match, and the ranking leaves it out.

The two weighted forms need numba (``pip install wav2tok[evaluate]``), imported on the first call.
"""

from collections.abc import Sequence

import numpy as np
from rapidfuzz import process
from rapidfuzz.distance import Levenshtein

from wav2tok.errors import UserError
from wav2tok.matching.strings import as_text

_QUANTUM = 2.0**-32


def edit_distances(queries: Sequence[np.ndarray], database: Sequence[np.ndarray]) -> np.ndarray:
    """Levenshtein distance over the longer length, in [0, 1]; ``inf`` where either string is empty.

    Args:
        queries, database: Q and D token strings, int [L].

    Returns:
        float64 [Q, D].
    """
    if not len(queries) or not len(database):
        return np.zeros((len(queries), len(database)))
    distances = process.cdist(
        [as_text(tokens) for tokens in queries],
        [as_text(tokens) for tokens in database],
        scorer=Levenshtein.normalized_distance,
        dtype=np.float64,
        workers=-1,
    )
    return _empty_last(distances, queries, database)


def weighted_edit_distances(
    queries: Sequence[np.ndarray], database: Sequence[np.ndarray], codebook: np.ndarray
) -> np.ndarray:
    """Edit distance with substitution cost ``min(1, 1 - cos)`` of the two centroids, insertion and deletion 1.

    So a substitution costs 0 for the same token and 1 for unrelated or opposite centroids: never more than the plain
    form's. (With ``(1 - cos) / 2`` unrelated tokens cost only half, and retrieval falls below the plain form's.)
    Normalised by the longer string: in [0, 1], ``inf`` where either string is empty.

    Args:
        queries, database: Q and D token strings, int [L].
        codebook: [K, d]; rows need not be of unit length.

    Returns:
        float64 [Q, D].
    """
    return _over_strings("weighted_edit", queries, database, codebook, 1.0)


def centroid_dtw_distances(
    queries: Sequence[np.ndarray], database: Sequence[np.ndarray], codebook: np.ndarray
) -> np.ndarray:
    """Dynamic time warping over the tokens' centroids: local cost ``1 - cos``, steps (1, 0), (0, 1), (1, 1).

    Normalised by the sum of the lengths; ``inf`` where either string is empty. Arguments and result as for
    `weighted_edit_distances`.
    """
    return _over_strings("string_dtw", queries, database, codebook, 2.0)


def token_costs(codebook: np.ndarray, ours: np.ndarray, theirs: np.ndarray, most: float) -> np.ndarray:
    """What it costs to take one token for another: ``min(most, 1 - cos)`` of their centroids, 0 for the same token.

    Costs are whole multiples of `_QUANTUM`: sums of them in float64 are exact, so that paths and strings that cost the
    same are equal in whatever order they are added up, on every processor.

    Args:
        codebook: [K, d]; rows need not be of unit length.
        ours, theirs: int [U] and [V] tokens.

    Returns:
        float64 [U, V].
    """
    centroids = np.asarray(codebook, dtype=np.float64)
    unit = centroids / np.maximum(np.linalg.norm(centroids, axis=1, keepdims=True), 1e-12)
    costs = np.round(np.clip(1.0 - unit[ours] @ unit[theirs].T, 0.0, most) / _QUANTUM) * _QUANTUM
    costs[ours[:, None] == theirs[None, :]] = 0.0  # exactly, whatever the rounding of the product
    return costs


def _over_strings(
    kernel: str, queries: Sequence[np.ndarray], database: Sequence[np.ndarray], codebook: np.ndarray, most: float
) -> np.ndarray:
    """Run a kernel over all pairs, given the table ``min(most, 1 - cos)`` of the centroids that occur."""
    try:
        from wav2tok.matching import kernels
    except ModuleNotFoundError as error:
        raise UserError(f"Weighted matching needs {error.name}: pip install 'wav2tok[evaluate]'.") from None
    if not len(queries) or not len(database):
        return np.zeros((len(queries), len(database)))
    # Tokens are renumbered among those that occur, so that the table stays small for a codebook of any size.
    used_q, flat_q, ends_q = _flatten(queries)
    used_d, flat_d, ends_d = _flatten(database)
    costs = token_costs(codebook, used_q, used_d, most)
    distances = getattr(kernels, kernel)(flat_q, ends_q, flat_d, ends_d, costs)
    return _empty_last(distances, queries, database)


def _flatten(strings: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The tokens that occur [U], all strings end to end as indices into them, and each string's end, from 0 [N + 1]."""
    flat = np.concatenate([np.asarray(tokens, dtype=np.int64) for tokens in strings])
    used, index = np.unique(flat, return_inverse=True)
    return used, index.astype(np.int64), np.concatenate(([0], np.cumsum([len(tokens) for tokens in strings])))


def _empty_last(distances: np.ndarray, queries: Sequence[np.ndarray], database: Sequence[np.ndarray]) -> np.ndarray:
    """Set the rows and columns of empty strings to infinity, in place."""
    distances[[len(tokens) == 0 for tokens in queries]] = np.inf
    distances[:, [len(tokens) == 0 for tokens in database]] = np.inf
    return distances
