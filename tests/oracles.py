"""Plain float64 forms of what the package computes in batches: one loop per index, no padding, no tricks.

`tests/test_oracles.py` compares each with brute force or with another library.
"""

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

TIE = 1e-9
"""Warping paths whose costs differ by less are equally cheap."""


def warping_costs(cost: ArrayLike) -> np.ndarray:
    """Dynamic time warping: the cost of a cheapest path from (0, 0) to every cell, float64 [N, M].

    ``cost`` [N, M] may hold ``inf``. The steps are (1, 0), (0, 1) and (1, 1); every cell on the path is paid for.
    """
    total = np.array(cost, dtype=np.float64)
    for i, j in np.ndindex(*total.shape):
        if i or j:
            before = [total[a, b] for a, b in ((i - 1, j), (i, j - 1), (i - 1, j - 1)) if min(a, b) >= 0]
            total[i, j] += min(before)
    return total


def cells_on_cheapest_paths(cost: ArrayLike) -> list[tuple[int, int]]:
    """All cells of ``cost`` [N, M] that a cheapest warping path goes through, in order."""
    local = np.array(cost, dtype=np.float64)
    ahead, back = warping_costs(local), warping_costs(local[::-1, ::-1])[::-1, ::-1]
    return [(int(i), int(j)) for i, j in np.argwhere(ahead + back - local <= ahead[-1, -1] + TIE)]


def path_cosine(x: Tensor, y: Tensor) -> Tensor:
    """Mean dot product along the warping path by 1 - dot product: [N, d], [M, d] -> scalar, differentiable.

    Each frame of either counts once, with the first of its partners on a cheapest path.
    """
    dot = torch.stack([torch.stack([a @ b for b in y]) for a in x])
    cells = cells_on_cheapest_paths(1 - dot.detach().numpy())
    along = [dot[i, min(j for a, j in cells if a == i)] for i in range(len(x))]
    along += [dot[min(i for i, b in cells if b == j), j] for j in range(len(y))]
    return torch.stack(along).mean()


def edit_distance(
    a: Sequence[int], b: Sequence[int], substitution: Callable[[int, int], float] = lambda x, y: float(x != y)
) -> float:
    """Levenshtein distance of two strings: insertions and deletions cost 1, a substitution what the function says."""
    table = np.zeros((len(a) + 1, len(b) + 1))
    table[:, 0], table[0] = np.arange(len(a) + 1), np.arange(len(b) + 1)
    for i, j in np.ndindex(len(a), len(b)):
        table[i + 1, j + 1] = min(table[i, j] + substitution(a[i], b[j]), table[i, j + 1] + 1, table[i + 1, j] + 1)
    return float(table[-1, -1])


def nearest_tokens(z: Tensor, codebook: Tensor) -> list[int]:
    """t_t = argmax_k cos(z_t, e_k): [T, d], [K, d] -> T tokens."""
    cosines = [[float(x @ e / (x.norm() * e.norm())) for e in codebook] for x in z.detach()]
    return [max(range(len(codebook)), key=row.__getitem__) for row in cosines]


def compressed(tokens: Sequence[int]) -> list[int]:
    """The string without consecutive repeats."""
    return [token for token, _ in itertools.groupby(tokens)]


def log_probabilities(z: Tensor, codebook: Tensor, tau: float) -> Tensor:
    """log softmax_k cos(z_t, e_k) / tau of unit vectors: [T, d], [K, d] -> [T, K]."""
    logits = torch.stack([torch.stack([x @ e for e in codebook]) for x in z]) / tau
    return logits - logits.logsumexp(1, keepdim=True)


def negative_log_likelihood(log_p: Tensor, string: Sequence[int]) -> Tensor:
    """-log p(string | frames), each token held for one frame or more: CTC without a blank, by the forward algorithm.

    ``log_p`` [T, K] are the frames' log-probabilities. 0 where there are fewer frames than tokens.
    """
    if len(string) > len(log_p):
        return log_p.sum() * 0
    # None is what no path reaches: -inf would make the gradient NaN.
    reach: list[Tensor | None] = [log_p[0, string[0]], *([None] * (len(string) - 1))]
    for row in log_p[1:]:
        before = [[r for r in reach[max(0, i - 1) : i + 1] if r is not None] for i in range(len(string))]
        reach = [
            torch.stack(ways).logsumexp(0) + row[token] if ways else None
            for ways, token in zip(before, string, strict=True)
        ]
    assert reach[-1] is not None
    return -reach[-1]


def prototypes(frames: Sequence[Tensor], tokens: Sequence[int]) -> dict[int, Tensor]:
    """For each token that occurs, in order, the mean of its frames [d], scaled to unit length."""
    means = {
        token: torch.stack([z for z, t in zip(frames, tokens, strict=True) if t == token]).mean(0)
        for token in sorted(set(tokens))
    }
    return {token: mean / mean.norm() for token, mean in means.items()}


def matching_losses(
    prototype_of: dict[int, Tensor], codebook: Tensor, tau: float, w: Tensor | None, b: Tensor | float | None
) -> list[Tensor]:
    """-log softmax_k s(p, e_k) / tau of each prototype at its own codeword.

    s is the cosine without ``w`` and ``b``, else ``w . |p - e| + b``.
    """
    losses = []
    for token, p in prototype_of.items():
        scores = torch.stack([p @ e if w is None or b is None else w @ (p - e).abs() + b for e in codebook]) / tau
        losses.append(scores.logsumexp(0) - scores[token])
    return losses
