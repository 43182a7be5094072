"""The recurrence of `wav2tok.model.recurrence` and its gradient on a CUDA device, in Triton.

A program walks along one recording, in one direction, for some of the numbers of a step. Here all recordings of a batch
have as many rows, padding included.
"""

import torch
import triton
from torch import Tensor
from triton import language as tl

NUMBERS = 128
"""Numbers of a step in one program, at most."""


# The number of steps changes from batch to batch; the compiler would otherwise make a kernel for multiples of 16.
@triton.jit(do_not_specialize=["count"])
def states_of_one(x, inputs, gates, steps, states, mixed, count, width, NUMBERS: tl.constexpr):
    """Write the states and results of one recording, in one direction, for `NUMBERS` numbers.

    Args:
        x: float32 [B * T, 2 H], inputs: [B * T, 6 H], gates: [B * T, 4 H], as in `wav2tok.model.recurrence_kernels`.
        steps: int64 [B]; count, width: T and H.
        states, mixed: float32 [B * T, 2 H], written; past a recording's end with what counts for nothing.
    """
    recording, blocks = tl.program_id(0).to(tl.int64), tl.num_programs(1) // 2
    back = tl.program_id(1) // blocks
    number = tl.program_id(1) % blocks * NUMBERS + tl.arange(0, NUMBERS)
    mask, own = number < width, back * width + number
    n = tl.load(steps + recording).to(tl.int32)
    state = tl.full([NUMBERS], 0, tl.float32)
    t = 0
    while t < count:
        row = recording * count + tl.where((back == 1) & (t < n), n - 1 - t, t)
        read = tl.load(x + row * (2 * width) + own, mask=mask, other=0.0)
        new = tl.load(inputs + row * (6 * width) + own, mask=mask, other=0.0)
        keep = tl.load(gates + row * (4 * width) + own, mask=mask, other=0.0)
        share = tl.load(gates + row * (4 * width) + 2 * width + own, mask=mask, other=0.0)
        state = new + keep * (state - new)
        tl.store(states + row * (2 * width) + own, state, mask=mask)
        tl.store(mixed + row * (2 * width) + own, read + share * (state - read), mask=mask)
        t += 1


@triton.jit(do_not_specialize=["count"])
def gradients_of_one(
    gradient, x, inputs, gates, states, steps, to_x, to_inputs, count, width, NUMBERS: tl.constexpr
):  # fmt: skip
    """Write the gradients of ``x`` and ``inputs`` for what `states_of_one` computes; 0 past a recording's end.

    Args:
        gradient: float32 [B * T, 2 H], of the results; to_x: [B * T, 2 H], to_inputs: [B * T, 6 H], written.
    """
    recording, blocks = tl.program_id(0).to(tl.int64), tl.num_programs(1) // 2
    back = tl.program_id(1) // blocks
    number = tl.program_id(1) % blocks * NUMBERS + tl.arange(0, NUMBERS)
    mask, own = number < width, back * width + number
    n = tl.load(steps + recording).to(tl.int32)
    later = tl.full([NUMBERS], 0, tl.float32)  # the gradient of the state through the steps that read it
    t = 0
    while t < count:
        valid = mask & (t < n)
        row = recording * count + tl.where((back == 0) & (t < n), n - 1 - t, t)
        slope = tl.load(gradient + row * (2 * width) + own, mask=valid, other=0.0)
        read = tl.load(x + row * (2 * width) + own, mask=valid, other=0.0)
        new = tl.load(inputs + row * (6 * width) + own, mask=valid, other=0.0)
        keep = tl.load(gates + row * (4 * width) + own, mask=valid, other=0.0)
        share = tl.load(gates + row * (4 * width) + 2 * width + own, mask=valid, other=0.0)
        state = tl.load(states + row * (2 * width) + own, mask=valid, other=0.0)
        neighbour = row + 2 * back - 1
        before = tl.load(states + neighbour * (2 * width) + own, mask=valid & (t < n - 1), other=0.0)
        total = tl.where(valid, slope * share + later, 0.0)
        later = total * keep
        to_new = total * (1 - keep)
        tl.store(to_x + row * (2 * width) + own, slope * (1 - share), mask=mask)
        tl.store(to_inputs + row * (6 * width) + own, to_new, mask=mask)
        to_keep = to_new * (before - new) * keep
        tl.store(to_inputs + row * (6 * width) + 2 * width + own, to_keep, mask=mask)
        to_share = slope * (state - read) * share * (1 - share)
        tl.store(to_inputs + row * (6 * width) + 4 * width + own, to_share, mask=mask)
        t += 1


def _launch(kernel, tensors: tuple[Tensor, ...], recordings: int, count: int, width: int) -> None:
    numbers = min(NUMBERS, triton.next_power_of_2(width))
    with torch.cuda.device_of(tensors[0]):
        kernel[(recordings, 2 * triton.cdiv(width, numbers))](
            *tensors, count, width, NUMBERS=numbers, num_warps=max(1, numbers // 64), num_stages=1
        )


def states_of_all(x: Tensor, inputs: Tensor, gates: Tensor, steps: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The results and states of a batch, [B * T, 2 H] each: x [B * T, 2 H], inputs [B * T, 6 H], gates [B * T, 4 H].

    Args:
        steps: int64 [B], the true lengths; count: T.
    """
    x, inputs, gates = x.contiguous(), inputs.contiguous(), gates.contiguous()
    states, mixed = torch.empty_like(x), torch.empty_like(x)
    _launch(states_of_one, (x, inputs, gates, steps, states, mixed), len(steps), count, x.shape[1] // 2)
    return mixed, states


def gradients_of_all(
    gradient: Tensor, x: Tensor, inputs: Tensor, gates: Tensor, states: Tensor, steps: Tensor, count: int
) -> tuple[Tensor, Tensor]:
    """The gradients of ``x`` and ``inputs``, given that of the results, [B * T, 2 H]; else as in `states_of_all`."""
    given = tuple(y.contiguous() for y in (gradient, x, inputs, gates, states))
    to_x, to_inputs = torch.empty_like(given[1]), torch.empty_like(given[2])
    _launch(gradients_of_one, (*given, steps, to_x, to_inputs), len(steps), count, x.shape[1] // 2)
    return to_x, to_inputs
