"""Contrast along warping paths: what the published objective lacks, a comparison between recordings.

Neither form can be met by counting frames, the degenerate optimum of L_m and L_likelihood.

`sequence_contrast` tells recordings apart as a search does, by how well the one warps onto the other. Two words may
share their sounds as long as they differ somewhere, so that sounds stay what is learned. `contrast_loss` tells single
aligned frames from all frames of other recordings (after wav2tok 2.0's first stage): it pushes the same sound in two
words apart, and words that training has not heard suffer (README).
"""

import torch
from torch import Tensor

from wav2tok.losses.alignment import partners_by_cost
from wav2tok.model.frames import frame_mask


def path_similarity(a: Tensor, a_lengths: Tensor, b: Tensor, b_lengths: Tensor) -> Tensor:
    """Mean cosine of each recording of ``a`` and each of ``b`` along a cheapest warping path.

    Every frame of either counts once, with its partner on the path; the path itself is held fixed.

    Args:
        a: [A, N, d] unit embeddings, a_lengths: [A]; b: [B, M, d], b_lengths: [B]; all on one device.

    Returns:
        [A, B].
    """
    (count_a, n, _), (count_b, m, _) = a.shape, b.shape
    cosine = (a.flatten(0, 1) @ b.flatten(0, 1).T).reshape(count_a, n, count_b, m)
    cosine = cosine.transpose(1, 2).reshape(count_a * count_b, n, m)
    lengths_a, lengths_b = a_lengths.repeat_interleave(count_b), b_lengths.repeat(count_a)
    return _along(cosine, lengths_a, lengths_b).reshape(count_a, count_b)


def _along(cosine: Tensor, lengths_a: Tensor, lengths_b: Tensor) -> Tensor:
    """Mean of cosines [P, N, M] along the cheapest path of each: lengths [P] -> [P]."""
    of_a, of_b = partners_by_cost(1 - cosine.detach(), lengths_a, lengths_b)
    along_a = cosine.gather(2, of_a[:, :, None])[:, :, 0] * frame_mask(lengths_a, cosine.shape[1])
    along_b = cosine.gather(1, of_b[:, None, :])[:, 0] * frame_mask(lengths_b, cosine.shape[2])
    return (along_a.sum(1) + along_b.sum(1)) / (lengths_a + lengths_b)


def triplet_loss(
    anchor: Tensor,
    anchor_lengths: Tensor,
    positive: Tensor,
    positive_lengths: Tensor,
    negative: Tensor,
    negative_lengths: Tensor,
    margin: float,
) -> Tensor:
    """max(0, margin - s(anchor, positive) + s(anchor, negative)), averaged; s is the mean cosine along the path.

    Args:
        anchor, positive, negative: [B, N, d], [B, M, d], [B, O, d] unit embeddings; their lengths [B].

    Returns:
        scalar.
    """
    near = _along(anchor @ positive.transpose(1, 2), anchor_lengths, positive_lengths)
    far = _along(anchor @ negative.transpose(1, 2), anchor_lengths, negative_lengths)
    return (margin - near + far).clamp_min(0).mean()


def sequence_contrast(similarity: Tensor, label: Tensor, temperature: float) -> Tensor:
    """Symmetric InfoNCE of whole recordings.

    Args:
        similarity: [B, B] from `path_similarity`, pair i on the diagonal; label: int64 [B], the class of each pair.

    Returns:
        scalar; other pairs of the same class are left out of the sums.
    """
    return _info_nce(similarity / temperature, label)


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
    return _info_nce(anchor @ positive.T / temperature, label)


def _info_nce(logits: Tensor, label: Tensor) -> Tensor:
    """Both cross-entropies of [M, M] logits with the diagonal for their targets, averaged: scalar."""
    # Rows of other classes and, on the diagonal, the partner: everything else is left out of the sums.
    left_out = label[:, None] == label[None, :]
    left_out.fill_diagonal_(False)
    logits = logits.masked_fill(left_out, -torch.inf)
    return ((logits.logsumexp(1) + logits.logsumexp(0)) / 2 - logits.diagonal()).mean()
