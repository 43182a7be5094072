"""Dynamic time warping between sequences of feature frames or of numbers, which matches baselines without tokens.

Steps (1, 0), (0, 1), (1, 1), no band; the path's sum is divided by the sum of the two lengths. The local cost of frames
is ``1 - cos``, that of numbers (pitch contours) their absolute difference, up to a limit.

The cosines of one query with many items are one matrix product, and several items are processed side by side: 1 ns per
cell and core, so that whole takes can be compared at the full frame rate.
"""

from collections.abc import Callable, Sequence

import numpy as np

from wav2tok.evaluation.baselines.frames import chunks, each, unit_length


def dtw_distances(queries: Sequence[np.ndarray], database: Sequence[np.ndarray]) -> np.ndarray:
    """Distances between sequences of frames, float32 [T, F] each: T may differ, F is the same for all.

    Returns:
        float64 [Q, D], in [0, 2]; ``inf`` where either has no frames.
    """

    def compare(query: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        # The cost 1 - cos is the distance of the cosine from 1, which rounding may exceed.
        return np.ones(len(query), dtype=np.float32), np.minimum(query @ columns, np.float32(1))

    ours, theirs = ([unit_length(one) for one in sequences] for sequences in (queries, database))
    return _distances(ours, theirs, compare, float("inf"))


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
    return _distances(ours, theirs, lambda query, columns: (query[:, 0], columns), most)


def _distances(
    queries: Sequence[np.ndarray],
    database: Sequence[np.ndarray],
    compare: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]],
    most: float,
) -> np.ndarray:
    """Distances between sequences, float32 [T, F] each.

    Args:
        compare: a query [T, F] and columns [F, S] -> the first two arguments of `path_sums`.
        most: the largest local cost.
    """
    from wav2tok.evaluation.baselines.dtw_kernels import LANES, path_sums

    distances = np.full((len(queries), len(database)), np.inf)
    lengths = np.array([len(item) for item in database], dtype=np.int64)
    order = np.argsort(lengths, kind="stable")
    order = order[lengths[order] > 0]
    groups = [order[i : i + LANES] for i in range(0, len(order), LANES)]  # of similar length
    for first, last in chunks([int(lengths[group].max()) * LANES for group in groups]):
        chunk = groups[first:last]
        blocks = [_interleave([database[i] for i in group], LANES) for group in chunk]
        starts = np.concatenate(([0], np.cumsum([block.shape[1] for block in blocks])))[:-1]
        lanes = np.array([np.pad(lengths[group], (0, LANES - len(group))) for group in chunk])
        columns, members = np.concatenate(blocks, axis=1), np.concatenate(chunk)

        def match(row: int) -> None:
            if len(queries[row]):
                compared = compare(queries[row], columns)  # noqa: B023  # all end before the next chunk
                sums = path_sums(*compared, starts, lanes, np.float32(most))  # noqa: B023
                distances[row, members] = sums[lanes > 0] / (len(queries[row]) + lengths[members])  # noqa: B023

        each(match, range(len(queries)))
    return distances


def _interleave(items: Sequence[np.ndarray], lanes: int) -> np.ndarray:
    """Up to ``lanes`` items of [T, F] as columns [F, longest * lanes]: all first frames, then all second ones, etc."""
    longest = max(len(frames) for frames in items)
    block = np.zeros((items[0].shape[1], longest, lanes), dtype=np.float32)
    for lane, frames in enumerate(items):
        block[:, : len(frames), lane] = frames.T
    return block.reshape(len(block), -1)
