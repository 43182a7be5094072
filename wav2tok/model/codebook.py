"""The codebook: spherical k-means over frame embeddings, assignment by cosine (paper, section 3.1).

All embeddings and codewords have unit length, so the cosine is the inner product.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wav2tok.model.products import linear

CHUNK = 1 << 14
"""Frames whose similarities to the codebook are in memory at a time."""
TOLERANCE = 1e-4
"""k-means stops when the mean cosine grows by less, which is far below what a training step changes."""

TIE = 1e-6
"""Codewords whose cosines differ by less count as equally near. Equal codewords occur when there are fewer different
frames than codewords; without a rule for ties the rounding of products, which differs between processors, would
decide."""


def nearest(similarity: Tensor) -> Tensor:
    """The token of each frame, the first of equally near codewords (`TIE`): cosines [..., K] -> int64 [...]."""
    best = similarity.amax(dim=-1, keepdim=True)
    near = similarity >= best - TIE
    # Of floats in the graph, because ONNX Runtime's CUDA provider supports ArgMax for no other type. Of bytes in torch,
    # where that of floats takes three times as long.
    return (near.to(similarity.dtype) if torch.jit.is_tracing() else near.view(torch.uint8)).argmax(dim=-1)


def assign(embeddings: Tensor, codebook: Tensor) -> Tensor:
    """The nearest codeword by cosine: [..., d], [K, d] -> int64 [...]."""
    return nearest(embeddings @ codebook.T)


def _assign_all(points: Tensor, codebook: Tensor) -> tuple[Tensor, Tensor]:
    """Index and similarity of the nearest codeword of every point: [N, d] -> int64 [N], [N]."""
    index, similarity = [], []
    for chunk in points.split(CHUNK):
        cosine = chunk @ codebook.T
        index.append(nearest(cosine))
        similarity.append(cosine.gather(1, index[-1][:, None])[:, 0])
    return torch.cat(index), torch.cat(similarity)


def _plus_plus(points: Tensor, k: int, generator: torch.Generator) -> Tensor:
    """k-means++ initialisation on a sample of ``points``, by squared chord length 2 - 2 cos: [N, d] -> [k, d]."""
    sample = points[torch.randperm(len(points), generator=generator)[: max(100 * k, 1000)].to(points.device)]
    chosen = [sample[0]]
    nearest = 2 - 2 * (sample @ chosen[0])
    for _ in range(k - 1):
        weights = nearest.clamp_min(0).cpu().double() + 1e-12
        pick = int(torch.multinomial(weights, 1, generator=generator))
        chosen.append(sample[pick])
        nearest = torch.minimum(nearest, 2 - 2 * (sample @ sample[pick]))
    return torch.stack(chosen)


def spherical_kmeans(
    points: Tensor, k: int, generator: torch.Generator, iterations: int, start: Tensor | None = None
) -> tuple[Tensor, float]:
    """Unit centroids that maximise the summed cosine to their points.

    Args:
        points: [N, d] of unit length, N >= 1.
        k: number of centroids.
        generator: CPU generator; the same state gives the same centroids.
        iterations: maximum number of rounds; stops early when the gain is below `TOLERANCE`.
        start: [k, d], initial centroids, so that token ids keep their meaning (the E-step's warm start); None means
            k-means++.

    Returns:
        ([k, d] unit rows, the mean cosine of the points and the centroids at the start of the last round). A centroid
        that loses all its points moves to the point with the lowest cosine to its own centroid.
    """
    centroids = F.normalize(_plus_plus(points, k, generator) if start is None else start, dim=1)
    fit = -2.0
    for _ in range(iterations):
        index, similarity = _assign_all(points, centroids)
        before, fit = fit, float(similarity.mean())
        sums = torch.zeros_like(centroids).index_add_(0, index, points)
        empty = (torch.bincount(index, minlength=k) == 0).nonzero().flatten()
        if len(empty):
            worst = similarity.topk(min(len(empty), len(points)), largest=False).indices
            sums[empty[: len(worst)]] = points[worst]
        # Opposite points can cancel out; such a centroid stays where it was.
        centroids = torch.where(sums.norm(dim=1, keepdim=True) > 1e-6, F.normalize(sums, dim=1), centroids)
        if not len(empty) and fit - before < TOLERANCE:
            break
    return centroids, fit


def compress(tokens: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Drop consecutive repeats (the paper's "compressor"), batched and without a loop.

    Args:
        tokens: int64 [B, T]; lengths: [B].

    Returns:
        ([B, L] strings, padded with 0, [B] their lengths), L the longest length on the CPU. Elsewhere it would have to
        be waited for, and L is T.
    """
    inside = torch.arange(tokens.shape[1], device=tokens.device)[None, :] < lengths[:, None]
    keep = inside.clone()
    keep[:, 1:] &= tokens[:, 1:] != tokens[:, :-1]
    counts = keep.sum(dim=1)
    place = keep.cumsum(dim=1) - 1
    strings = tokens.new_zeros(tokens.shape[0], tokens.shape[1] + 1)
    # Dropped tokens go to an extra last column, which is cut off.
    strings.scatter_(1, torch.where(keep, place, tokens.shape[1]), tokens)
    longest = int(counts.max()) if tokens.device.type == "cpu" else tokens.shape[1]
    return strings[:, :longest], counts


def usage(counts: Tensor) -> tuple[float, float]:
    """(share of codewords that occur, perplexity of their distribution) from occurrence counts [K]."""
    p = counts.double() / counts.sum().clamp_min(1)
    entropy = -(p[p > 0] * p[p > 0].log()).sum()
    return float((counts > 0).double().mean()), float(entropy.exp())


class CodebookScore(nn.Module):
    """The parameterised similarity s(p, e) = w . |p - e| + b (paper); w starts at -1, so that nearer scores higher."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.w = nn.Parameter(-torch.ones(dim))
        self.b = nn.Parameter(torch.zeros(()))

    def forward(self, points: Tensor, codebook: Tensor) -> Tensor:
        """[P, d], [K, d] -> [P, K]."""
        return (points[:, None, :] - codebook[None, :, :]).abs() @ self.w + self.b


def codebook_scores(points: Tensor, codebook: Tensor, score: nn.Module | None) -> Tensor:
    """How well each point fits each codeword: their cosine, or s(p, e) = w . |p - e| + b of a `CodebookScore`.

    Args:
        points: [P, d] unit vectors; codebook: [K, d] unit rows; score: None for the cosine.

    Returns:
        [P, K].
    """
    return linear(points, codebook) if score is None else score(points, codebook)
