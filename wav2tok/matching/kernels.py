"""The dynamic programmes of matching, compiled by numba, on all cores.

One query per iteration, but in `warp`, which has one item per iteration. ``flat`` holds all strings end to end, and
``ends`` [N + 1] (from 0) says where they end; ``costs`` [U, V] is the cost of a query's token against a database token.
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
def warp(local: np.ndarray, ends: np.ndarray, out: np.ndarray) -> None:
    """Dynamic time warping of one query, over the sum of the lengths.

    Args:
        local: float64 [L, N], the costs of the query's L steps against D items side by side; ``ends`` [D + 1], from 0.
        out: float64 [D], filled.
    """
    for d in numba.prange(len(ends) - 1):
        first, length = ends[d], ends[d + 1] - ends[d]
        row = np.full(length + 1, np.inf)
        diagonal = 0.0
        for i in range(len(local)):
            for j in range(length):
                best = local[i, first + j] + min(diagonal, row[j + 1], row[j])
                diagonal, row[j + 1] = row[j + 1], best
            diagonal, row[0] = np.inf, np.inf
        out[d] = row[-1] / max(len(local) + length, 1)
