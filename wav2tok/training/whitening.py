"""Whitening: a linear encoder that ignores what changes between recordings of the same thing.

Frames of two recordings of a class that lie on each other along the warping path should be equal. What they differ by
is the voice, the room and the moment. The covariance W of these differences says in which directions this happens, and
W^-1/2 makes all directions equally noisy (within-class covariance normalisation: Hatch, Kajarekar and Stolcke, 2006).
It has a closed form, so nothing is forgotten by too many steps.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

from wav2tok.config.seeds import Stream, torch_seed
from wav2tok.losses.alignment import align
from wav2tok.model.frames import frame_mask
from wav2tok.model.linear import LinearEncoder
from wav2tok.training.first_codebook import first_codebook
from wav2tok.training.loop import Trainer
from wav2tok.training.objective import Views

RIDGE = 0.1
"""Added to every variance, as a share of their mean. On spoken words .03 to 1 give the same retrieval."""
PAIRS = 3000
"""Pairs that the covariance is estimated from, if the recordings give as many."""


@torch.no_grad()
def whiten(trainer: Trainer) -> None:
    """Multiply the linear encoder's matrix by the whitening of aligned frames, and cluster again.

    The pairs are drawn and augmented as in training.
    """
    model, config = trainer.model, trainer.config
    assert isinstance(model.encoder, LinearEncoder)
    generator = torch.Generator().manual_seed(torch_seed(config.seed, Stream.WHITENING, 0))
    pairs = trainer.sampler.epoch(config.seed, 0, trainer.batch_size, -(-PAIRS // trainer.batch_size))
    model.eval()
    covariance = within_class_covariance(trainer.views(batch, generator) for batch in trainer.batches.ahead(pairs))
    weight = model.encoder.weight
    weight.copy_(whitening(covariance).to(weight) @ weight)
    first_codebook(model, trainer.store, trainer.sampler, config)


@torch.no_grad()
def within_class_covariance(pairs: Iterable[Views]) -> Tensor:
    """The covariance of the differences of aligned frames, in float64: [d, d]."""
    count, total, squares = 0, torch.zeros(()), torch.zeros(())
    for views in pairs:
        device = views.a.device
        frames = views.a_frames.to(device)
        partner, _ = align(views.a, frames, views.b, views.b_frames.to(device))
        other = views.b.gather(1, partner[:, :, None].expand_as(views.a))
        difference = (views.a - other)[frame_mask(frames, views.a.shape[1])].double().cpu()
        count += len(difference)
        total = total + difference.sum(0)
        squares = squares + difference.T @ difference
    mean = total / count
    return squares / count - torch.outer(mean, mean)


def whitening(covariance: Tensor, ridge: float = RIDGE) -> Tensor:
    """The symmetric matrix W^-1/2 of a covariance W [d, d] to whose diagonal ``ridge`` times its mean was added.

    Scaled so that its largest singular value is 1; the identity where all differences are zero.
    """
    mean = float(covariance.diagonal().mean())
    if mean <= 0:
        return torch.eye(len(covariance), dtype=covariance.dtype)
    values, vectors = torch.linalg.eigh(covariance + ridge * mean * torch.eye(len(covariance), dtype=covariance.dtype))
    scale = values.clamp_min(1e-12).rsqrt()
    return (vectors * (scale / scale.max())) @ vectors.T
