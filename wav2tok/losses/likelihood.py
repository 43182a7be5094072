"""The likelihood of a partner's token string: CTC without a blank (paper, equation for L_likelihood).

One forward algorithm in three forms with the same results: compiled kernels on the CPU where numba is installed,
Triton kernels on CUDA devices, and torch operations, one frame after the other, elsewhere. torch's own CTC loss carries
a blank between any two tokens, and on CUDA it waits for the device to report the lengths.

Sums are logarithms in float64: one alignment may be e^1000 times as likely as another until the last frames decide
between them. The way forward also leaves, for each frame and position in the string, the probability that the alignment
moved there from the position before. The way back needs nothing else, and no logarithms.
"""

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from wav2tok.model.kernels import compiled, fused

IMPOSSIBLE = -1e30
"""Logarithm of the probability of what cannot be; finite, so that no difference is NaN."""
LONGEST = 8192
"""Tokens of the longest string that a Triton kernel takes, since it holds numbers for all of them in registers."""


def likelihood_loss(scores: Tensor, frames: Tensor, strings: Tensor, lengths: Tensor) -> Tensor:
    """-log p(string | frames) over all monotone alignments that give every token at least one frame.

    Args:
        scores: [B, T, K], cos(z_t, e_k) / temperature; their softmax is p(k | t).
        frames: int64 [B], numbers of frames without padding.
        strings: int64 [B, L] token strings, padded with any token.
        lengths: int64 [B] their lengths.

    Returns:
        [B], 0 where the string is empty or longer than there are frames (the likelihood is not defined there).
    """
    return string_loss(F.log_softmax(scores, dim=2), frames, strings, lengths)


def string_loss(log_p: Tensor, frames: Tensor, strings: Tensor, lengths: Tensor) -> Tensor:
    """`likelihood_loss`, given log p(k | t), [B, T, K]."""
    return _Likelihood.apply(log_p, frames, strings, lengths)


class _Likelihood(torch.autograd.Function):
    """The loss, given log p(k | t). Kept for the gradient: the probabilities of moves."""

    @staticmethod
    def forward(ctx: Any, log_p: Tensor, frames: Tensor, strings: Tensor, lengths: Tensor) -> Tensor:
        losses = _losses_compiled if compiled(log_p.device) else _on_device(strings)[0]
        loss, moved = losses(log_p, frames, strings, lengths)
        ctx.save_for_backward(moved, frames, strings, lengths)
        ctx.shape = log_p.shape
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        moved, frames, strings, lengths = ctx.saved_tensors
        to_log_p = moved.new_zeros(ctx.shape)
        if compiled(moved.device):
            _subtract_compiled(gradients[0], moved, frames, strings, lengths, to_log_p)
        else:
            weight = torch.where(defined(frames, lengths), gradients[0], 0.0)
            posterior = _on_device(strings)[1](weight, moved, frames, lengths)
            to_log_p.scatter_add_(2, strings[:, None, :].expand_as(posterior), -posterior)
        return to_log_p, None, None, None


def _fused(device: torch.device) -> bool:
    return fused(device, "the likelihood", _agrees)


def _agrees(device: torch.device) -> bool:
    """Whether the kernels for CUDA give what torch's operations give, for strings of 0 to 12 tokens."""
    from wav2tok.losses.likelihood_cuda import losses, posteriors

    generator = torch.Generator().manual_seed(0)
    log_p = torch.randn(4, 20, 7, generator=generator).log_softmax(2).to(device)
    strings = torch.randint(7, (4, 12), generator=generator).to(device)
    frames, lengths = torch.tensor([20, 9, 15, 5], device=device), torch.tensor([8, 12, 12, 0], device=device)
    (loss, moved), weight = losses_by_frame(log_p, frames, strings, lengths), torch.tensor([1.0, 0, -1, 0]).to(device)
    pairs = [
        (losses(log_p, frames, strings, lengths, IMPOSSIBLE)[0], loss),
        (posteriors(weight, moved, frames, lengths), posteriors_by_frame(weight, moved, frames, lengths)),
    ]
    return all(torch.allclose(one, other, atol=1e-4) for one, other in pairs)


def _on_device(strings: Tensor) -> tuple[Callable[..., tuple[Tensor, Tensor]], Callable[..., Tensor]]:
    """`losses_by_frame` and `posteriors_by_frame`, or what does the same: nothing here waits for the device."""
    if _fused(strings.device) and strings.shape[1] <= LONGEST:
        from wav2tok.losses import likelihood_cuda

        return functools.partial(likelihood_cuda.losses, impossible=IMPOSSIBLE), likelihood_cuda.posteriors
    return losses_by_frame, posteriors_by_frame


def _losses_compiled(log_p: Tensor, frames: Tensor, strings: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """As `losses_by_frame`, but only the moves that are possible, [B, L, W] (`likelihood_kernels`)."""
    from wav2tok.losses.likelihood_kernels import losses_of_all

    loss = log_p.new_zeros(len(log_p))
    moved = log_p.new_empty(*strings.shape, max(0, int((frames - lengths).max())) + 1)
    inputs = (x.detach().contiguous().numpy() for x in (log_p, frames, strings, lengths))
    losses_of_all(*inputs, *(x.numpy() for x in (loss, moved)))
    return loss, moved


def _subtract_compiled(
    weight: Tensor, moved: Tensor, frames: Tensor, strings: Tensor, lengths: Tensor, total: Tensor
) -> None:
    """Subtract each frame's posteriors, times ``weight`` [B], from those tokens' numbers in ``total`` [B, T, K]."""
    from wav2tok.losses.likelihood_kernels import subtract_posteriors_of_all

    inputs = (weight, moved, frames, strings, lengths, total)
    subtract_posteriors_of_all(*(x.contiguous().numpy() for x in inputs))


def losses_by_frame(log_p: Tensor, frames: Tensor, strings: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """The losses, [B], and the probabilities of moves, [B, T, L], from log p(k | t), [B, T, K], on any device.

    The move at (t, s) is that of an alignment that holds position s at frame t, from position s - 1 at frame t - 1.
    """
    b, steps, _ = log_p.shape
    place = torch.arange(strings.shape[1], device=strings.device)
    own = log_p.gather(2, strings[:, None, :].expand(b, steps, -1)).transpose(0, 1)
    moved = torch.zeros_like(own, dtype=log_p.dtype)
    ahead = torch.where(place == 0, own[0].double(), IMPOSSIBLE)
    for t in range(1, steps):
        before = F.pad(ahead[:, :-1], (1, 0), value=IMPOSSIBLE)
        moved[t] = torch.sigmoid(before - ahead)
        ahead = torch.where(frames[:, None] > t, torch.logaddexp(ahead, before) + own[t], ahead)
    last = ahead.gather(1, (lengths - 1).clamp_min(0)[:, None])[:, 0]
    return torch.where(defined(frames, lengths), -last, 0.0).to(log_p.dtype), moved.transpose(0, 1)


def posteriors_by_frame(weight: Tensor, moved: Tensor, frames: Tensor, lengths: Tensor) -> Tensor:
    """The probability that a frame holds a position of the string, times ``weight``: [B, T, L].

    Args:
        weight: [B], 0 where the likelihood is not defined.
    """
    place = torch.arange(moved.shape[2], device=moved.device)
    end = weight[:, None] * (place == lengths[:, None] - 1)
    posterior = torch.zeros_like(moved)
    held = end.new_zeros(end.shape, dtype=torch.float64)
    for t in range(moved.shape[1] - 1, -1, -1):
        held = torch.where(frames[:, None] == t + 1, end, held)
        posterior[:, t] = held
        left = held * moved[:, t]
        held = held - left + F.pad(left[:, 1:], (0, 1))
    return posterior


def defined(frames: Tensor, lengths: Tensor) -> Tensor:
    """True where a string has a likelihood: bool [B]."""
    return (lengths > 0) & (lengths <= frames)
