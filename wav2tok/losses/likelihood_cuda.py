"""The forward algorithm of `wav2tok.losses.likelihood` on a CUDA device, by Triton: one program per pair.

A program holds all positions of a string in registers and takes one frame after the other. A position gets its
neighbour's number through a row in memory: all write, all wait, all read. Two rows take turns, so that no thread
overwrites what another has yet to read.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor


# The sizes change from batch to batch, and the compiler would otherwise make further kernels for multiples of 16.
@triton.jit(do_not_specialize=["steps", "tokens", "longest"])
def forward(
    log_p: tl.tensor,
    frames: tl.tensor,
    strings: tl.tensor,
    lengths: tl.tensor,
    rows: tl.tensor,
    loss: tl.tensor,
    moved: tl.tensor,
    steps: tl.tensor,
    tokens: tl.tensor,
    longest: tl.tensor,
    IMPOSSIBLE: tl.constexpr,
    PLACES: tl.constexpr,
) -> None:
    """Write the losses and the probabilities of moves of one pair.

    Args:
        log_p: float [B, steps, tokens]; frames: int64 [B]; strings: int64 [B, longest]; lengths: int64 [B].
        rows: float64 [B, 2, PLACES + 1], `IMPOSSIBLE` everywhere.
        loss: float [B], written where the likelihood is defined.
        moved: float [B, steps, longest], written except for the first frame and for padding.
        PLACES: a power of two, at least ``longest``.
    """
    pair = tl.program_id(0).to(tl.int64)
    count, length = tl.load(frames + pair), tl.load(lengths + pair)
    place = tl.arange(0, PLACES)
    inside = place < length
    own = log_p + pair * steps * tokens + tl.load(strings + pair * longest + place, mask=inside, other=0)
    move = moved + pair * steps * longest + place
    row = rows + pair * 2 * (PLACES + 1) + place
    ahead = tl.where(place == 0, tl.load(own, mask=inside, other=0.0).to(tl.float64), IMPOSSIBLE)
    t = 1
    while t < count:
        own += tokens
        move += longest
        current = row + (t % 2) * (PLACES + 1)
        tl.store(current + 1, ahead)
        tl.debug_barrier()
        before = tl.load(current)
        small = tl.exp(-tl.abs(before - ahead))
        tl.store(move, tl.where(before > ahead, 1.0, small) / (1.0 + small), mask=inside)
        ahead = tl.maximum(before, ahead) + tl.log(1.0 + small) + tl.load(own, mask=inside, other=0.0).to(tl.float64)
        t += 1
    # One thread writes. (Triton's interpreter, by which the tests run this, knows no sum over the places.)
    tl.store(loss + pair + 0 * place, -ahead, mask=(place == length - 1) & (length <= count))


@triton.jit(do_not_specialize=["steps", "longest"])
def backward(
    weight: tl.tensor,
    moved: tl.tensor,
    frames: tl.tensor,
    lengths: tl.tensor,
    rows: tl.tensor,
    posterior: tl.tensor,
    steps: tl.tensor,
    longest: tl.tensor,
    PLACES: tl.constexpr,
) -> None:
    """Write the posteriors of one pair, times its weight.

    Args:
        weight: float [B], 0 where the likelihood is not defined.
        rows: float64 [B, 2, PLACES + 1], zeros.
        posterior: float [B, steps, longest], written except for padding.
        moved, frames, lengths, steps, longest, PLACES: as above.
    """
    pair = tl.program_id(0).to(tl.int64)
    count, length = tl.load(frames + pair), tl.load(lengths + pair)
    place = tl.arange(0, PLACES)
    inside = place < length
    row = rows + pair * 2 * (PLACES + 1) + place
    held = tl.where(place == length - 1, tl.load(weight + pair).to(tl.float64), 0.0)
    t = count - 1
    while t > 0:
        here = (pair * steps + t) * longest + place
        tl.store(posterior + here, held, mask=inside)
        left = held * tl.load(moved + here, mask=inside, other=0.0).to(tl.float64)
        current = row + (t % 2) * (PLACES + 1)
        tl.store(current, left)
        tl.debug_barrier()
        held = held - left + tl.load(current + 1)
        t -= 1
    tl.store(posterior + pair * steps * longest + place, held, mask=inside)


def losses(log_p: Tensor, frames: Tensor, strings: Tensor, lengths: Tensor, impossible: float) -> tuple[Tensor, Tensor]:
    """As `wav2tok.losses.likelihood.losses_by_frame`; the moves of first frames and of padding are any numbers.

    Args:
        impossible: `wav2tok.losses.likelihood.IMPOSSIBLE`.
    """
    (b, steps, tokens), longest = log_p.shape, strings.shape[1]
    places = triton.next_power_of_2(longest)
    rows = log_p.new_full((b, 2, places + 1), impossible, dtype=torch.float64)
    loss, moved = log_p.new_zeros(b), log_p.new_empty(b, steps, longest)
    inputs = (x.contiguous() for x in (log_p, frames, strings, lengths))
    with torch.cuda.device_of(log_p):
        forward[(b,)](*inputs, rows, loss, moved, steps, tokens, longest, impossible, places, num_warps=warps(places))
    return loss, moved


def posteriors(weight: Tensor, moved: Tensor, frames: Tensor, lengths: Tensor) -> Tensor:
    """As `wav2tok.losses.likelihood.posteriors_by_frame`."""
    b, steps, longest = moved.shape
    places = triton.next_power_of_2(longest)
    rows = moved.new_zeros(b, 2, places + 1, dtype=torch.float64)
    posterior = torch.zeros_like(moved)
    inputs = (x.contiguous() for x in (weight, moved, frames, lengths))
    with torch.cuda.device_of(moved):
        backward[(b,)](*inputs, rows, posterior, steps, longest, places, num_warps=warps(places))
    return posterior


def warps(places: int) -> int:
    """Groups of 32 threads in a program: two positions for each thread, up to the most threads that CUDA allows."""
    return min(32, max(1, places // 64))
