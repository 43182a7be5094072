"""Contrast along warping paths: a comparison between recordings, which the published objective lacks.

Neither form can be satisfied by counting frames, the degenerate optimum of L_m and L_likelihood.

`sequence_contrast` distinguishes recordings as a search does, by how well one warps onto the other. Two words may share
sounds as long as they differ somewhere, so the model still learns sounds. `contrast_loss` distinguishes single aligned
frames from all frames of other recordings (as in the first stage of wav2tok 2.0): it separates the same sound in two
words, which hurts words that are not in the training data (README).
"""

import torch
from torch import Tensor

from wav2tok.losses.alignment import mean_along, partners_by_cosine


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

    def similarity(other: Tensor, lengths: Tensor) -> Tensor:
        cosine = anchor @ other.transpose(1, 2)
        partners = partners_by_cosine(cosine.detach(), anchor_lengths, lengths)
        return mean_along(cosine, *partners, anchor_lengths, lengths)

    near, far = similarity(positive, positive_lengths), similarity(negative, negative_lengths)
    return (margin - near + far).clamp_min(0).mean()


def sequence_contrast(similarity: Tensor, label: Tensor, temperature: float) -> Tensor:
    """Symmetric InfoNCE of whole recordings.

    Args:
        similarity: [B, B] from `wav2tok.losses.similarity.path_similarity`, pair i on the diagonal.
        label: int64 [B], the class of each pair.

    Returns:
        scalar; other pairs of the same class are excluded from the sums.
    """
    return _info_nce(similarity / temperature, label)


def draw_frames(lengths: Tensor, per_recording: Tensor, most: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Random frames of every recording, spread evenly: one in each of ``per_recording`` equal parts.

    Args:
        lengths: [B]; per_recording: int64 [B], number of frames to draw from each recording, at most ``most``.

    Returns:
        (int64 [B, most] frame indices, bool [B, most] which of them count).
    """
    slots = torch.arange(most, device=lengths.device)[None, :]
    jitter = torch.rand(len(lengths), most, generator=generator).to(lengths.device)
    index = ((slots + jitter) / per_recording[:, None] * lengths[:, None]).long()
    return torch.minimum(index, lengths[:, None] - 1), slots < per_recording[:, None]


def contrast_loss(anchor: Tensor, positive: Tensor, label: Tensor, temperature: float) -> Tensor:
    """Symmetric InfoNCE of aligned frames against the drawn frames of recordings of other classes.

    Other frames of the same recording are not used as negatives: a melody returns to its notes, and distinguishing
    these would teach positions.

    Args:
        anchor, positive: [M, d] unit embeddings, row i of one aligned with row i of the other.
        label: int64 [M], the class of each row's pair.

    Returns:
        scalar. Frames of one class are never negatives of each other, within a pair or across pairs.
    """
    return _info_nce(anchor @ positive.T / temperature, label)


def _info_nce(logits: Tensor, label: Tensor) -> Tensor:
    """Mean of both cross-entropies of [M, M] logits with the diagonal as targets: scalar."""
    # Only rows of other classes and the partner, on the diagonal, count in the sums.
    excluded = label[:, None] == label[None, :]
    excluded.fill_diagonal_(False)
    logits = logits.masked_fill(excluded, -torch.inf)
    return ((logits.logsumexp(1) + logits.logsumexp(0)) / 2 - logits.diagonal()).mean()
