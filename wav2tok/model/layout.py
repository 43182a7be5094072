"""The layout of a batch of recordings of different lengths for a recurrent network.

Frames are stored time step by time step, the recordings of a step next to each other. With the longest recordings
first, those that have ended are always the last ones, so the network can skip them from some step on: a layout is a few
blocks of steps, each with fewer recordings than the one before. A batch with augmented tempo would otherwise spend a
quarter of its arithmetic on padding.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

BLOCK_ROWS = 400
"""Cost of starting one more block, in frames of the default network (9 ms on two cores; a frame takes 22 us)."""


@dataclass(frozen=True)
class Layout:
    """Rows of a flat [F, D] tensor that hold the frames of a batch [B, T, D].

    Attributes:
        blocks: (steps, recordings) of each block, in time; F is the sum of their products.
        into: int64 [F], the row of the flattened batch [B * T] that each row holds.
        reversal: int64 [F], a permutation that reverses each recording within its length; its own inverse.
        out: int64 [B, T], the row of each frame; past a recording's end some row of the same recording.
    """

    blocks: list[tuple[int, int]]
    into: Tensor
    reversal: Tensor
    out: Tensor


def padded(lengths: Tensor, steps: int) -> Layout:
    """One block of all recordings, padded: lengths [B], on any device, also during tracing."""
    t = torch.arange(steps, device=lengths.device)[:, None]
    b = torch.arange(lengths.shape[0], device=lengths.device)[None, :]
    count = lengths.shape[0]
    reversal = torch.where(t < lengths[None, :], lengths[None, :] - 1 - t, t) * count + b
    return Layout([(steps, count)], (b * steps + t).flatten(), reversal.flatten(), (t * count + b).T)


def block_ends(lengths: np.ndarray) -> list[int]:
    """The steps at which blocks end so that the fewest frames are computed, the last one the longest length: int [B].

    A shortest path over the distinct lengths; starting a block counts as `BLOCK_ROWS` frames.
    """
    ends, count = np.unique(lengths, return_counts=True)
    ends = np.concatenate([[0], ends])
    alive = len(lengths) - np.concatenate([[0], np.cumsum(count)])
    least, before = np.zeros(len(ends)), np.zeros(len(ends), dtype=np.int64)
    for j in range(1, len(ends)):
        ways = least[:j] + (ends[j] - ends[:j]) * alive[:j] + BLOCK_ROWS
        before[j] = int(ways.argmin())
        least[j] = ways[before[j]]
    path, j = [], len(ends) - 1
    while j:
        path.append(int(ends[j]))
        j = int(before[j])
    return path[::-1]


def fitted(lengths: Tensor, steps: int) -> Layout:
    """Blocks that skip recordings that have ended: lengths [B] on the CPU."""
    by_recording = lengths.numpy()
    order = np.argsort(-by_recording, kind="stable")
    length = by_recording[order]  # in the order of a step
    ends = block_ends(by_recording)
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
    reversal = np.where(times <= last, base[np.maximum(last - times, 0)], base[times]) + places
    rank_of = np.empty_like(order)
    rank_of[order] = np.arange(len(order))
    out = base[np.minimum(np.arange(steps)[None, :], by_recording[:, None] - 1)] + rank_of[:, None]
    into = order[places] * steps + np.minimum(times, last)
    return Layout(blocks, torch.from_numpy(into), torch.from_numpy(reversal), torch.from_numpy(out))


def layout(lengths: Tensor, steps: int) -> Layout:
    """The layout for the device of ``lengths`` [B]: fitted on the CPU, padded on other devices and during tracing.

    Fitting blocks on another device would have to wait for the lengths to be copied back.
    """
    traced = torch.jit.is_tracing() or lengths.device.type != "cpu"
    return padded(lengths, steps) if traced else fitted(lengths, steps)
