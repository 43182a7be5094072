"""Dynamic time warping of a batch of pairs on the processor, compiled by numba: a pair a turn, on all cores."""

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def _accumulate(cost: np.ndarray, total: np.ndarray, step: int) -> None:
    """Cheapest way to every cell of ``cost`` [N, M] from its first corner (step 1) or its last (step -1)."""
    n, m = cost.shape
    for a in range(n):
        i = a if step > 0 else n - 1 - a
        left = np.float32(np.inf)
        for b in range(m):
            j = b if step > 0 else m - 1 - b
            best = left
            if a > 0:
                best = min(best, total[i - step, j])
                if b > 0:
                    best = min(best, total[i - step, j - step])
            elif b == 0:
                best = np.float32(0.0)
            left = best + cost[i, j]
            total[i, j] = left


@numba.njit(cache=True, parallel=True)
def partners(
    cost: np.ndarray, a_lengths: np.ndarray, b_lengths: np.ndarray, of_a: np.ndarray, of_b: np.ndarray
) -> None:
    """Fill in each frame's partner on a cheapest path: float32 [B, N, M], int64 [B] twice -> int64 [B, N], [B, M].

    The arithmetic, and so every bit of the result, is that of `wav2tok.alignment.align` in torch.
    """
    for p in numba.prange(len(cost)):
        n, m = a_lengths[p], b_lengths[p]
        local = cost[p, :n, :m]
        ahead = np.empty((n, m), dtype=np.float32)
        back = np.empty((n, m), dtype=np.float32)
        _accumulate(local, ahead, 1)
        _accumulate(local, back, -1)
        column = np.full(m, np.float32(np.inf), dtype=np.float32)
        for i in range(n):
            row = np.float32(np.inf)
            for j in range(m):
                through = ahead[i, j] + back[i, j] - local[i, j]
                if through < row:
                    row, of_a[p, i] = through, j
                if through < column[j]:
                    column[j], of_b[p, j] = through, i
