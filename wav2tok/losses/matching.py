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
        ([P, d] unit prototypes of the tokens that occur, pair by pair, in the order of their numbers; bool [B, K],
        which tokens these are). On the CPU there are P of them; elsewhere their number would have to be waited for,
        and zeros follow up to the most that there can be.
    """
    b, _, d = embeddings.shape
    # Padding goes to a separate last row, which is cut off; no [B, T, K] or [B, K, d] table is needed.
    row = tokens + num_tokens * torch.arange(b, device=tokens.device)[:, None]
    row = torch.where(mask, row, b * num_tokens).flatten()
    present = torch.zeros(b * num_tokens + 1, dtype=torch.bool, device=tokens.device).index_fill_(0, row, True)
    place, present = present.cumsum(0)[row] - 1, present[:-1]
    count = _occurring(present, tokens.numel())
    place = torch.where(row < len(present), place, count)
    sums = embeddings.new_zeros(count + 1, d).index_add(0, place, embeddings.flatten(0, 1))[:-1]
    return F.normalize(sums, dim=1), present.reshape(b, num_tokens)


def _occurring(present: Tensor, frames: int) -> int:
    """How many of the tokens ``present`` [B * K] occur; on devices an upper bound for ``frames`` frames."""
    return int(present.sum()) if present.device.type == "cpu" else min(len(present), frames)


def matching_loss(
    prototype: Tensor, present: Tensor, codebook: Tensor, temperature: float, score: nn.Module | None
) -> Tensor:
    """K-way cross-entropy of every prototype that occurs against its own codeword: mean per pair, then over pairs.

    Args:
        prototype: [P, d]; present: bool [B, K], at most P of them True, whose prototypes come first; codebook: [K, d].
        score: see `codebook_scores`.

    Returns:
        scalar; a pair in which no token occurs counts as 0.
    """
    pair, target = present.nonzero_static(size=len(prototype), fill_value=-1).unbind(1)
    scores = codebook_scores(prototype, codebook, score)
    each = F.cross_entropy(scores / temperature, target, reduction="none", ignore_index=-1)
    return (each / present.sum(1).clamp_min(1)[pair]).sum() / len(present)
