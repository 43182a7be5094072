"""The two objectives for a batch of pairs: contrast of recordings, and the paper's likelihood and matching losses."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from wav2tok.config.schema import Recipe
from wav2tok.losses.alignment import align
from wav2tok.losses.contrast import contrast_loss, draw_frames, sequence_contrast, triplet_loss
from wav2tok.losses.likelihood import string_loss
from wav2tok.losses.matching import matching_loss, prototypes
from wav2tok.losses.similarity import Codewords, path_similarity
from wav2tok.losses.stretches import Stretches, cut, whole
from wav2tok.model.codebook import compress, nearest
from wav2tok.model.frames import frame_mask
from wav2tok.model.products import linear
from wav2tok.model.wav2tok import Wav2Tok
from wav2tok.ranks import ALONE, Ranks


@dataclass(frozen=True)
class Views:
    """Unit embeddings of both views of every pair, [B, N, d] and [B, M, d]; true lengths [B] and labels [B].

    Lengths and labels are on the CPU: everything that depends only on them is computed there, so that no step waits for
    a device to report the size of its next tensor.
    """

    a: Tensor
    a_frames: Tensor
    b: Tensor
    b_frames: Tensor
    labels: Tensor


@dataclass(frozen=True)
class Triplets(Views):
    """Pairs with the embeddings of a recording of another class for each, [B, O, d], and their true lengths [B]."""

    negative: Tensor
    negative_frames: Tensor


def views_of(
    model: Wav2Tok,
    spectrum: Tensor,
    frames: Tensor,
    labels: Tensor,
    members: int = 2,
    ranks: Ranks = ALONE,
    embed: Callable[[Tensor, Tensor], Tensor] | None = None,
) -> Views:
    """Embed a batch of pairs (``members`` 2) or triplets (3) in one pass.

    Args:
        spectrum: [members * B, T, bands] on the model's device: all anchors, then all partners, then all negatives.
        frames: [members * B] and labels: int64 [B], on the CPU.
        ranks: each embeds its share of the recordings and receives the others.
        embed: embeds them as `Wav2Tok.embed` does, which it is if None.
    """
    own = ranks.share(len(frames))
    embedded = (embed or model.embed)(spectrum[own], frames[own].to(spectrum.device, non_blocking=True))
    z = ranks.gather(embedded, len(frames)).chunk(members)
    n = model.encoder.steps(frames).chunk(members)
    if members == 3:
        return Triplets(z[0], n[0], z[1], n[1], labels, z[2], n[2])
    return Views(z[0], n[0], z[1], n[1], labels)


@dataclass(frozen=True)
class Scored:
    """Log-probabilities of both views' tokens, [B, N, K] and [B, M, K], and the nearest tokens, [B, N] and [B, M].

    The probabilities are the softmax of cosines to the codebook / temperature.
    """

    a: Tensor
    b: Tensor
    token_a: Tensor
    token_b: Tensor


def scored(model: Wav2Tok, views: Views, temperature: float) -> Scored:
    """Compare every frame with every codeword, once for all losses."""
    a, b = linear(views.a, model.codebook), linear(views.b, model.codebook)
    log_a, log_b = (F.log_softmax(cosines / temperature, dim=2) for cosines in (a, b))
    return Scored(log_a, log_b, nearest(a.detach()), nearest(b.detach()))


@dataclass(frozen=True)
class Contrast:
    """The contrast between recordings: its weighted sum, its parts, and what it compared.

    ``partner``, int64 [B, N], is the partner of each frame of ``a`` along the warping path.
    """

    total: Tensor
    parts: dict[str, Tensor]
    partner: Tensor
    compared: Stretches


def contrast(
    views: Views, recipe: Recipe, frame_rate: float, generator: torch.Generator, ranks: Ranks = ALONE
) -> Contrast:
    """Sequence contrast, frame contrast or both, with the weights of the recipe."""
    device = views.a.device
    frames = views.a_frames.to(device, non_blocking=True), views.b_frames.to(device, non_blocking=True)
    steps = views.a.shape[1], views.b.shape[1]
    most = max(2, round(recipe.stretch_seconds * frame_rate))
    total, parts = views.a.new_zeros(()), {}
    partner, _ = align(views.a.detach(), frames[0], views.b.detach(), frames[1])
    if int(torch.maximum(views.a_frames, views.b_frames).max()) > most:
        compared = cut(steps, views.a_frames, partner, views.labels, most, generator)
    else:
        compared = whole(steps, frames, views.labels.to(device, non_blocking=True))
    if recipe.sequence_weight:
        parts["sequence"] = stretch_contrast(compared, views, recipe.sequence_temperature, ranks)
        total = total + recipe.sequence_weight * parts["sequence"]
    if recipe.frame_weight:
        parts["frame"] = frame_contrast(views, partner, recipe, frame_rate, generator)
        total = total + recipe.frame_weight * parts["frame"]
    return Contrast(total, parts, partner, compared)


def stretch_contrast(
    compared: Stretches, views: Views, temperature: float, ranks: Ranks, codewords: Codewords | None = None
) -> Tensor:
    """Sequence contrast of the stretches of both views, or of their ``codewords``: scalar.

    All stretches are compared with all, most of the work of a step; each of ``ranks`` takes a share of those of ``a``.
    """
    first, first_frames, second, second_frames = compared.of(views.a, views.b)
    own = ranks.share(len(first))
    if codewords is not None:
        codewords = codewords._replace(a=codewords.a[own])
    similarity = path_similarity(first[own], first_frames[own], second, second_frames, codewords)
    return sequence_contrast(ranks.gather(similarity, len(first)), compared.labels, temperature)


def codeword_contrast(
    model: Wav2Tok,
    views: Views,
    scores: Scored,
    compared: Stretches,
    temperature: float,
    ranks: Ranks = ALONE,
) -> Tensor:
    """Sequence contrast of the recordings with each embedding replaced by its codeword: scalar.

    So training optimises what search by tokens compares. Gradients pass to the embeddings as if they had not been
    replaced (straight-through estimator).
    """
    a, b = scores.token_a.flatten()[compared.a_rows], scores.token_b.flatten()[compared.b_rows]
    return stretch_contrast(compared, views, temperature, ranks, Codewords(model.codebook, a, b))


def frame_contrast(
    views: Views, partner: Tensor, recipe: Recipe, frame_rate: float, generator: torch.Generator
) -> Tensor:
    """Contrast of frames drawn from each pair and their partners along the warping path: scalar."""
    device = views.a.device
    count = (views.a_frames / frame_rate * recipe.frames_per_second).round().long()
    count = torch.minimum(count.clamp_min(2), views.a_frames)
    index, valid = draw_frames(views.a_frames, count, int(count.max()), generator)
    owner = torch.arange(len(index))[:, None].expand_as(index)[valid]
    labels = views.labels[owner].to(device, non_blocking=True)
    rows = (owner * views.a.shape[1] + index[valid]).to(device, non_blocking=True)
    owner = owner.to(device, non_blocking=True)
    other = owner * views.b.shape[1] + partner.flatten()[rows]
    anchor = views.a.flatten(0, 1).index_select(0, rows)
    positive = views.b.flatten(0, 1).index_select(0, other)
    return contrast_loss(anchor, positive, labels, recipe.frame_temperature)


def paper_losses(model: Wav2Tok, views: Views, scores: Scored, recipe: Recipe) -> dict[str, Tensor]:
    """L_m, and the negative log-likelihoods of each view's string under the other's frames, averaged over the pairs.

    With ``recipe.per_token`` a likelihood is divided by the length of its string. Without it the likelihoods of long
    recordings, in the hundreds, outweighed the contrast and the codebook collapsed (8 % in use after 40 steps at 6 s).
    """
    codebook, tau = model.codebook, recipe.temperature
    a_frames, b_frames = (n.to(codebook.device, non_blocking=True) for n in (views.a_frames, views.b_frames))
    string_a, length_a = compress(scores.token_a, a_frames)
    string_b, length_b = compress(scores.token_b, b_frames)
    mask = torch.cat([frame_mask(a_frames, views.a.shape[1]), frame_mask(b_frames, views.b.shape[1])], 1)
    tokens = torch.cat([scores.token_a, scores.token_b], dim=1)
    prototype, present = prototypes(torch.cat([views.a, views.b], dim=1), tokens, mask, len(codebook))

    def likelihood(log_p: Tensor, frames: Tensor, string: Tensor, length: Tensor) -> Tensor:
        loss = string_loss(log_p, frames, string, length)
        return (loss / length if recipe.per_token else loss).mean()

    return {
        "matching": matching_loss(prototype, present, codebook, tau, model.score),
        "likelihood": likelihood(scores.a, a_frames, string_b, length_b),
        "likelihood_back": likelihood(scores.b, b_frames, string_a, length_a),
    }


def aligned_likelihood(views: Views, scores: Scored, partner: Tensor) -> Tensor:
    """Cross-entropy of each frame of ``a`` against the token of its aligned frame of ``b``, both ways: scalar."""
    rows = frame_mask(views.a_frames, views.a.shape[1]).flatten().nonzero()[:, 0]
    rows = rows.to(views.a.device, non_blocking=True)
    offset = torch.arange(len(partner), device=partner.device)[:, None] * views.b.shape[1]
    other = (partner + offset).flatten()[rows]
    token_a, token_b = scores.token_a.flatten()[rows], scores.token_b.flatten()[other]
    a = scores.a.flatten().index_select(0, rows * scores.a.shape[2] + token_b)
    b = scores.b.flatten().index_select(0, other * scores.b.shape[2] + token_a)
    return -(a.mean() + b.mean()) / 2


def objective(
    model: Wav2Tok,
    views: Views,
    recipe: Recipe,
    *,
    contrast_only: bool,
    frame_rate: float,
    generator: torch.Generator,
    ranks: Ranks = ALONE,
) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss of a batch and its parts.

    Args:
        contrast_only: the first stage, before the codebook is worth fitting to.
        frame_rate: frames per second.
        ranks: each computes the whole loss, from the views of all, and shares out its largest part.

    Returns:
        (scalar to minimise, the unweighted parts and ``loss``, detached).
    """
    parts: dict[str, Tensor] = {}
    loss = views.a.new_zeros(())
    if any((recipe.sequence_weight, recipe.frame_weight, recipe.codeword_weight, recipe.aligned_weight)):
        across = contrast(views, recipe, frame_rate, generator, ranks)
        parts, loss = dict(across.parts), across.total
    if isinstance(views, Triplets):
        lengths = views.a_frames, views.b_frames, views.negative_frames
        a, b, c = (n.to(views.a.device, non_blocking=True) for n in lengths)
        parts["triplet"] = triplet_loss(views.a, a, views.b, b, views.negative, c, recipe.triplet_margin)
        loss = loss + recipe.triplet_weight * parts["triplet"]
    if not contrast_only:
        scores = scored(model, views, recipe.temperature)
        parts |= paper_losses(model, views, scores, recipe)
        loss = (
            loss
            + recipe.matching_weight * parts["matching"]
            + recipe.alpha * parts["likelihood"]
            + recipe.beta * parts["likelihood_back"]
        )
        if recipe.codeword_weight:
            temperature = recipe.sequence_temperature
            parts["codeword"] = codeword_contrast(model, views, scores, across.compared, temperature, ranks)
            loss = loss + recipe.codeword_weight * parts["codeword"]
        if recipe.aligned_weight:
            parts["aligned"] = aligned_likelihood(views, scores, across.partner)
            loss = loss + recipe.aligned_weight * parts["aligned"]
    return loss, {name: part.detach() for name, part in parts.items()} | {"loss": loss.detach()}
