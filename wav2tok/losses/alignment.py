"""Dynamic time warping of many pairs at once, on any device.

A compiled kernel does the work: on the CPU where numba is installed, on CUDA where Triton is. On the CPU it takes 2 ms
for 48 pairs of words and 5 ms for 6 pairs of melodies. One torch operation per anti-diagonal, which needs neither,
takes 20 ms and 140 ms. All give the same partners.

Sums are float64, so that rounding stays far below `TIE`. Every cell of a cheapest path has the same sum, so without a
rule for ties the rounding of the cosines, which differs between processors, would choose the partner.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from wav2tok.model.frames import frame_mask
from wav2tok.model.kernels import compiled, fused

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
    return partners_by_cosine(a @ b.transpose(1, 2), a_lengths, b_lengths)


@torch.no_grad()
def partners_by_cosine(cosine: Tensor, a_lengths: Tensor, b_lengths: Tensor) -> tuple[Tensor, Tensor]:
    """As `align`, given the cosines of all pairs of frames, [B, N, M]."""
    if compiled(cosine.device):
        return _align_compiled(1 - cosine, a_lengths, b_lengths)
    if fused(cosine.device, "the alignment", agrees):
        of_a, of_b, _ = align_fused(cosine[:, :, None], a_lengths[:, None], b_lengths[:, None])
        return of_a[:, :, 0].long(), of_b[:, 0].long()
    return align_diagonals(1 - cosine, a_lengths, b_lengths)


def _align_compiled(cost: Tensor, a_lengths: Tensor, b_lengths: Tensor) -> tuple[Tensor, Tensor]:
    from wav2tok.losses.alignment_kernels import partners

    of_a = torch.zeros(cost.shape[:2], dtype=torch.int64)
    of_b = torch.zeros(cost.shape[0], cost.shape[2], dtype=torch.int64)
    partners(cost.numpy(), a_lengths.numpy(), b_lengths.numpy(), TIE, of_a.numpy(), of_b.numpy())
    return of_a, of_b


def align_fused(cosine: Tensor, a_lengths: Tensor, b_lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """As `align`, for each of A recordings with each of B others, on CUDA.

    Args:
        cosine: [A, N, B, M]; a_lengths, b_lengths: int64 [A, B], or a shape that expands to it.

    Returns:
        (int32 [A, N, B] and [A, B, M], the partners; [A, B], the mean cosine of a frame and its partner).
    """
    from wav2tok.losses.warping_cuda import walk_all

    a, n, b, m = cosine.shape
    of_a = torch.zeros(a, n, b, dtype=torch.int32, device=cosine.device)
    of_b = torch.zeros(a, b, m, dtype=torch.int32, device=cosine.device)
    similarity = torch.empty(a, b, device=cosine.device)
    of_first, of_second = (x.expand(a, b).contiguous().flatten() for x in (a_lengths, b_lengths))
    walk_all(cosine.float(), of_first, of_second, TIE, of_a, of_b, similarity)
    return of_a, of_b, similarity


def agrees(device: torch.device) -> bool:
    """Whether `align_fused` gives what `align_diagonals` gives, for pairs of recordings of 1 to 40 frames."""
    generator = torch.Generator().manual_seed(0)
    cosine = (2 * torch.rand(3, 40, 4, 35, generator=generator) - 1).to(device)
    n, m = torch.tensor([40, 1, 23], device=device), torch.tensor([35, 1, 2, 17], device=device)
    to_b, to_a, similarity = align_fused(cosine, n[:, None], m[None, :])
    each = cosine.transpose(1, 2).flatten(0, 1)
    lengths = n.repeat_interleave(4), m.repeat(3)
    of_a, of_b = align_diagonals(1 - each, *lengths)
    ours = to_b.transpose(1, 2).flatten(0, 1).long(), to_a.flatten(0, 1).long()
    masks = (frame_mask(count, steps) for count, steps in zip(lengths, each.shape[1:], strict=True))
    same = all(bool((x == y)[mask].all()) for x, y, mask in zip(ours, (of_a, of_b), masks, strict=True))
    return same and torch.allclose(similarity.flatten(), mean_along(each, of_a, of_b, *lengths), atol=1e-5)


def align_diagonals(cost: Tensor, a_lengths: Tensor, b_lengths: Tensor) -> tuple[Tensor, Tensor]:
    """As `align`, given the distances of all pairs of frames, [B, N, M]: on any device, by operations of torch."""
    inside = frame_mask(a_lengths, cost.shape[1])[:, :, None] & frame_mask(b_lengths, cost.shape[2])[:, None, :]
    cost = torch.where(inside, cost, torch.inf)

    def reversed_both(x: Tensor) -> Tensor:
        return reverse(reverse(x, a_lengths).transpose(1, 2), b_lengths).transpose(1, 2)

    ahead, back = accumulate(torch.cat([cost, reversed_both(cost)]).double()).chunk(2)
    pairs = torch.arange(len(cost), device=cost.device)
    most = ahead[pairs, a_lengths - 1, b_lengths - 1] + TIE * (a_lengths + b_lengths)
    on_path = (ahead + reversed_both(back) - cost <= most[:, None, None]).to(torch.uint8)
    return on_path.argmax(dim=2), on_path.argmax(dim=1)


def mean_along(cosine: Tensor, of_a: Tensor, of_b: Tensor, a_lengths: Tensor, b_lengths: Tensor) -> Tensor:
    """Mean of the cosines of each frame of both recordings with its partner.

    Args:
        cosine: [P, N, M]; of_a: int64 [P, N] and of_b: [P, M] from `align`; lengths [P].

    Returns:
        [P].
    """
    along_a = cosine.gather(2, of_a[:, :, None])[:, :, 0] * frame_mask(a_lengths, cosine.shape[1])
    along_b = cosine.gather(1, of_b[:, None, :])[:, 0] * frame_mask(b_lengths, cosine.shape[2])
    return (along_a.sum(1) + along_b.sum(1)) / (a_lengths + b_lengths)
