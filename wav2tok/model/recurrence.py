"""A recurrence without matrix products, h' = keep h + (1 - keep) new, over all steps of many recordings.

It runs in both directions: half of the numbers of a step read the recording forwards, the others backwards. On the CPU
and on CUDA a compiled kernel walks along each recording. Without one, and in the exported graph, the steps are combined
in blocks of a few, one operation for the same step of all blocks, and the blocks by doubling: after the i-th of log2(T)
rounds each has gathered 2^i of them, with one operation on all.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from wav2tok.model.frames import frame_mask, row_numbers
from wav2tok.model.kernels import compiled, fused

BLOCK = 8
"""Rows that `combined` takes one after the other."""


@dataclass(frozen=True)
class Rows:
    """The steps of a batch [B, T, D] as rows [F, D], one recording after the other.

    Attributes:
        into: int64 [F], the row of the flattened batch [B * T] that each row holds.
        out: int64 [B, T], the row of each step; past a recording's end that of its last step.
        first, last: bool [F, 1], whether a row is the first or last step of its recording.
        bounds: int64 [B + 1], the first row of each recording, and F.
    """

    into: Tensor
    out: Tensor
    first: Tensor
    last: Tensor
    bounds: Tensor

    def padded(self) -> tuple[Tensor, int]:
        """Where padding has rows: the true lengths [B] of the recordings, and how many rows each has."""
        return self.out[:, -1] - self.bounds[:-1] + 1, self.out.shape[1]

    @classmethod
    def of(cls, steps: Tensor, count: int) -> "Rows":
        """The rows of recordings of ``steps`` [B] out of ``count`` steps each.

        On the CPU only their steps have rows. On other devices, where their number would have to be waited for, and
        during tracing, padding has rows too; nothing of it gets into a recording.
        """
        time = torch.arange(count, device=steps.device)[None, :]
        first, last = time.expand(steps.shape[0], -1) == 0, time == steps[:, None] - 1
        if torch.jit.is_tracing() or steps.device.type != "cpu":
            into = torch.arange(steps.shape[0] * count, device=steps.device)
            bounds = torch.arange(steps.shape[0] + 1, device=steps.device) * count
            return cls(into, row_numbers(steps, count), first.reshape(-1, 1), last.reshape(-1, 1), bounds)
        inside = frame_mask(steps, count)
        bounds = torch.cat([steps.new_zeros(1), steps.cumsum(0)])
        out = bounds[:-1, None] + torch.minimum(time, steps[:, None] - 1)
        return cls(inside.flatten().nonzero()[:, 0], out, first[inside][:, None], last[inside][:, None], bounds)


def recurrent(x: Tensor, inputs: Tensor, rows: Rows) -> Tensor:
    """One layer's recurrence: what a layer reads, x [F, 2 H], and its inputs [F, 6 H] -> what it gives [F, 2 H].

    Before the first step of a direction the state is 0. A gate mixes the states with ``x``.

    Args:
        inputs: what is new, in H numbers forwards and H backwards; then as many logits of what is kept of the state,
            and of the share of the state in the result.
    """
    gates = torch.sigmoid(inputs[:, x.shape[1] :])
    if torch.jit.is_tracing() or not inputs.requires_grad:
        return _forward(x, inputs, gates, rows)[0]
    return _Recurrence.apply(x, inputs, gates.detach(), rows)


class _Recurrence(torch.autograd.Function):
    """`recurrent` with its gradient, a recurrence against the direction of the first."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, inputs: Tensor, gates: Tensor, rows: Rows) -> Tensor:
        mixed, states = _forward(x, inputs, gates, rows)
        ctx.save_for_backward(x, inputs, gates, states)
        ctx.rows = rows
        return mixed

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None]:
        x, inputs, gates, states = ctx.saved_tensors
        given = (gradients[0].contiguous(), x, inputs, gates, states)
        if _compiled(x):
            return *_compiled_gradients(*given, ctx.rows), None, None
        if _fused(x):
            from wav2tok.model.recurrence_cuda import gradients_of_all

            return *gradients_of_all(*given, *ctx.rows.padded()), None, None
        return *_gradients_by_doubling(*given, ctx.rows), None, None


def _compiled(x: Tensor) -> bool:
    return not torch.jit.is_tracing() and compiled(x.device)


def _fused(x: Tensor) -> bool:
    return not torch.jit.is_tracing() and fused(x.device, "the recurrence", _agrees)


def _agrees(device: torch.device) -> bool:
    """Whether the kernels for CUDA give what doubling gives, for recordings of 9, 1 and 5 steps of 6 numbers."""
    from wav2tok.model.recurrence_cuda import gradients_of_all, states_of_all

    rows = Rows.of(torch.tensor([9, 1, 5], device=device), 9)
    generator = torch.Generator().manual_seed(0)
    x, inputs, slope = (torch.randn(27, 6 * width, generator=generator).to(device) for width in (1, 3, 1))
    slope = torch.zeros_like(slope).index_copy_(0, rows.out.unique(), slope[rows.out.unique()])
    gates = torch.sigmoid(inputs[:, 6:])
    mixed, states = _forward_by_doubling(x, inputs, gates, rows)
    own = states_of_all(x, inputs, gates, *rows.padded())
    pairs = [(one[rows.out], other[rows.out]) for one, other in zip(own, (mixed, states), strict=True)]
    back = (slope, x, inputs, gates, states)
    pairs += zip(gradients_of_all(*back, *rows.padded()), _gradients_by_doubling(*back, rows), strict=True)
    return all(torch.allclose(one, other, atol=1e-4) for one, other in pairs)


def _forward(x: Tensor, inputs: Tensor, gates: Tensor, rows: Rows) -> tuple[Tensor, Tensor]:
    """The result and the states, [F, 2 H] each."""
    if _fused(x):
        from wav2tok.model import recurrence_cuda

        return recurrence_cuda.states_of_all(x, inputs, gates, *rows.padded())
    if not _compiled(x):
        return _forward_by_doubling(x, inputs, gates, rows)
    from wav2tok.model.recurrence_kernels import states_of_all

    mixed, states = (torch.empty_like(x, memory_format=torch.contiguous_format) for _ in range(2))
    given = (x.contiguous(), inputs.contiguous(), gates, rows.bounds)
    states_of_all(*(y.detach().numpy() for y in (*given, states, mixed)))
    return mixed, states


def _compiled_gradients(
    gradient: Tensor, x: Tensor, inputs: Tensor, gates: Tensor, states: Tensor, rows: Rows
) -> tuple[Tensor, Tensor]:
    from wav2tok.model.recurrence_kernels import gradients_of_all

    to_x, to_inputs = (torch.empty_like(y, memory_format=torch.contiguous_format) for y in (x, inputs))
    given = (gradient, x.contiguous(), inputs.contiguous(), gates, states, rows.bounds)
    gradients_of_all(*(y.numpy() for y in (*given, to_x, to_inputs)))
    return to_x, to_inputs


def _forward_by_doubling(x: Tensor, inputs: Tensor, gates: Tensor, rows: Rows) -> tuple[Tensor, Tensor]:
    new, (keep, share) = inputs.chunk(3, dim=1)[0], gates.chunk(2, dim=1)
    (added_ahead, added_back), (keep_ahead, keep_back) = ((1 - keep) * new).chunk(2, dim=1), keep.chunk(2, dim=1)
    # Both directions at once: the second half of the numbers reads the rows in the opposite order.
    added = torch.cat([added_ahead, added_back.flip(0)], dim=1)
    keep = torch.cat([keep_ahead * ~rows.first, (keep_back * ~rows.last).flip(0)], dim=1)
    ahead, back = combined(added, keep, rows.out).chunk(2, dim=1)
    states = torch.cat([ahead, back.flip(0)], dim=1)
    return x + share * (states - x), states


def _gradients_by_doubling(
    gradient: Tensor, x: Tensor, inputs: Tensor, gates: Tensor, states: Tensor, rows: Rows
) -> tuple[Tensor, Tensor]:
    new, (keep, share) = inputs.chunk(3, dim=1)[0], gates.chunk(2, dim=1)
    width = x.shape[1] // 2
    # What a step keeps of the state before it is what that state's gradient gets of the step's.
    # Nothing passes between a recording and the padding beside it, whose inputs would count for the weights.
    kept_ahead, kept_back = keep[:, :width] * ~rows.first, keep[:, width:] * ~rows.last
    kept_next = torch.cat([kept_ahead[1:], kept_ahead[:1]]) * ~rows.last
    kept_before = torch.cat([kept_back[-1:], kept_back[:-1]]) * ~rows.first
    from_mixed = gradient * share
    added = torch.cat([from_mixed[:, :width].flip(0), from_mixed[:, width:]], dim=1)
    ahead, back = combined(added, torch.cat([kept_next.flip(0), kept_before], dim=1), rows.out).chunk(2, dim=1)
    total = torch.cat([ahead.flip(0), back], dim=1)
    before = torch.cat([states[-1:, :width], states[:-1, :width]]) * ~rows.first
    after = torch.cat([states[1:, width:], states[:1, width:]]) * ~rows.last
    to_keep = total * (torch.cat([before, after], dim=1) - new) * keep * (1 - keep)
    to_share = gradient * (states - x) * share * (1 - share)
    return gradient * (1 - share), torch.cat([total * (1 - keep), to_keep, to_share], dim=1)


def combined(added: Tensor, keep: Tensor, out: Tensor) -> Tensor:
    """h[i] = keep[i] h[i - 1] + added[i] along the rows: [F, H] twice -> [F, H].

    ``keep`` is 0 where a recording begins, and none has more rows than ``out`` [B, T] has columns. Rows are taken in
    blocks: one after the other within all blocks at once, then the ends of the blocks by doubling, so that the rounds
    of doubling pass over few rows.
    """
    rows, width = added.shape[0], added.shape[1]
    blocks = (rows + BLOCK - 1) // BLOCK
    more = blocks * BLOCK - rows
    steps = F.pad(added, (0, 0, 0, more)).reshape(-1, BLOCK, width).unbind(1)
    kept = F.pad(keep, (0, 0, 0, more)).reshape(-1, BLOCK, width).unbind(1)
    inside, through = [steps[0]], [kept[0]]
    for step, share in zip(steps[1:], kept[1:], strict=True):
        inside.append(step + share * inside[-1])
        through.append(share * through[-1])
    # In the exported graph the number of rounds depends on the input, which only a script can say.
    rounds = torch.jit.script(doubled) if torch.jit.is_tracing() else doubled
    # A recording reaches into one block more than its rows fill.
    ends = rounds(inside[-1], through[-1], out[0, ::BLOCK])
    before = torch.cat([torch.zeros_like(ends[:1]), ends[:-1]])
    states = torch.stack(inside, 1) + torch.stack(through, 1) * before[:, None]
    return states.reshape(-1, width)[:rows]


def doubled(added: Tensor, keep: Tensor, longest: Tensor) -> Tensor:
    """`combined` by doubling alone.

    Args:
        longest: has a row fewer than any recording may have; only its shape counts, so that a graph need not say it.
    """
    distance = 1
    while distance < min(added.shape[0], longest.shape[0] + 1):
        rest = added.shape[0] - distance
        # Rows before the first one would add nothing.
        added = torch.cat([added[:distance], added[distance:] + keep[distance:] * added[:rest]])
        keep = torch.cat([torch.zeros_like(keep[:distance]), keep[distance:] * keep[:rest]])
        distance = 2 * distance
    return added
