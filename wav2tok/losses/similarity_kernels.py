"""Dynamic time warping of every recording with every other on the CPU, compiled by numba, on all cores.

`LANES` second recordings are warped at a time, side by side: their cells lie next to each other, so one instruction
works on the same cell of several tables. The tables of a group are as long as its longest recording, so recordings of
similar length belong together.
"""

import numba
import numpy as np

LANES = 16


@numba.njit(cache=True, parallel=True)
def partners_of_all(
    cosine: np.ndarray,
    row: np.ndarray,
    first: np.ndarray,
    a_lengths: np.ndarray,
    member: np.ndarray,
    column: np.ndarray,
    b_lengths: np.ndarray,
    tie: float,
    of_a: np.ndarray,
    of_b: np.ndarray,
    similarity: np.ndarray,
) -> None:
    """Write each frame's partner on a cheapest path, and the mean cosine along the path.

    The rule is that of `wav2tok.losses.alignment.align`, the two walks are those of
    `wav2tok.losses.alignment_kernels.partners`.

    Args:
        cosine: float32 [rows, columns]. Column ``column[g] + LANES * j + l`` is frame j of the second recording
            ``member[g * LANES + l]``.
        row: int64 [F], the row of each frame of the first recordings, one recording after the other.
        first: int64 [A], the place of each first recording's first frame in ``row``; a_lengths: int64 [A].
        member: int64 [G * LANES], the second recording in each lane, -1 for none.
        column: int64 [G + 1], the first column of each group, and the number of columns.
        b_lengths: int64 [B].
        tie: `wav2tok.losses.alignment.TIE`.
        of_a: int32 [A, N, B], written; of_b: int32 [A, B, M], written; similarity: float32 [A, B], written.
    """
    groups = len(column) - 1
    for pair in numba.prange(len(a_lengths) * groups):
        p, g = pair // groups, pair % groups
        rows, begin, end = row[first[p] : first[p] + a_lengths[p]], column[g], column[g + 1]
        lanes = member[g * LANES : (g + 1) * LANES]
        _group(cosine, rows, begin, end, lanes, b_lengths, tie, of_a[p], of_b[p], similarity[p])


@numba.njit(cache=True)
def _group(
    cosine: np.ndarray,
    rows: np.ndarray,
    begin: int,
    end: int,
    member: np.ndarray,
    b_lengths: np.ndarray,
    tie: float,
    of_a: np.ndarray,
    of_b: np.ndarray,
    similarity: np.ndarray,
) -> None:
    """One first recording, with the rows ``rows`` [n], and one group, columns ``begin`` to ``end``; else as above."""
    n, width = len(rows), end - begin
    # The first LANES numbers of a row are the border on the left, the first row the border above.
    ahead = np.empty((n + 1, width + LANES), dtype=np.float64)
    ahead[0, :LANES] = 0.0
    ahead[0, LANES:] = np.inf
    nearest = np.empty(width, dtype=np.float64)
    for i in range(n):
        above, row, here = ahead[i], ahead[i + 1], cosine[rows[i], begin:end]
        for k in range(width):
            nearest[k] = min(above[k], above[k + LANES])
        row[:LANES] = np.inf
        for k in range(width):
            row[k + LANES] = min(row[k], nearest[k]) + (np.float32(1.0) - here[k])

    # The way back. The last LANES numbers of `below` are the border on the right.
    most = np.full(LANES, -np.inf)
    below = np.full(width + LANES, np.inf)
    nearest[:] = np.inf
    for lane, q in enumerate(member):
        if q >= 0:
            corner = (b_lengths[q] - 1) * LANES + lane
            most[lane] = ahead[n, corner + LANES] + tie * (n + b_lengths[q])
            nearest[corner] = 0.0
    to_b = np.zeros((n, LANES), dtype=np.int32)
    to_a = np.zeros(width, dtype=np.int32)
    for i in range(n - 1, -1, -1):
        row, here, mine = ahead[i + 1], cosine[rows[i], begin:end], to_b[i]
        if i < n - 1:
            for k in range(width):
                nearest[k] = min(below[k], below[k + LANES])
        for j in range(width // LANES - 1, -1, -1):
            for lane in range(LANES):
                # Unsigned, because otherwise every index would be checked for counting from the end.
                cell = np.uintp(j * LANES + lane)
                right = cell + np.uintp(LANES)
                rest = min(nearest[cell], below[right])
                below[cell] = rest + (np.float32(1.0) - here[cell])
                # The last write wins, which is the first frame.
                on_path = row[right] + rest <= most[lane]
                mine[lane] = j if on_path else mine[lane]
                to_a[cell] = i if on_path else to_a[cell]

    for lane, q in enumerate(member):
        if q >= 0:
            total = 0.0
            for i in range(n):
                j = to_b[i, lane]
                of_a[i, q] = j
                total += cosine[rows[i], begin + j * LANES + lane]
            for j in range(b_lengths[q]):
                i = to_a[j * LANES + lane]
                of_b[q, j] = i
                total += cosine[rows[i], begin + j * LANES + lane]
            similarity[q] = total / (n + b_lengths[q])


@numba.njit(cache=True, parallel=True)
def gradients_of_all(
    weight: np.ndarray,
    a: np.ndarray,
    a_lengths: np.ndarray,
    b: np.ndarray,
    b_lengths: np.ndarray,
    of_a: np.ndarray,
    of_b: np.ndarray,
    to_a: np.ndarray,
    to_b: np.ndarray,
) -> None:
    """Add to every frame the frames that it was compared with, each times the weight of its two recordings.

    Args:
        weight: float32 [A, B]; a: float32 [A, N, d], b: [B, M, d]; their lengths int64 [A], [B].
        of_a, of_b: from `partners_of_all`.
        to_a: float32 [A, N, d], zeros, written; to_b: [B, M, d], likewise.
    """
    count_a, count_b, d = len(a), len(b), a.shape[2]
    for one in numba.prange(count_a + count_b):
        if one < count_a:
            p = one
            for q in range(count_b):
                w = weight[p, q]
                if w != 0:
                    for i in range(a_lengths[p]):
                        _add(to_a[p, i], w, b[q, of_a[p, i, q]], d)
                    for j in range(b_lengths[q]):
                        _add(to_a[p, of_b[p, q, j]], w, b[q, j], d)
        else:
            q = one - count_a
            for p in range(count_a):
                w = weight[p, q]
                if w != 0:
                    for i in range(a_lengths[p]):
                        _add(to_b[q, of_a[p, i, q]], w, a[p, i], d)
                    for j in range(b_lengths[q]):
                        _add(to_b[q, j], w, a[p, of_b[p, q, j]], d)


@numba.njit(cache=True, inline="always")
def _add(total: np.ndarray, weight: float, x: np.ndarray, d: int) -> None:
    """Add ``weight * x`` [d] to ``total`` [d]."""
    for k in range(d):
        total[k] += weight * x[k]
