"""Dynamic time warping of frames and of pitch contours, compiled by numba."""

import numba
import numpy as np

FRAME_LANES, CONTOUR_LANES = 8, 16
"""Items that are processed side by side."""


@numba.njit(cache=True, nogil=True, fastmath={"nnan", "nsz"})
def frame_dtw(cosines: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Dynamic time warping of one query against D items, given the cosines of all frames.

    A cell depends on its left neighbour, so one item at a time leaves the processor idle. `FRAME_LANES` items are
    processed side by side, their cosines interleaved, which is 4.5 times faster.

    Args:
        cosines: float32 [Q, sum over groups of longest * FRAME_LANES], frame by frame, the group's items side by side;
            the local cost is ``1 - cos``.
        starts: int [G], each group's first column in ``cosines``.
        lengths: int [G, FRAME_LANES], frames of each item; 0 for an unused lane.

    Returns:
        float32 [G, FRAME_LANES], the sums of the best paths.
    """
    out = np.zeros((len(starts), FRAME_LANES), dtype=np.float32)
    for g in range(len(starts)):
        longest = lengths[g].max()
        row = np.full((longest + 1, FRAME_LANES), np.float32(np.inf), dtype=np.float32)
        diagonal = np.empty(FRAME_LANES, dtype=np.float32)
        left = np.empty(FRAME_LANES, dtype=np.float32)
        corner = np.float32(0.0)
        for i in range(len(cosines)):
            diagonal[:] = corner
            left[:] = np.float32(np.inf)
            local = cosines[i, starts[g] : starts[g] + longest * FRAME_LANES].reshape(longest, FRAME_LANES)
            for j in range(longest):
                for lane in range(FRAME_LANES):
                    above = row[j + 1, lane]
                    cost = max(np.float32(1.0) - local[j, lane], np.float32(0.0))
                    cell = cost + min(min(diagonal[lane], above), left[lane])
                    diagonal[lane], left[lane], row[j + 1, lane] = above, cell, cell
            corner = np.float32(np.inf)
        for lane in range(FRAME_LANES):
            out[g, lane] = row[lengths[g, lane], lane]
    return out


@numba.njit(cache=True, nogil=True, fastmath={"nnan", "nsz"})
def contour_dtw(
    query: np.ndarray, items: np.ndarray, starts: np.ndarray, lengths: np.ndarray, most: np.float32
) -> np.ndarray:
    """Dynamic time warping of one contour against D others.

    The local cost is the absolute difference, at most ``most``. As in `frame_dtw`, `CONTOUR_LANES` items are processed
    side by side, their values interleaved.

    Args:
        query: float32 [Q].
        items: float32 [S], group by group: all first values, then all second ones, and so on.
        starts: int [G], each group's first position in ``items``.
        lengths: int [G, CONTOUR_LANES], values of each item; 0 for an unused lane.

    Returns:
        float32 [G, CONTOUR_LANES], the sums of the best paths.
    """
    out = np.zeros((len(starts), CONTOUR_LANES), dtype=np.float32)
    diagonal = np.empty(CONTOUR_LANES, dtype=np.float32)
    left = np.empty(CONTOUR_LANES, dtype=np.float32)
    for g in range(len(starts)):
        longest = lengths[g].max()
        row = np.full((longest + 1, CONTOUR_LANES), np.float32(np.inf), dtype=np.float32)
        values = items[starts[g] : starts[g] + longest * CONTOUR_LANES].reshape(longest, CONTOUR_LANES)
        corner = np.float32(0.0)
        for i in range(len(query)):
            value = query[i]
            diagonal[:] = corner
            left[:] = np.float32(np.inf)
            for j in range(longest):
                for lane in range(CONTOUR_LANES):
                    above = row[j + 1, lane]
                    cost = min(abs(value - values[j, lane]), most)
                    cell = cost + min(min(diagonal[lane], above), left[lane])
                    diagonal[lane], left[lane], row[j + 1, lane] = above, cell, cell
            corner = np.float32(np.inf)
        for lane in range(CONTOUR_LANES):
            out[g, lane] = row[lengths[g, lane], lane]
    return out
