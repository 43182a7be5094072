"""A recurrence without matrix products, h' = keep h + (1 - keep) new, over all steps of many recordings.

It runs in both directions: half of the numbers of a step read the recording forwards, the others backwards. On the CPU
a compiled kernel walks along each recording. Elsewhere, and in the exported graph, the steps are combined by doubling:
after the i-th of log2(T) rounds each step has gathered 2^i steps, with one operation on all of them.
"""

import importlib.util
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from wav2tok.model.frames import frame_mask, row_numbers


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


def recurrent(x: Tensor, rows: Rows) -> Tensor:
    """The states of the recurrence from its inputs: x [F, 4 H] -> [F, 2 H].

    Before the first step of a direction the state is 0.

    Args:
        x: what is new, before its SiLU, in H numbers forwards and H backwards; then as many logits of what is kept.
    """
    if torch.jit.is_tracing() or not x.requires_grad:
        return _states(x, torch.sigmoid(x), rows)
    return _Recurrence.apply(x, rows)


class _Recurrence(torch.autograd.Function):
    """`recurrent` with its gradient, a recurrence against the direction of the first."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, rows: Rows) -> Tensor:
        gates = torch.sigmoid(x)
        states = _states(x, gates, rows)
        ctx.save_for_backward(x, gates, states)
        ctx.rows = rows
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        back = _compiled_gradient if _compiled(gradients[0]) else _gradient_by_doubling
        x, gates, states = ctx.saved_tensors
        return back(gradients[0].contiguous(), x, gates, states, ctx.rows), None


def _compiled(x: Tensor) -> bool:
    return x.device.type == "cpu" and not torch.jit.is_tracing() and importlib.util.find_spec("numba") is not None


def _states(x: Tensor, gates: Tensor, rows: Rows) -> Tensor:
    if not _compiled(x):
        return _states_by_doubling(x, gates, rows)
    from wav2tok.model.recurrence_kernels import states_of_all

    states = x.new_empty(len(x), x.shape[1] // 2)
    states_of_all(*(y.detach().numpy() for y in (x, gates, rows.bounds, states)))
    return states


def _compiled_gradient(gradient: Tensor, x: Tensor, gates: Tensor, states: Tensor, rows: Rows) -> Tensor:
    from wav2tok.model.recurrence_kernels import gradients_of_all

    to_x = torch.empty_like(x)
    gradients_of_all(*(y.numpy() for y in (gradient, x, gates, states, rows.bounds, to_x)))
    return to_x


def _states_by_doubling(x: Tensor, gates: Tensor, rows: Rows) -> Tensor:
    (new, _), (_, keep) = (x * gates).chunk(2, dim=1), gates.chunk(2, dim=1)
    (added_ahead, added_back), (keep_ahead, keep_back) = ((1 - keep) * new).chunk(2, dim=1), keep.chunk(2, dim=1)
    # In the exported graph the number of rounds depends on the input, which only a script can say.
    combined = torch.jit.script(doubled) if torch.jit.is_tracing() else doubled
    ahead = combined(added_ahead, keep_ahead * ~rows.first, rows.out)
    back = combined(added_back.flip(0), (keep_back * ~rows.last).flip(0), rows.out)
    return torch.cat([ahead, back.flip(0)], dim=1)


def _gradient_by_doubling(gradient: Tensor, x: Tensor, gates: Tensor, states: Tensor, rows: Rows) -> Tensor:
    half, width = x.shape[1] // 2, x.shape[1] // 4
    raw, share, keep = x[:, :half], gates[:, :half], gates[:, half:]
    # What a step keeps of the state before it is what that state's gradient gets of the step's.
    kept_next = torch.cat([keep[1:, :width], keep[:1, :width]]) * ~rows.last
    kept_before = torch.cat([keep[-1:, width:], keep[:-1, width:]]) * ~rows.first
    ahead = doubled(gradient[:, :width].flip(0), kept_next.flip(0), rows.out).flip(0)
    total = torch.cat([ahead, doubled(gradient[:, width:], kept_before, rows.out)], dim=1)
    before = torch.cat([states[-1:, :width], states[:-1, :width]]) * ~rows.first
    after = torch.cat([states[1:, width:], states[:1, width:]]) * ~rows.last
    to_new = total * (1 - keep) * share * (1 + raw * (1 - share))
    to_keep = total * (torch.cat([before, after], dim=1) - raw * share) * keep * (1 - keep)
    return torch.cat([to_new, to_keep], dim=1)


def doubled(added: Tensor, keep: Tensor, out: Tensor) -> Tensor:
    """h[i] = keep[i] h[i - 1] + added[i] along the rows: [F, H] twice -> [F, H].

    ``keep`` is 0 where a recording begins, and none has more rows than ``out`` [B, T] has columns.
    """
    distance = 1
    while distance < out.shape[1]:
        rest = added.shape[0] - distance
        # Rows before the first one would add nothing.
        added = torch.cat([added[:distance], added[distance:] + keep[distance:] * added[:rest]])
        keep = torch.cat([torch.zeros_like(keep[:distance]), keep[distance:] * keep[:rest]])
        distance = 2 * distance
    return added
