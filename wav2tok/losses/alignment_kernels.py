"""Dynamic time warping of a batch of pairs on the CPU, compiled by numba: one pair per iteration, on all cores."""

import numba
import numpy as np


@numba.njit(cache=True, parallel=True)
def partners(
    cost: np.ndarray, a_lengths: np.ndarray, b_lengths: np.ndarray, tie: float, of_a: np.ndarray, of_b: np.ndarray
) -> None:
    """Write each frame's partner on a cheapest path: float [B, N, M], int64 [B] twice -> int64 [B, N], [B, M].

    The rule is that of `wav2tok.losses.alignment.align`. The second walk, from the last corner back to the first,
    writes a partner for every cell on a cheapest path; the last write wins, which is the first frame.

    Args:
        tie: `wav2tok.losses.alignment.TIE`.
    """
    for p in numba.prange(len(cost)):
        n, m = a_lengths[p], b_lengths[p]
        local = cost[p, :n, :m]
        ahead = np.empty((n, m), dtype=np.float64)
        for i in range(n):
            left = np.inf
            for j in range(m):
                best = left
                if i > 0:
                    best = min(best, ahead[i - 1, j])
                    if j > 0:
                        best = min(best, ahead[i - 1, j - 1])
                elif j == 0:
                    best = 0.0
                left = best + local[i, j]
                ahead[i, j] = left
        most = ahead[n - 1, m - 1] + tie * (n + m)
        # Cheapest way from a cell's lower neighbours to the last corner; the extra column lies outside.
        below = np.full(m + 1, np.inf)
        for i in range(n - 1, -1, -1):
            diagonal, right = np.inf, np.inf
            if i == n - 1:
                diagonal = 0.0
            for j in range(m - 1, -1, -1):
                rest = min(min(below[j], right), diagonal)
                if ahead[i, j] + rest <= most:
                    of_a[p, i] = j
                    of_b[p, j] = i
                diagonal, right = below[j], rest + local[i, j]
                below[j] = right
