"""Dynamic time warping of many pairs at once on a CUDA device: one Triton program for each pair.

A program walks along the anti-diagonals, all rows of one at a time. It takes the two walks of
`wav2tok.losses.alignment_kernels`, writes the partners and adds up their cosines. The table of accumulated costs is in
global memory: one thread writes a cost, and after a barrier another reads it as that of a neighbour.
"""

import torch
import triton
from torch import Tensor
from triton import language as tl

SCRATCH = 1 << 28
"""Bytes of the tables that are in memory at a time. One has N + M numbers of 8 bytes for each of its rows."""


@triton.jit
def plus(x, y):
    """For a sum."""
    return x + y


# The sizes change from batch to batch, and the compiler would otherwise make further kernels for some of them.
@triton.jit(
    do_not_specialize=[
        "first_stride", "row_stride", "second_stride", "table_stride", "begin", "others", "n_steps", "m_steps"
    ]
)  # fmt: skip
def walk(
    cosine,
    first_stride,
    row_stride,
    second_stride,
    column_stride,
    a_lengths,
    b_lengths,
    table,
    table_stride,
    of_a,
    of_b,
    similarity,
    begin,
    others,
    n_steps,
    m_steps,
    TIE: tl.constexpr,
    ROWS: tl.constexpr,
):
    """Write each frame's partner on a cheapest path, and the mean cosine along the path, of one pair of recordings.

    The number of the pair is ``begin`` plus that of the program: the first recording is ``pair // others``, the second
    ``pair % others``.

    Args:
        cosine: float32 [A, N, B, M] with these strides; a_lengths, b_lengths: int64 [A * B].
        table: float64 [programs, N + M - 1, ROWS], overwritten; ``table_stride`` numbers for each program.
        of_a: int32 [A, N, B], of_b: int32 [A, B, M], similarity: float32 [A, B], all written.
        n_steps, m_steps: N and M.
        ROWS: a power of two, at least N.
    """
    pair = begin + tl.program_id(0).to(tl.int64)
    p, q = pair // others, pair % others
    n, m = tl.load(a_lengths + pair).to(tl.int32), tl.load(b_lengths + pair).to(tl.int32)
    row = tl.arange(0, ROWS)
    own = cosine + p * first_stride + q * second_stride
    cells = own + row.to(tl.int64) * row_stride
    mine = table + tl.program_id(0).to(tl.int64) * table_stride + row
    outside = tl.full([ROWS], float("inf"), tl.float64)

    # From the first corner. The neighbours of a cell are on the two anti-diagonals before its own: `above` and `left`
    # on the last one, `corner` on the one before it.
    left = outside
    corner = tl.where(row == 0, 0.0, outside)
    k = 0
    while k < n + m - 1:
        j = k - row
        inside = (row < n) & (j >= 0) & (j < m)
        above = tl.load(mine + ((k - 1) * ROWS - 1), mask=inside & (row > 0), other=float("inf"))
        here = (1.0 - tl.load(cells + j * column_stride, mask=inside, other=0.0)).to(tl.float64)
        left = tl.where(inside, tl.minimum(tl.minimum(above, left), corner) + here, outside)
        tl.store(mine + k * ROWS, left)
        corner = above
        k += 1
        tl.debug_barrier()

    # And back. A row's costs of the way there give room to those of the way back once it has read them.
    last = n + m - 2
    most = tl.load(table + tl.program_id(0).to(tl.int64) * table_stride + last * ROWS + n - 1)
    most += (n + m).to(tl.float64) * TIE
    right = outside
    corner = tl.where(row == n - 1, 0.0, outside)
    to_b = tl.full([ROWS], 0, tl.int32)
    of_columns = of_b + pair * m_steps
    tl.debug_barrier()
    k = last
    while k >= 0:
        j = k - row
        inside = (row < n) & (j >= 0) & (j < m)
        below = tl.load(mine + ((k + 1) * ROWS + 1), mask=inside & (row + 1 < n), other=float("inf"))
        here = (1.0 - tl.load(cells + j * column_stride, mask=inside, other=0.0)).to(tl.float64)
        rest = tl.minimum(tl.minimum(below, right), corner)
        on_path = inside & (tl.load(mine + k * ROWS) + rest <= most)
        # The last write wins, which is the first frame.
        to_b = tl.where(on_path, j, to_b)
        tl.store(of_columns + j, row, mask=on_path)
        right = tl.where(inside, rest + here, outside)
        tl.store(mine + k * ROWS, right)
        corner = below
        k -= 1
        tl.debug_barrier()

    tl.store(of_a + p * n_steps * others + row * others + q, to_b, mask=row < n)
    along = tl.load(cells + to_b * column_stride, mask=row < n, other=0.0).to(tl.float64)
    start = 0
    while start < m:
        column = start + row
        to_a = tl.load(of_columns + column, mask=column < m, other=0)
        along += tl.load(own + to_a.to(tl.int64) * row_stride + column * column_stride, mask=column < m, other=0.0)
        start += ROWS
    tl.store(similarity + pair, (tl.reduce(along, 0, plus) / (n + m)).to(tl.float32))


def walk_all(
    cosine: Tensor,
    a_lengths: Tensor,
    b_lengths: Tensor,
    tie: float,
    of_a: Tensor,
    of_b: Tensor,
    similarity: Tensor,
) -> None:
    """Launch `walk` for every pair, in groups whose tables take at most `SCRATCH` bytes (or one pair at a time).

    Args:
        cosine: [A, N, B, M]; a_lengths, b_lengths: int64 [A * B], of every pair.
        tie: `wav2tok.losses.alignment.TIE`.
        of_a: int32 [A, N, B], of_b: int32 [A, B, M], similarity: float32 [A, B]; contiguous, written.
    """
    first, n, others, m = cosine.shape
    rows = triton.next_power_of_2(n)
    size = (n + m - 1) * rows
    pairs = first * others
    at_once = min(pairs, max(1, SCRATCH // (8 * size)))
    table = torch.empty(at_once * size, dtype=torch.float64, device=cosine.device)
    strides = cosine.stride()
    with torch.cuda.device_of(cosine):
        for begin in range(0, pairs, at_once):
            walk[(min(at_once, pairs - begin),)](
                cosine, *strides, a_lengths, b_lengths, table, size, of_a, of_b, similarity, begin, others, n, m,
                TIE=tie, ROWS=rows, num_warps=min(16, max(1, rows // 32)), num_stages=1,
            )  # fmt: skip
