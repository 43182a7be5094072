"""Dynamic time warping between sequences of feature frames or of numbers, which matches baselines without tokens.

Steps (1, 0), (0, 1), (1, 1), no band; the path's sum is divided by the sum of the two lengths. The local cost of frames
is ``1 - cos``, that of numbers (pitch contours) their absolute difference, up to a limit.

The cosines of one query with many items are one matrix product, and several items are processed side by side: 1 ns per
cell and core, so that whole takes can be compared at the full frame rate.
"""

from collections.abc import Callable, Sequence

import numpy as np

from wav2tok.evaluation.baselines.frames import each, unit_length

STRIP = 32
"""Frames of the items that are compared at once: with 400 frames of a query .8 MB, which fits a core's cache."""


def dtw_distances(queries: Sequence[np.ndarray], database: Sequence[np.ndarray]) -> np.ndarray:
    """Distances between sequences of frames, float32 [T, F] each: T may differ, F is the same for all.

    Returns:
        float64 [Q, D], in [0, 2]; ``inf`` where either has no frames.
    """

    def compare(query: np.ndarray, columns: np.ndarray, out: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.ones(len(query), dtype=np.float32), np.matmul(query, columns, out=out)

    ours, theirs = ([unit_length(one) for one in sequences] for sequences in (queries, database))
    # The cost 1 - cos is the distance of the cosine from 1, which rounding may exceed.
    return _distances(ours, theirs, compare, 1.0, float("inf"))


def contour_distances(
    queries: Sequence[np.ndarray], database: Sequence[np.ndarray], most: float = float("inf")
) -> np.ndarray:
    """Distances between sequences of numbers, float32 [T] each, in the numbers' unit.

    Args:
        queries, database: Q and D sequences.
        most: the largest local cost.

    Returns:
        float64 [Q, D], in [0, ``most``]; ``inf`` where either is empty.
    """
    ours, theirs = ([one[:, None].astype(np.float32) for one in contours] for contours in (queries, database))
    return _distances(ours, theirs, lambda query, columns, _: (query[:, 0], columns), float("inf"), most)


def _distances(
    queries: Sequence[np.ndarray],
    database: Sequence[np.ndarray],
    compare: Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]],
    ceiling: float,
    most: float,
) -> np.ndarray:
    """Distances between sequences, float32 [T, F] each.

    Args:
        compare: a query [T, F], columns [F, S] and room for the result [T, S] -> the first two arguments of `extend`.
        ceiling, most: of the values compared, and of the local cost.
    """
    from wav2tok.evaluation.baselines.dtw_kernels import LANES, extend

    distances = np.full((len(queries), len(database)), np.inf)
    lengths = np.array([len(item) for item in database], dtype=np.int64)
    order = np.argsort(lengths, kind="stable")
    order = order[lengths[order] > 0]
    groups = [order[i : i + LANES] for i in range(0, len(order), LANES)]  # of similar length
    blocks = [_interleave([database[i] for i in group], LANES) for group in groups]

    def match(row: int) -> None:
        query = queries[row]
        if not len(query):
            return
        room = np.empty(len(query) * STRIP * LANES, dtype=np.float32)
        for group, block in zip(groups, blocks, strict=True):
            left = np.full((len(query) + 1, LANES), np.inf, dtype=np.float32)
            left[0] = 0.0
            sums = np.empty((block.shape[1] // LANES, LANES), dtype=np.float32)
            for first in range(0, len(sums), STRIP):
                top = sums[first : first + STRIP]
                columns = block[:, first * LANES : (first + len(top)) * LANES]
                out = room[: len(query) * columns.shape[1]].reshape(len(query), -1)
                extend(*compare(query, columns, out), left, top, np.float32(ceiling), np.float32(most))
            ends = sums[lengths[group] - 1, np.arange(len(group))]
            distances[row, group] = ends / (len(query) + lengths[group])

    each(match, range(len(queries)))
    return distances


def _interleave(items: Sequence[np.ndarray], lanes: int) -> np.ndarray:
    """Up to ``lanes`` items of [T, F] as columns [F, longest * lanes]: all first frames, then all second ones, etc."""
    longest = max(len(frames) for frames in items)
    block = np.zeros((items[0].shape[1], longest, lanes), dtype=np.float32)
    for lane, frames in enumerate(items):
        block[:, : len(frames), lane] = frames.T
    return block.reshape(len(block), -1)
