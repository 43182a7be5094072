"""How well every recording of one set warps onto every recording of another.

Only the cosines of a frame and its partner count. So the gradient needs the partners, N + M numbers per pair of
recordings, and not the N * M cosines. On the CPU compiled kernels do the work where numba is installed. Elsewhere a
part of the recordings is warped at a time, on CUDA by a kernel where Triton is installed. All give the same partners.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from wav2tok.losses.alignment import TIE, agrees, align_diagonals, align_fused, mean_along
from wav2tok.model.frames import frame_mask, take_rows
from wav2tok.model.kernels import compiled, fused
from wav2tok.model.products import linear

CELLS = 1 << 22
"""Cosines that are in memory at a time on the CPU: 16 MB."""
DEVICE_CELLS = 1 << 23
"""The same on other devices: 32 MB, for which the walks along anti-diagonals take about 1 GB."""
FUSED_CELLS = 1 << 25
"""The same where one kernel walks: 128 MB, and `wav2tok.losses.warping_cuda.SCRATCH` for its tables."""


class Codewords(NamedTuple):
    """What is compared in place of two sets of embeddings, [A, N, d] and [B, M, d]."""

    codebook: Tensor
    """[K, d], unit rows."""
    a: Tensor
    """int64 [A, N], tokens."""
    b: Tensor
    """int64 [B, M]."""


def path_similarity(
    a: Tensor, a_lengths: Tensor, b: Tensor, b_lengths: Tensor, codewords: Codewords | None = None
) -> Tensor:
    """Mean cosine of each recording of ``a`` and each of ``b`` along the cheapest warping path.

    Every frame of both counts once, with its partner on the path (`wav2tok.losses.alignment.align`); no gradient passes
    through the path.

    Args:
        a: [A, N, d] unit embeddings, a_lengths: [A]; b: [B, M, d], b_lengths: [B]; all on one device.
        codewords: are compared in place of the embeddings, if given. Gradients pass to the embeddings as if they had
            not been replaced (straight-through estimator).

    Returns:
        [A, B].
    """
    return _PathSimilarity.apply(a, a_lengths, b, b_lengths, codewords)


class _Warped(NamedTuple):
    """Two sets of recordings, as in `path_similarity`, and each frame's partner in every recording of the other set."""

    a: Tensor
    a_lengths: Tensor
    b: Tensor
    b_lengths: Tensor
    of_a: Tensor
    """int32 [A, N, B]."""
    of_b: Tensor
    """int32 [A, B, M]."""

    def no_gradients(self) -> tuple[Tensor, Tensor]:
        """Zeros in the shapes of ``a`` and ``b``."""
        to_a, to_b = (torch.zeros_like(x, memory_format=torch.contiguous_format) for x in (self.a, self.b))
        return to_a, to_b


class _PathSimilarity(torch.autograd.Function):
    """`path_similarity`. Kept for the gradient: the partners."""

    @staticmethod
    def forward(
        ctx: Any, a: Tensor, a_lengths: Tensor, b: Tensor, b_lengths: Tensor, codewords: Codewords | None
    ) -> Tensor:
        if codewords is not None:
            a, b = take_rows(codewords.codebook, codewords.a), take_rows(codewords.codebook, codewords.b)
        of_a = torch.zeros(len(a), a.shape[1], len(b), dtype=torch.int32, device=a.device)
        of_b = torch.zeros(len(a), len(b), b.shape[1], dtype=torch.int32, device=a.device)
        warped = _Warped(a, a_lengths, b, b_lengths, of_a, of_b)
        ctx.save_for_backward(*warped)
        return _warp_compiled(warped, codewords) if compiled(a.device) else _warp_in_parts(warped)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, Tensor, None, None]:
        warped = _Warped(*ctx.saved_tensors)
        weight = gradients[0] / (warped.a_lengths[:, None] + warped.b_lengths[None, :])
        scatter = _scatter_compiled if compiled(warped.a.device) else _scatter_in_parts
        to_a, to_b = scatter(warped, weight)
        return to_a, None, to_b, None, None


def _warp_compiled(warped: _Warped, codewords: Codewords | None) -> Tensor:
    """Write the partners; returns the similarities, [A, B].

    Frames with one codeword have the same cosines to everything: one row of the table serves all of them.
    """
    from wav2tok.losses.similarity_kernels import LANES, partners_of_all

    a, a_lengths, b, b_lengths, of_a, of_b = warped
    similarity = a.new_zeros(len(a), len(b))
    member = torch.full((-(-len(b) // LANES) * LANES,), -1)
    member[: len(b)] = b_lengths.argsort(stable=True)
    lanes = member.reshape(-1, LANES)
    last = torch.where(lanes >= 0, b_lengths[lanes] - 1, 0)
    longest = last.amax(1) + 1
    rows = [
        lane.clamp_min(0) * b.shape[1] + torch.minimum(torch.arange(count)[:, None], end)
        for lane, end, count in zip(lanes, last, longest.tolist(), strict=True)
    ]
    columns = b.flatten(0, 1).index_select(0, torch.cat([one.flatten() for one in rows]))
    column = torch.cat([torch.zeros(1, dtype=torch.int64), longest.cumsum(0) * LANES])
    for part in _parts(a_lengths.tolist(), len(columns), CELLS):
        length = a_lengths[part]
        inside = frame_mask(length, a.shape[1])
        if codewords is None:
            cosine = linear(a[part][inside], columns)
            row = torch.arange(len(cosine))
        else:
            cosine, row = linear(codewords.codebook, columns), codewords.a[part][inside]
        partners_of_all(
            cosine.numpy(),
            row.numpy(),
            (length.cumsum(0) - length).numpy(),
            length.numpy(),
            member.numpy(),
            column.numpy(),
            b_lengths.numpy(),
            TIE,
            of_a[part].numpy(),
            of_b[part].numpy(),
            similarity[part].numpy(),
        )
    return similarity


def _scatter_compiled(warped: _Warped, weight: Tensor) -> tuple[Tensor, Tensor]:
    """The gradients of ``a`` and ``b``, given how much each pair of recordings counts, ``weight`` [A, B]."""
    from wav2tok.losses.similarity_kernels import gradients_of_all

    gradients = warped.no_gradients()
    gradients_of_all(*(x.contiguous().numpy() for x in (weight, *warped)), *(x.numpy() for x in gradients))
    return gradients


def _warp_in_parts(warped: _Warped) -> Tensor:
    """As `_warp_compiled`, a part of the recordings at a time."""
    a, a_lengths, b, b_lengths, of_a, of_b = warped
    similarity = a.new_zeros(len(a), len(b))
    (_, n, _), (others, m, _) = a.shape, b.shape
    in_one = fused(a.device, "the alignment", agrees)
    for part in _parts([n] * len(a), others * m, FUSED_CELLS if in_one else DEVICE_CELLS):
        cosine = (a[part].flatten(0, 1) @ b.flatten(0, 1).T).reshape(-1, n, others, m)
        if in_one:
            of_a[part], of_b[part], similarity[part] = align_fused(cosine, a_lengths[part, None], b_lengths[None, :])
            continue
        cosine = cosine.transpose(1, 2).flatten(0, 1)
        lengths = a_lengths[part].repeat_interleave(others), b_lengths.repeat(len(cosine) // others)
        to_b, to_a = align_diagonals(1 - cosine, *lengths)
        of_a[part] = to_b.reshape(-1, others, n).transpose(1, 2)
        of_b[part] = to_a.reshape(-1, others, m)
        similarity[part] = mean_along(cosine, to_b, to_a, *lengths).reshape(-1, others)
    return similarity


def _scatter_in_parts(warped: _Warped, weight: Tensor) -> tuple[Tensor, Tensor]:
    a, a_lengths, b, b_lengths, of_a, of_b = warped
    to_a, to_b = warped.no_gradients()
    (_, n, _), (others, m, _) = a.shape, b.shape
    offset = torch.arange(others, device=a.device) * m
    inside = frame_mask(b_lengths, m)
    for part in _parts([n] * len(a), others * m, DEVICE_CELLS):
        mine, given = a[part].flatten(0, 1), weight[part]
        # How much the cosine of each frame of ``a`` and each of ``b`` counts.
        counts = a.new_zeros(len(given), n, others * m)
        counts.scatter_(2, of_a[part] + offset, given[:, None, :] * frame_mask(a_lengths[part], n)[:, :, None])
        again = (given[:, :, None] * inside).flatten(1)[:, None, :]
        counts.scatter_add_(1, of_b[part].flatten(1)[:, None, :].long(), again)
        to_a[part] = (counts.flatten(0, 1) @ b.flatten(0, 1)).reshape(-1, n, a.shape[2])
        to_b += (counts.flatten(0, 1).T @ mine).reshape(to_b.shape)
    return to_a, to_b


def _parts(rows: list[int], columns: int, cells: int) -> Iterator[slice]:
    """Consecutive recordings with ``rows`` frames each, at most ``cells`` of their cosines (or one recording)."""
    begin, held = 0, 0
    for place, count in enumerate(rows):
        if held and (held + count) * columns > cells:
            yield slice(begin, place)
            begin, held = place, 0
        held += count
    yield slice(begin, len(rows))
