"""Dynamic time warping between sequences of feature frames or of numbers, which matches baselines without tokens.

Steps (1, 0), (0, 1), (1, 1), no band; the path's sum is divided by the sum of the two lengths. The local cost of
numbers (pitch contours) is their absolute difference, up to a limit.

The local cost of frames is ``1 - cos``. The cosines of one query with many items are one matrix product, and several
items are processed side by side: 1 ns per cell and core, so that whole takes can be compared at the full frame rate.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from wav2tok.evaluation.baselines.frames import chunks, unit_length


def dtw_distances(queries: Sequence[np.ndarray], database: Sequence[np.ndarray]) -> np.ndarray:
    """Distances between sequences of frames, float32 [T, F] each: T may differ, F is the same for all.

    Returns:
        float64 [Q, D], in [0, 2]; ``inf`` where either has no frames.
    """
    from threadpoolctl import threadpool_limits

    from wav2tok.evaluation.baselines.dtw_kernels import FRAME_LANES, frame_dtw

    distances = np.full((len(queries), len(database)), np.inf)
    lengths = np.array([len(frames) for frames in database], dtype=np.int64)
    groups = _groups(lengths, FRAME_LANES)
    for first, last in chunks([int(lengths[group].max()) * FRAME_LANES for group in groups]):
        chunk = groups[first:last]
        blocks = [_interleave([database[i] for i in group], FRAME_LANES) for group in chunk]
        starts = np.concatenate(([0], np.cumsum([block.shape[1] for block in blocks])))[:-1]
        lanes = np.array([np.pad(lengths[group], (0, FRAME_LANES - len(group))) for group in chunk])
        frames = np.concatenate(blocks, axis=1)
        members = np.concatenate(chunk)

        def match(row: int) -> None:
            if len(queries[row]):
                sums = frame_dtw(unit_length(queries[row]) @ frames, starts, lanes)  # noqa: B023  # the pool ends before the next chunk
                distances[row, members] = sums[lanes > 0] / (len(queries[row]) + lengths[members])  # noqa: B023

        # One thread per core, each with its own query, and no threads inside the product: the pools of OpenBLAS and
        # numba wait for each other by spinning, which was ten times slower on a busy machine.
        with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(match, range(len(queries))))
    return distances


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
    from wav2tok.evaluation.baselines.dtw_kernels import CONTOUR_LANES, contour_dtw

    distances = np.full((len(queries), len(database)), np.inf)
    lengths = np.array([len(contour) for contour in database], dtype=np.int64)
    groups = _groups(lengths, CONTOUR_LANES)
    if not groups:
        return distances
    blocks = []
    for group in groups:
        block = np.zeros((int(lengths[group].max()), CONTOUR_LANES), dtype=np.float32)
        for lane, index in enumerate(group):
            block[: lengths[index], lane] = database[index]
        blocks.append(block.ravel())
    starts = np.concatenate(([0], np.cumsum([len(block) for block in blocks])))[:-1]
    lanes = np.array([np.pad(lengths[group], (0, CONTOUR_LANES - len(group))) for group in groups])
    values, members = np.concatenate(blocks), np.concatenate(groups)

    def match(row: int) -> None:
        if len(queries[row]):
            sums = contour_dtw(np.asarray(queries[row], dtype=np.float32), values, starts, lanes, np.float32(most))
            distances[row, members] = sums[lanes > 0] / (len(queries[row]) + lengths[members])

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(match, range(len(queries))))
    return distances


def _groups(lengths: np.ndarray, lanes: int) -> list[np.ndarray]:
    """The items in groups of ``lanes`` of similar length, processed side by side; those of length 0 are left out."""
    order = np.argsort(lengths, kind="stable")
    order = order[lengths[order] > 0]
    return [order[i : i + lanes] for i in range(0, len(order), lanes)]


def _interleave(items: Sequence[np.ndarray], lanes: int) -> np.ndarray:
    """Up to ``lanes`` items of [T, F] as columns [F, longest * lanes]: all first frames, then all second ones, etc."""
    longest = max(len(frames) for frames in items)
    block = np.zeros((items[0].shape[1], longest, lanes), dtype=np.float32)
    for lane, frames in enumerate(items):
        block[:, : len(frames), lane] = unit_length(frames).T
    return block.reshape(len(block), -1)
