"""Which stretches of a batch of pairs the contrast compares.

A recording of a second is compared as a whole; a longer one as stretches of about a second and a half, each with the
part of the partner that it warps onto. Whole long recordings are easy to distinguish, which teaches little, and there
are fewer of them: eight melodies per batch are eight comparisons, their stretches forty.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from wav2tok.model.frames import take_rows

MOST = 64
"""Largest number of stretches per batch, all of which are compared with each other; at least one per pair."""


@dataclass(frozen=True)
class Stretches:
    """P stretches of both views of B pairs.

    Attributes:
        a_rows, b_rows: int64 [P, N'] and [P, M'], rows of the views' flattened embeddings [B * N, d] and [B * M, d].
        a_frames, b_frames: [P], how many of them are not padding.
        labels: int64 [P], the class of the pair.
        complete: whether these are all pairs, each as a whole.
    """

    a_rows: Tensor
    a_frames: Tensor
    b_rows: Tensor
    b_frames: Tensor
    labels: Tensor
    complete: bool

    def of(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Embeddings [B, N, d] and [B, M, d] -> [P, N', d], their frames [P], [P, M', d], their frames [P]."""
        if self.complete:  # the rows themselves, without copies of them and of their gradients
            return a, self.a_frames, b, self.b_frames
        return (
            take_rows(a.flatten(0, 1), self.a_rows),
            self.a_frames,
            take_rows(b.flatten(0, 1), self.b_rows),
            self.b_frames,
        )


def whole(steps: tuple[int, int], frames: tuple[Tensor, Tensor], labels: Tensor) -> Stretches:
    """Every pair as a whole: padded lengths (N, M), true lengths [B] of both views, labels [B], on one device."""
    rows = [torch.arange(len(labels) * n, device=labels.device).reshape(-1, n) for n in steps]
    return Stretches(rows[0], frames[0], rows[1], frames[1], labels, complete=True)


def cut(
    steps: tuple[int, int], a_frames: Tensor, partner: Tensor, labels: Tensor, most: int, generator: torch.Generator
) -> Stretches:
    """Stretches of at most ``most`` frames spread over each first view, and the parts they warp onto.

    Args:
        steps: padded lengths (N, M) of the views.
        a_frames: [B] on the CPU, true lengths of the first views.
        partner: int64 [B, N], the frame of the second view for each of the first.
        labels: int64 [B] on the CPU.
        most: frames per stretch.
        generator: a CPU generator, which decides where stretches start.

    Returns:
        Stretches on the device of ``partner``; those of second views have at most ``2 * most`` frames.
    """
    device, pairs = partner.device, len(a_frames)
    counts = torch.div(a_frames + most - 1, most, rounding_mode="floor").clamp(1, max(1, MOST // pairs))
    owner = torch.repeat_interleave(torch.arange(pairs), counts)
    slot = torch.arange(len(owner)) - (counts.cumsum(0) - counts)[owner]
    length = a_frames[owner].clamp_max(most)
    spare = a_frames[owner] - length + 1
    start = ((slot + torch.rand(len(owner), generator=generator)) / counts[owner] * spare).long().minimum(spare - 1)
    owner, start, length = (x.to(device, non_blocking=True) for x in (owner, start, length))
    first, last = partner[owner, start], partner[owner, start + length - 1]
    b_length = (last - first + 1).clamp(1, 2 * most)

    def rows(begin: Tensor, count: Tensor, longest: int, padded: int) -> Tensor:
        inside = torch.minimum(torch.arange(longest, device=device)[None, :], count[:, None] - 1)
        return owner[:, None] * padded + begin[:, None] + inside

    longest = min(most, steps[0]), min(2 * most, steps[1])
    return Stretches(
        rows(start, length, longest[0], steps[0]),
        length,
        rows(first, b_length, longest[1], steps[1]),
        b_length,
        labels.to(device, non_blocking=True)[owner],
        complete=False,
    )
