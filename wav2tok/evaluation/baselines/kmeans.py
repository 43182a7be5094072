"""Tokens by k-means of frames."""

from collections.abc import Sequence

import numpy as np

from wav2tok.evaluation.systems import Represent
from wav2tok.matching.strings import deduplicate

_KMEANS_FRAMES = 50_000


def kmeans(frames: np.ndarray, num_tokens: int, seed: int) -> np.ndarray:
    """Centroids [K, F] of ``frames`` [N, F] by mini-batch k-means; fewer than ``num_tokens`` if frames are fewer."""
    from sklearn.cluster import MiniBatchKMeans
    from threadpoolctl import threadpool_limits

    clusters = MiniBatchKMeans(min(num_tokens, len(frames)), batch_size=4096, n_init=3, random_state=seed)
    # Its threads and torch's wait for each other by spinning: on a busy machine one thread is several times faster.
    with threadpool_limits(1):
        return clusters.fit(frames).cluster_centers_.astype(np.float32)


def training_frames(
    represent: Represent, waveforms: Sequence[np.ndarray], generator: np.random.Generator
) -> np.ndarray:
    """At most `_KMEANS_FRAMES` frames drawn from all of the waveforms' frames, float32 [N, F]."""
    frames = np.concatenate(represent(list(waveforms)))
    if len(frames) > _KMEANS_FRAMES:
        frames = frames[generator.choice(len(frames), _KMEANS_FRAMES, replace=False)]
    return frames


def nearest_frames(represent: Represent, centroids: np.ndarray) -> Represent:
    """A function from waveforms to a token a frame, its nearest centroid by Euclidean distance."""
    half_squares = (centroids**2).sum(axis=1) / 2

    def encode(waveforms: list[np.ndarray]) -> list[np.ndarray]:
        return [np.argmin(half_squares - frames @ centroids.T, axis=1) for frames in represent(waveforms)]

    return encode


def nearest(represent: Represent, centroids: np.ndarray) -> Represent:
    """As `nearest_frames`, repeats dropped."""
    tokens = nearest_frames(represent, centroids)
    return lambda waveforms: [deduplicate(string) for string in tokens(waveforms)]
