"""Dynamic time warping, compiled by numba."""

import numba
import numpy as np

LANES = 16
"""Items that are processed side by side."""


@numba.njit(cache=True, nogil=True, fastmath={"nnan", "nsz"})
def path_sums(
    query: np.ndarray, values: np.ndarray, starts: np.ndarray, lengths: np.ndarray, most: np.float32
) -> np.ndarray:
    """Dynamic time warping of one query against D items; the local cost is ``min(|query - values|, most)``.

    A cell depends on its left neighbour, so one item at a time leaves the processor idle. `LANES` items are processed
    side by side, their values interleaved: 16 take .09 s where 8 take .18 (contours), .69 where 8 take .80 (frames).

    Args:
        query: float32 [Q].
        values: float32 [Q, S], S the sum over groups of longest * LANES: frame by frame, the group's items side by
            side; or [1, S] where they are the same for the whole query.
        starts: int [G], each group's first column in ``values``.
        lengths: int [G, LANES], frames of each item; 0 for an unused lane.

    Returns:
        float32 [G, LANES], the sums of the best paths.
    """
    out = np.zeros((len(starts), LANES), dtype=np.float32)
    diagonal = np.empty(LANES, dtype=np.float32)
    left = np.empty(LANES, dtype=np.float32)
    for g in range(len(starts)):
        longest = lengths[g].max()
        row = np.full((longest + 1, LANES), np.float32(np.inf), dtype=np.float32)
        corner = np.float32(0.0)
        for i in range(len(query)):
            value = query[i]
            diagonal[:] = corner
            left[:] = np.float32(np.inf)
            here = values[min(i, len(values) - 1), starts[g] : starts[g] + longest * LANES].reshape(longest, LANES)
            for j in range(longest):
                for lane in range(LANES):
                    above = row[j + 1, lane]
                    cost = min(abs(value - here[j, lane]), most)
                    cell = cost + min(min(diagonal[lane], above), left[lane])
                    diagonal[lane], left[lane], row[j + 1, lane] = above, cell, cell
            corner = np.float32(np.inf)
        for lane in range(LANES):
            out[g, lane] = row[lengths[g, lane], lane]
    return out
