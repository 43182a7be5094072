"""A map of token strings: points in the plane, near to each other where the strings are.

Edit distances between unrelated strings are all about the same, so no plane can keep them: classical scaling puts the
classes that are left over in one heap. The map therefore keeps neighbours, by t-SNE (van der Maaten and Hinton,
Visualizing Data using t-SNE, 2008), and starts from classical scaling (Torgerson, Multidimensional Scaling, 1952), so
that it is the same every time. Of large collections, a part is laid out so, and the others stand among the nearest
of it.
"""

from collections.abc import Sequence

import numpy as np

from wav2tok.matching.distances import edit_distances

LANDMARKS = 500
"""Strings that are laid out exactly; time and memory grow with the square."""
NEIGHBOURS = 3
"""Landmarks that a further string stands among."""
_STEPS, _EARLY = 400, 100
_LARGEST_PERPLEXITY = 15.0
_AT_ONCE = 2000


def layout(strings: Sequence[np.ndarray], landmarks: int = LANDMARKS) -> np.ndarray:
    """Where strings stand on a map.

    Args:
        strings: N token strings, int [L] each; one may be empty, and is then far from all.
        landmarks: how many are laid out exactly, evenly taken from the strings.

    Returns:
        float64 [N, 2] within [-1, 1].
    """
    count = len(strings)
    chosen = np.unique(np.linspace(0, count - 1, min(count, landmarks)).round().astype(int))
    placed = [strings[i] for i in chosen]
    points = np.zeros((count, 2))
    points[chosen] = neighbours_kept(_finite(edit_distances(placed, placed)))
    others = np.setdiff1d(np.arange(count), chosen)
    for part in np.split(others, range(_AT_ONCE, len(others), _AT_ONCE)):
        distances = _finite(edit_distances([strings[i] for i in part], placed))
        points[part] = _among(distances, points[chosen])
    return points


def classical(distances: np.ndarray) -> np.ndarray:
    """Classical scaling: the plane that keeps squared distances best.

    Args:
        distances: float64 [N, N], symmetric.

    Returns:
        float64 [N, 2]; zeros where the distances span fewer dimensions. The largest entry of each column is positive.
    """
    count = len(distances)
    points = np.zeros((count, 2))
    if count < 2:
        return points
    squared = distances**2
    centred = -0.5 * (squared - squared.mean(axis=0) - squared.mean(axis=1)[:, None] + squared.mean())
    values, vectors = np.linalg.eigh(centred)
    found = vectors[:, -2:][:, ::-1] * np.sqrt(np.maximum(values[-2:][::-1], 0.0))
    signs = np.sign(found[np.abs(found).argmax(axis=0), np.arange(found.shape[1])])
    points[:, : found.shape[1]] = found * np.where(signs == 0, 1.0, signs)
    return points


def neighbours_kept(distances: np.ndarray) -> np.ndarray:
    """t-SNE of a matrix of distances from its classical scaling; float64 [N, N] -> [N, 2] within [-1, 1]."""
    count = len(distances)
    points = classical(distances)
    if count > 4:
        near = _affinities(distances, min(_LARGEST_PERPLEXITY, (count - 1) / 3))
        points = 1e-2 * points / max(float(points.std()), 1e-12)
        speed, gains = np.zeros_like(points), np.ones_like(points)
        rate = max(count / 12.0, 10.0)
        for step in range(_STEPS):
            early = step < _EARLY
            gradient = _gradient(near * (4.0 if early else 1.0), points)
            gains = np.maximum(np.where(np.sign(gradient) == np.sign(speed), 0.8 * gains, gains + 0.2), 0.01)
            speed = (0.5 if early else 0.8) * speed - rate * gains * gradient
            points = points + speed
            points -= points.mean(axis=0)
    return points / max(float(np.abs(points).max(initial=0.0)), 1e-12)


def _affinities(distances: np.ndarray, perplexity: float) -> np.ndarray:
    """How much each string is a neighbour of each other, [N, N], symmetric, of sum 1.

    Every string has about ``perplexity`` neighbours: the width of its Gaussian is found by bisection.
    """
    squared = distances**2
    np.fill_diagonal(squared, np.inf)
    squared -= squared.min(axis=1, keepdims=True)  # nothing changes but that no row underflows to zeros
    low, high = np.full((len(squared), 1), 1e-6), np.full((len(squared), 1), 1e6)
    for _ in range(60):
        precision = np.sqrt(low * high)
        weights = np.exp(-squared * precision)
        total = weights.sum(axis=1, keepdims=True)
        share = weights / total
        entropy = -(share * np.log(np.maximum(share, 1e-300))).sum(axis=1, keepdims=True)
        wide = entropy > np.log(perplexity)
        low, high = np.where(wide, precision, low), np.where(wide, high, precision)
    return (share + share.T) / (2 * len(share))


def _gradient(near: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The gradient of the divergence between ``near`` [N, N] and the neighbourhoods of ``points`` [N, 2]."""
    square = (points**2).sum(axis=1)
    closeness = 1.0 / (1.0 + np.maximum(square[:, None] + square - 2.0 * points @ points.T, 0.0))
    np.fill_diagonal(closeness, 0.0)
    pull = (near - closeness / closeness.sum()) * closeness
    return 4.0 * (pull.sum(axis=1)[:, None] * points - pull @ points)


def _among(distances: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Where strings stand that are this far from the landmarks: float64 [M, N] and [N, 2] -> [M, 2]."""
    nearest = np.argsort(distances, axis=1, kind="stable")[:, :NEIGHBOURS]
    weights = 1.0 / (np.take_along_axis(distances, nearest, axis=1) + 1e-3) ** 4
    return (points[nearest] * weights[..., None]).sum(axis=1) / weights.sum(axis=1, keepdims=True)


def _finite(distances: np.ndarray) -> np.ndarray:
    """Distances in which an empty string is at 1 from all others."""
    return np.where(np.isfinite(distances), distances, 1.0)
