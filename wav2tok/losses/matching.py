"""Prototypes and the matching loss (paper, equation for L_m): each token's mean frame should identify it."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wav2tok.model.codebook import codebook_scores


def prototypes(embeddings: Tensor, tokens: Tensor, mask: Tensor, num_tokens: int) -> tuple[Tensor, Tensor]:
    """Normalised mean of the frames that map to each token, over the pooled frames of a pair.

    Args:
        embeddings: [B, T, d] frames of both views, one after the other along T.
        tokens: int64 [B, T]; mask: bool [B, T], False for padding.

    Returns:
        ([B, K, d] unit prototypes, 0 where a token does not occur; bool [B, K], whether it does).
    """
    b, _, d = embeddings.shape
    # Padding goes to a separate row, which is cut off; no [B, T, K] table is needed.
    row = tokens + num_tokens * torch.arange(b, device=tokens.device)[:, None]
    row = torch.where(mask, row, b * num_tokens).flatten()
    sums = embeddings.new_zeros(b * num_tokens + 1, d).index_add(0, row, embeddings.flatten(0, 1))[:-1]
    present = torch.bincount(row, minlength=b * num_tokens + 1)[:-1] > 0
    return F.normalize(sums.reshape(b, num_tokens, d), dim=2), present.reshape(b, num_tokens)


def matching_loss(
    prototype: Tensor, present: Tensor, codebook: Tensor, temperature: float, score: nn.Module | None
) -> Tensor:
    """K-way cross-entropy of every prototype that occurs against its own codeword: mean per pair, then over pairs.

    Args:
        prototype: [B, K, d]; present: bool [B, K]; codebook: [K, d].
        score: see `codebook_scores`.

    Returns:
        scalar; a pair in which no token occurs counts as 0.
    """
    pair, target = present.nonzero(as_tuple=True)
    scores = codebook_scores(prototype[pair, target], codebook, score)
    each = F.cross_entropy(scores / temperature, target, reduction="none")
    return (each / present.sum(1)[pair]).sum() / len(prototype)
