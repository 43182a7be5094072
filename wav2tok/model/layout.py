"""How a batch of recordings of several lengths is laid out for a recurrent network.

Frames stand time step by time step, the recordings of a step side by side. With the longest recordings first, those
that have ended are always the last ones, so that a network can leave them out from some step on: a layout is a few
blocks of steps, each with fewer recordings than the one before. A batch whose tempo was augmented would otherwise
spend a quarter of its arithmetic on padding.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

BLOCK_ROWS = 400
"""What a further block costs to begin, in frames of the default network (9 ms on two cores, a frame 22 us)."""


@dataclass(frozen=True)
class Layout:
    """Rows of a flat [F, D] tensor that stand for the frames of a batch [B, T, D].

    Attributes:
        blocks: (steps, recordings) of each block, in time; F is the sum of their products.
        into: int64 [F], which row of the flattened batch [B * T] stands where.
        turn: int64 [F], a permutation that turns each recording around within its length; its own inverse.
        out: int64 [B, T], the row of each frame; past a recording's end some row of the same recording.
    """

    blocks: list[tuple[int, int]]
    into: Tensor
    turn: Tensor
    out: Tensor


def padded(lengths: Tensor, steps: int) -> Layout:
    """One block of all recordings, padded: lengths [B], on any device, also while the graph is traced."""
    t = torch.arange(steps, device=lengths.device)[:, None]
    b = torch.arange(lengths.shape[0], device=lengths.device)[None, :]
    count = lengths.shape[0]
    turn = torch.where(t < lengths[None, :], lengths[None, :] - 1 - t, t) * count + b
    return Layout([(steps, count)], (b * steps + t).flatten(), turn.flatten(), (t * count + b).T)


def block_ends(lengths: np.ndarray) -> list[int]:
    """Where blocks should end, [the longest] at least: lengths int [B] -> steps, so that frames computed are fewest.

    A shortest path over the distinct lengths; beginning a block counts as `BLOCK_ROWS` frames.
    """
    ends, count = np.unique(lengths, return_counts=True)
    ends = np.concatenate([[0], ends])
    alive = len(lengths) - np.concatenate([[0], np.cumsum(count)])
    least, before = np.zeros(len(ends)), np.zeros(len(ends), dtype=np.int64)
    for j in range(1, len(ends)):
        ways = least[:j] + (ends[j] - ends[:j]) * alive[:j] + BLOCK_ROWS
        before[j] = int(ways.argmin())
        least[j] = ways[before[j]]
    found, j = [], len(ends) - 1
    while j:
        found.append(int(ends[j]))
        j = int(before[j])
    return found[::-1]


def fitted(lengths: Tensor, steps: int) -> Layout:
    """Blocks that leave out recordings which have ended: lengths [B] on the CPU."""
    given = lengths.numpy()
    order = np.argsort(-given, kind="stable")
    length = given[order]  # of the recordings as they stand in a step
    ends = block_ends(given)
    blocks, begins = [], [0, *ends[:-1]]
    base = np.empty(ends[-1], dtype=np.int64)  # the row of each step's first recording
    place, t = [], []
    row = 0
    for begin, end in zip(begins, ends, strict=True):
        alive = int((length > begin).sum())
        blocks.append((end - begin, alive))
        base[begin:end] = row + np.arange(end - begin) * alive
        row += (end - begin) * alive
        place.append(np.tile(np.arange(alive), end - begin))
        t.append(np.repeat(np.arange(begin, end), alive))
    places, times = np.concatenate(place), np.concatenate(t)
    last = length[places] - 1
    turned = np.where(times <= last, base[np.maximum(last - times, 0)], base[times]) + places
    rank_of = np.empty_like(order)
    rank_of[order] = np.arange(len(order))
    out = base[np.minimum(np.arange(steps)[None, :], given[:, None] - 1)] + rank_of[:, None]
    into = order[places] * steps + np.minimum(times, last)
    return Layout(blocks, torch.from_numpy(into), torch.from_numpy(turned), torch.from_numpy(out))


def layout(lengths: Tensor, steps: int) -> Layout:
    """The layout that suits where ``lengths`` [B] is: fitted on the CPU, padded elsewhere and while tracing.

    A device would have to wait for the lengths to come back before it could fit blocks to them.
    """
    traced = torch.jit.is_tracing() or lengths.device.type != "cpu"
    return padded(lengths, steps) if traced else fitted(lengths, steps)
