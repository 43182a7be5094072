"""Dynamic time warping between sequences of feature frames or of numbers: how baselines without tokens are matched.

Steps (1, 0), (0, 1), (1, 1), no band, the path's sum over the sum of the two lengths. Numbers (pitch contours) cost
their absolute difference, up to a limit, which is found on the way.

Frames: local cost ``1 - cos``. The cosines of one query with many items are one matrix product, and the items are
walked several abreast: 1 ns a cell and core, so that whole takes can be compared at the full frame rate.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

# Columns of cosines held at once: 400 frames of a query x 16,384 x 4 bytes = 26 MB.
_COLUMNS_AT_ONCE = 16_384


def dtw_distances(queries: Sequence[np.ndarray], database: Sequence[np.ndarray]) -> np.ndarray:
    """Distances between sequences of frames, float32 [T, F] each (T differs), F the same throughout.

    Returns:
        float64 [Q, D], in [0, 2]; ``inf`` where either has no frame.
    """
    from threadpoolctl import threadpool_limits

    from wav2tok.evaluation.baselines.dtw_kernels import FRAME_LANES, frame_dtw

    distances = np.full((len(queries), len(database)), np.inf)
    lengths = np.array([len(frames) for frames in database], dtype=np.int64)
    for chunk in _chunks(_groups(lengths, FRAME_LANES), lengths, FRAME_LANES):
        blocks = [_interleave([database[i] for i in group], FRAME_LANES) for group in chunk]
        starts = np.concatenate(([0], np.cumsum([block.shape[1] for block in blocks])))[:-1]
        lanes = np.array([np.pad(lengths[group], (0, FRAME_LANES - len(group))) for group in chunk])
        frames = np.concatenate(blocks, axis=1)
        members = np.concatenate(chunk)

        def match(row: int) -> None:
            if len(queries[row]):
                sums = frame_dtw(_unit(queries[row]) @ frames, starts, lanes)  # noqa: B023  # all done before the next
                distances[row, members] = sums[lanes > 0] / (len(queries[row]) + lengths[members])  # noqa: B023

        # A thread a core with its own query, and no threads inside the product: OpenBLAS's and numba's own pools wait
        # for each other by spinning, which on a busy machine was ten times slower.
        with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(match, range(len(queries))))
    return distances


def contour_distances(
    queries: Sequence[np.ndarray], database: Sequence[np.ndarray], most: float = float("inf")
) -> np.ndarray:
    """Distances between sequences of numbers, float32 [T] each, in the numbers' unit.

    Args:
        queries, database: Q and D sequences.
        most: what two numbers can differ by, however far apart they are.

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
    """The items in runs of ``lanes`` of like length, which walk together; those of length 0 are left out."""
    order = np.argsort(lengths, kind="stable")
    order = order[lengths[order] > 0]
    return [order[i : i + lanes] for i in range(0, len(order), lanes)]


def _unit(frames: np.ndarray) -> np.ndarray:
    """The frames at unit length, float32 [T, F]; a frame of zeros stays so, at distance 1 from everything."""
    frames = np.asarray(frames, dtype=np.float32)
    return frames / np.maximum(np.linalg.norm(frames, axis=1, keepdims=True), np.float32(1e-12))


def _interleave(items: Sequence[np.ndarray], lanes: int) -> np.ndarray:
    """Up to ``lanes`` items of [T, F] as columns [F, longest * lanes]: all first frames, all second ones, and so on."""
    longest = max(len(frames) for frames in items)
    block = np.zeros((items[0].shape[1], longest, lanes), dtype=np.float32)
    for lane, frames in enumerate(items):
        block[:, : len(frames), lane] = _unit(frames).T
    return block.reshape(len(block), -1)


def _chunks(groups: Sequence[np.ndarray], lengths: np.ndarray, lanes: int) -> list[list[np.ndarray]]:
    """The groups in runs of `_COLUMNS_AT_ONCE` columns, or of one group that is wider."""
    chunks: list[list[np.ndarray]] = []
    held = 0
    for group in groups:
        columns = int(lengths[group].max()) * lanes
        if not chunks or held + columns > _COLUMNS_AT_ONCE:
            chunks.append([])
            held = 0
        chunks[-1].append(group)
        held += columns
    return chunks
