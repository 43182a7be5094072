"""Distances between token strings, all ``[Q, D]`` float64: one row per query, one column per database string.

The first needs strings alone; the other two need the codebook as well:

* `edit_distances`: Levenshtein, normalised by the longer string (rapidfuzz);
* `weighted_edit_distances`: the same, but a substitution costs as much as the two centroids are far apart;
* `centroid_dtw_distances`: dynamic time warping over the tokens' centroids.

**An empty string is infinitely far from everything**, also from another empty string: without tokens nothing can match.
It therefore ranks behind every real match, and rankings omit it.

rapidfuzz, and numba for the two weighted distances (``pip install "wav2tok[evaluate]"``), are imported on the first
call, so that tokenizing starts quickly.
"""

from collections.abc import Sequence

import numpy as np

from wav2tok.errors import UserError
from wav2tok.matching.strings import as_text

QUANTUM = 2.0**-32
"""Local costs are multiples of this, so that their float64 sums are exact."""


def edit_distances(queries: Sequence[np.ndarray], database: Sequence[np.ndarray]) -> np.ndarray:
    """Levenshtein distance over the longer length, in [0, 1]; ``inf`` where either string is empty.

    Args:
        queries, database: Q and D token strings, int [L] each.

    Returns:
        float64 [Q, D].

    >>> edit_distances([np.array([1, 2, 3])], [np.array([1, 2, 3]), np.array([1, 4, 3, 5])])
    array([[0. , 0.5]])
    """
    from rapidfuzz import process
    from rapidfuzz.distance import Levenshtein

    if not len(queries) or not len(database):
        return np.zeros((len(queries), len(database)))
    distances = process.cdist(
        [as_text(tokens) for tokens in queries],
        [as_text(tokens) for tokens in database],
        scorer=Levenshtein.normalized_distance,
        dtype=np.float64,
        workers=-1,
    )
    return empty_last(distances, queries, database)


def weighted_edit_distances(
    queries: Sequence[np.ndarray], database: Sequence[np.ndarray], codebook: np.ndarray
) -> np.ndarray:
    """Edit distance with substitution cost ``min(1, 1 - cos)`` of the two centroids, insertion and deletion 1.

    A substitution therefore costs between 0 (the same token) and 1 (unrelated or opposite centroids), never more than
    in `edit_distances`. (With ``(1 - cos) / 2`` unrelated tokens cost only half, and retrieval is worse than with
    `edit_distances`.) Normalised by the longer string: in [0, 1], ``inf`` where either string is empty.

    Args:
        queries, database: Q and D token strings, int [L] each.
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


def unit_rows(rows: np.ndarray) -> np.ndarray:
    """Rows [K, d], such as a codebook's, at unit length, float64; a row of zeros stays."""
    rows = np.asarray(rows, dtype=np.float64)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def token_costs(codebook: np.ndarray, ours: np.ndarray, theirs: np.ndarray, most: float) -> np.ndarray:
    """The cost of taking one token for another: ``min(most, 1 - cos)`` of their centroids, 0 for the same token.

    Costs are multiples of `QUANTUM`, so float64 sums of them are exact: equal costs compare equal on every processor,
    in whatever order they are summed.

    Args:
        codebook: [K, d]; rows need not be of unit length.
        ours, theirs: tokens, int [U] and [V].
        most: the highest cost.

    Returns:
        float64 [U, V].
    """
    unit = unit_rows(codebook)
    costs = np.round(np.clip(1.0 - unit[ours] @ unit[theirs].T, 0.0, most) / QUANTUM) * QUANTUM
    costs[ours[:, None] == theirs[None, :]] = 0.0  # exactly, whatever the rounding of the product
    return costs


def _over_strings(
    kernel: str, queries: Sequence[np.ndarray], database: Sequence[np.ndarray], codebook: np.ndarray, most: float
) -> np.ndarray:
    """Run a kernel of `wav2tok.matching.kernels` over all pairs, with the costs of the tokens that occur."""
    try:
        from wav2tok.matching import kernels
    except ModuleNotFoundError as error:
        raise UserError(f'weighted matching needs {error.name}: pip install "wav2tok[evaluate]"') from None
    if not len(queries) or not len(database):
        return np.zeros((len(queries), len(database)))
    # Tokens are renumbered among those that occur, which keeps the table small for a codebook of any size.
    flat_q, ends_q = flatten(queries)
    flat_d, ends_d = flatten(database)
    used_q, flat_q = np.unique(flat_q, return_inverse=True)
    used_d, flat_d = np.unique(flat_d, return_inverse=True)
    costs = token_costs(codebook, used_q, used_d, most)
    distances = getattr(kernels, kernel)(flat_q, ends_q, flat_d, ends_d, costs)
    return empty_last(distances, queries, database)


def flatten(strings: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """All strings end to end, int64 [sum of L], and where each ends, from 0, int64 [N + 1]."""
    flat = np.concatenate([np.asarray(tokens, dtype=np.int64) for tokens in strings])
    return flat, np.concatenate(([0], np.cumsum([len(tokens) for tokens in strings])))


def empty_last(distances: np.ndarray, queries: Sequence[np.ndarray], database: Sequence[np.ndarray]) -> np.ndarray:
    """Set the rows and columns of empty strings to infinity, in place."""
    distances[[len(tokens) == 0 for tokens in queries]] = np.inf
    distances[:, [len(tokens) == 0 for tokens in database]] = np.inf
    return distances
