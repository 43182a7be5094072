"""The dynamic programmes of matching, compiled by numba. Those over strings use all cores, a query a turn.

Strings lie end to end in ``flat`` with ``ends`` [N + 1] (from 0) between them; ``costs`` [U, V] is the local cost of a
query's token against a database's. Results are float64 [Q, D]; what empty strings give is set by
`wav2tok.matching.distances`.
`frame_dtw` is for frames instead of tokens: `wav2tok.evaluation.baselines.dtw` prepares what it reads and calls it
from threads.
"""

import numba
import numpy as np


@numba.njit(cache=True, parallel=True)
def weighted_edit(
    flat_q: np.ndarray, ends_q: np.ndarray, flat_d: np.ndarray, ends_d: np.ndarray, costs: np.ndarray
) -> np.ndarray:
    """Edit distance, substitution ``costs``, insertion and deletion 1, over the longer length."""
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
    """Dynamic time warping with local cost ``costs``, over the sum of the lengths."""
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
