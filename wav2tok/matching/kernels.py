"""The dynamic programmes of matching, compiled by numba, on all cores.

``flat`` holds all strings end to end, and ``ends`` [N + 1] (from 0) says where they end; ``costs`` [U, V] is the cost
of a query's token against a database token.
Results are float64 [Q, D]; `wav2tok.matching.distances` sets those of empty strings.
"""

import numba
import numpy as np


@numba.njit(cache=True, parallel=True)
def weighted_edit(
    flat_q: np.ndarray, ends_q: np.ndarray, flat_d: np.ndarray, ends_d: np.ndarray, costs: np.ndarray
) -> np.ndarray:
    """Edit distance over the longer length: a substitution costs ``costs``, insertion and deletion cost 1."""
    out = np.zeros((len(ends_q) - 1, len(ends_d) - 1))
    for q in numba.prange(len(ends_q) - 1):
        query = flat_q[ends_q[q] : ends_q[q + 1]]
        for d in range(len(ends_d) - 1):
            item = flat_d[ends_d[d] : ends_d[d + 1]]
            row = np.arange(len(item) + 1).astype(np.float64)
            for i in range(len(query)):
                diagonal, row[0] = row[0], i + 1.0
                for j in range(len(item)):
                    best = min(diagonal + costs[query[i], item[j]], row[j + 1] + 1.0, row[j] + 1.0)
                    diagonal, row[j + 1] = row[j + 1], best
            out[q, d] = row[-1] / max(len(query), len(item), 1)
    return out


@numba.njit(cache=True, parallel=True)
def string_dtw(
    flat_q: np.ndarray, ends_q: np.ndarray, flat_d: np.ndarray, ends_d: np.ndarray, costs: np.ndarray
) -> np.ndarray:
    """Dynamic time warping with the local cost ``costs``, over the sum of the lengths."""
    out = np.zeros((len(ends_q) - 1, len(ends_d) - 1))
    for q in numba.prange(len(ends_q) - 1):
        query = flat_q[ends_q[q] : ends_q[q + 1]]
        for d in range(len(ends_d) - 1):
            item = flat_d[ends_d[d] : ends_d[d + 1]]
            row = np.full(len(item) + 1, np.inf)
            diagonal = 0.0
            for i in range(len(query)):
                for j in range(len(item)):
                    best = costs[query[i], item[j]] + min(diagonal, row[j + 1], row[j])
                    diagonal, row[j + 1] = row[j + 1], best
                diagonal, row[0] = np.inf, np.inf
            out[q, d] = row[-1] / max(len(query) + len(item), 1)
    return out


@numba.njit(cache=True, parallel=True)
def warp(cosines: np.ndarray, ends_q: np.ndarray, ends_d: np.ndarray, quantum: float, out: np.ndarray) -> None:
    """Dynamic time warping with the local cost ``1 - cos``, over the sum of the lengths.

    Args:
        cosines: float64 [M, N], of all steps of the queries with all steps of the items.
        quantum: local costs are rounded to multiples of this, at least 0.
        out: float64 [Q, D], filled.
    """
    for q in numba.prange(len(ends_q) - 1):
        for d in range(len(ends_d) - 1):
            first, length = ends_d[d], ends_d[d + 1] - ends_d[d]
            row = np.full(length + 1, np.inf)
            diagonal = 0.0
            for i in range(ends_q[q], ends_q[q + 1]):
                for j in range(length):
                    cost = max(np.rint((1.0 - cosines[i, first + j]) / quantum) * quantum, 0.0)
                    best = cost + min(diagonal, row[j + 1], row[j])
                    diagonal, row[j + 1] = row[j + 1], best
                diagonal, row[0] = np.inf, np.inf
            out[q, d] = row[-1] / max(ends_q[q + 1] - ends_q[q] + length, 1)


@numba.njit(cache=True, parallel=True)
def local_alignment(
    flat_q: np.ndarray,
    ends_q: np.ndarray,
    flat_d: np.ndarray,
    ends_d: np.ndarray,
    scores: np.ndarray,
    opening: int,
    extension: int,
) -> np.ndarray:
    """The best local alignment's score, int64 [Q, D].

    Args:
        scores: int32 [K, K], of a query's token with a database token.
        opening, extension: what the first and each further token of a gap cost.
    """
    queries, items = len(ends_q) - 1, len(ends_d) - 1
    out = np.zeros((queries, items), dtype=np.int64)
    none, open_, extend = np.int32(0), np.int32(opening), np.int32(extension)
    # Pairs, not queries, are shared out: one query against many strings is the common case.
    for pair in numba.prange(queries * items):
        q, d = pair // items, pair % items
        query, item = flat_q[ends_q[q] : ends_q[q + 1]], flat_d[ends_d[d] : ends_d[d + 1]]
        row = np.zeros(len(item), dtype=np.int32)
        down = np.full(len(item), -open_, dtype=np.int32)  # the best that ends in a gap of the item
        most = none
        for token in query:
            gains = scores[token]
            diagonal, along, left = none, -open_, none
            for j in range(len(item)):
                above = row[j]
                down[j] = max(np.int32(above - open_), np.int32(down[j] - extend))
                best = max(np.int32(diagonal + gains[item[j]]), max(down[j], none))
                along = max(np.int32(left - open_), np.int32(along - extend))
                left = max(best, along)
                diagonal, row[j] = above, left
                most = max(most, left)
        out[q, d] = most
    return out
