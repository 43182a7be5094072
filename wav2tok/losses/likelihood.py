"""The likelihood of a partner's token string: CTC without a blank (paper, equation for L_likelihood)."""

import torch
from torch import Tensor
from torch.nn import functional as F

BLANK = -1e4
"""Score of the blank's column, which torch's CTC needs; finite, because -inf breaks its gradients."""


def likelihood_loss(scores: Tensor, frames: Tensor, strings: Tensor, lengths: Tensor) -> Tensor:
    """-log p(string | frames) over all monotone alignments that give every token at least one frame.

    torch's CTC loss is exact here: the blank's score is too low to be used, and a string without neighbouring repeats
    never needs it. Targets are shifted by one, past the blank's column.

    Args:
        scores: [B, T, K], cos(z_t, e_k) / temperature.
        frames: [B], numbers of frames without padding.
        strings: int64 [B, L] token strings without neighbouring repeats.
        lengths: [B] their lengths.

    Returns:
        [B], 0 where the string is empty or longer than there are frames (the likelihood is not defined there).
    """
    with_blank = torch.cat([scores.new_full((*scores.shape[:2], 1), BLANK), scores], dim=2)
    log_probs = F.log_softmax(with_blank, dim=2).transpose(0, 1)
    defined = (lengths > 0) & (lengths <= frames)
    # An undefined target is replaced by one token, so that every input to the kernel is valid.
    loss = F.ctc_loss(
        log_probs, strings + 1, frames, torch.where(defined, lengths, 1), blank=0, reduction="none", zero_infinity=True
    )
    return torch.where(defined, loss, 0.0)
