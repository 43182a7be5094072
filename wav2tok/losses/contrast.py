"""Frame contrast along a warping path: what the published objective lacks, a comparison between recordings.

Frames of one view are told from the frames of other recordings by their aligned partners (after wav2tok 2.0's first
stage). It cannot be met by counting frames, the degenerate optimum of L_m and L_likelihood.
"""

import torch
from torch import Tensor


def draw_frames(lengths: Tensor, per_recording: Tensor, most: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Random frames of every recording, spread evenly: one in each of ``per_recording`` equal stretches.

    Args:
        lengths: [B]; per_recording: int64 [B], how many frames each recording gives, at most ``most``.

    Returns:
        (int64 [B, most] frame indices, bool [B, most] which of them count).
    """
    slots = torch.arange(most, device=lengths.device)[None, :]
    jitter = torch.rand(len(lengths), most, generator=generator).to(lengths.device)
    index = ((slots + jitter) / per_recording[:, None] * lengths[:, None]).long()
    return torch.minimum(index, lengths[:, None] - 1), slots < per_recording[:, None]


def contrast_loss(anchor: Tensor, positive: Tensor, label: Tensor, temperature: float) -> Tensor:
    """Symmetric InfoNCE of aligned frames against the drawn frames of recordings of other classes.

    Other moments of the same recording are no negatives: a melody comes back to its notes, and telling those apart
    teaches positions.

    Args:
        anchor, positive: [M, d] unit embeddings, row i of one aligned with row i of the other.
        label: int64 [M], the class of each row's pair.

    Returns:
        scalar. Frames of one class are never negatives of each other, be they of the same pair or not.
    """
    logits = anchor @ positive.T / temperature
    # Frames of other classes and, on the diagonal, the partner: everything else is left out of the sums.
    left_out = label[:, None] == label[None, :]
    left_out.fill_diagonal_(False)
    logits = logits.masked_fill(left_out, -torch.inf)
    # Both cross-entropies have the diagonal for their targets.
    return ((logits.logsumexp(1) + logits.logsumexp(0)) / 2 - logits.diagonal()).mean()
