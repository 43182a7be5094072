"""Dynamic time warping of many pairs at once, on any device.

On the CPU a compiled kernel does the work where numba is installed: 2 ms for 48 pairs of words and 5 ms for 6 pairs of
melodies, where one torch operation per anti-diagonal takes 20 ms and 140 ms. Both give the same partners.

Sums are float64, so that rounding stays far below `TIE`. Every cell of a cheapest path has the same sum, so without a
rule for ties the rounding of the cosines, which differs between processors, would choose the partner.
"""

import importlib.util

import torch
from torch import Tensor
from torch.nn import functional as F

from wav2tok.model.frames import frame_mask

TIE = 1e-5
"""Paths whose costs differ by less than this, per frame of either recording, count as equally cheap.

Far above the rounding of a cosine of unit vectors (1e-7 for 128 numbers in float32), far below what matters: the mean
cosine along the path that is taken is at most this much lower.
"""


def reverse(x: Tensor, lengths: Tensor) -> Tensor:
    """Reverse each recording in time within its own length: x [B, T, D], lengths [B] -> [B, T, D].

    Frames past the end stay in place.
    """
    steps = torch.arange(x.shape[1], device=x.device)[None, :]
    index = torch.where(steps < lengths[:, None], lengths[:, None] - 1 - steps, steps)
    return x.gather(1, index[:, :, None].expand(-1, -1, x.shape[2]))


def accumulate(cost: Tensor) -> Tensor:
    """Cost of the cheapest path from (0, 0) to every cell, inclusive, with steps (1, 0), (0, 1), (1, 1).

    One vectorised step per anti-diagonal: N + M - 1 steps for any batch size. Cells that no path may use cost infinity.

    Args:
        cost: [B, N, M].

    Returns:
        [B, N, M].
    """
    b, n, m = cost.shape
    diagonals = n + m - 1
    # Row i moves i places to the right, so a column of `skewed` is an anti-diagonal of `cost`.
    skewed = F.pad(cost, (0, n), value=torch.inf).reshape(b, -1)[:, : n * diagonals].reshape(b, n, diagonals)
    skewed = skewed.permute(2, 0, 1).contiguous()
    # total[k + 2, :, i + 1] belongs to cell (i, k - i); the border is outside the matrix.
    total = torch.full((diagonals + 2, b, n + 1), torch.inf, dtype=cost.dtype, device=cost.device)
    total[0, :, 0] = 0.0
    for k in range(diagonals):
        straight = torch.minimum(total[k + 1, :, 1:], total[k + 1, :, :-1])
        torch.add(torch.minimum(straight, total[k, :, :-1]), skewed[k], out=total[k + 2, :, 1:])
    # Undo the skew: cell (i, j) stands in column i + j.
    columns = torch.arange(n, device=cost.device)[:, None] + torch.arange(m, device=cost.device)[None, :]
    return total[2:, :, 1:].permute(1, 2, 0).gather(2, columns.expand(b, n, m))


@torch.no_grad()
def align(a: Tensor, a_lengths: Tensor, b: Tensor, b_lengths: Tensor) -> tuple[Tensor, Tensor]:
    """The partner of each frame on a cheapest warping path by cosine distance, in both directions.

    Instead of tracing paths back, cost is accumulated from both ends: a cell is on a cheapest path if the two sums add
    up to the cost of the whole path. If a frame has several cells on cheapest paths (see `TIE`), the first one counts.

    Args:
        a: [B, N, d] unit embeddings, a_lengths: [B]; b: [B, M, d], b_lengths: [B].

    Returns:
        (int64 [B, N] the frame of ``b`` for each of ``a``, int64 [B, M] the frame of ``a`` for each of ``b``);
        values past the end of a recording are meaningless.
    """
    return partners_by_cost(1 - a @ b.transpose(1, 2), a_lengths, b_lengths)


@torch.no_grad()
def partners_by_cost(cost: Tensor, a_lengths: Tensor, b_lengths: Tensor) -> tuple[Tensor, Tensor]:
    """As `align`, given the distances of all pairs of frames, [B, N, M]."""
    if cost.device.type == "cpu" and importlib.util.find_spec("numba"):
        return _align_compiled(cost, a_lengths, b_lengths)
    return _align_diagonals(cost, a_lengths, b_lengths)


def _align_compiled(cost: Tensor, a_lengths: Tensor, b_lengths: Tensor) -> tuple[Tensor, Tensor]:
    from wav2tok.losses.alignment_kernels import partners

    of_a = torch.zeros(cost.shape[:2], dtype=torch.int64)
    of_b = torch.zeros(cost.shape[0], cost.shape[2], dtype=torch.int64)
    partners(cost.numpy(), a_lengths.numpy(), b_lengths.numpy(), TIE, of_a.numpy(), of_b.numpy())
    return of_a, of_b


def _align_diagonals(cost: Tensor, a_lengths: Tensor, b_lengths: Tensor) -> tuple[Tensor, Tensor]:
    inside = frame_mask(a_lengths, cost.shape[1])[:, :, None] & frame_mask(b_lengths, cost.shape[2])[:, None, :]
    cost = torch.where(inside, cost, torch.inf)

    def reversed_both(x: Tensor) -> Tensor:
        return reverse(reverse(x, a_lengths).transpose(1, 2), b_lengths).transpose(1, 2)

    ahead, back = accumulate(torch.cat([cost, reversed_both(cost)]).double()).chunk(2)
    pairs = torch.arange(len(cost), device=cost.device)
    most = ahead[pairs, a_lengths - 1, b_lengths - 1] + TIE * (a_lengths + b_lengths)
    on_path = (ahead + reversed_both(back) - cost <= most[:, None, None]).to(torch.uint8)
    return on_path.argmax(dim=2), on_path.argmax(dim=1)
