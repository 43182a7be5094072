"""Tokens by k-means of frames, which several baselines share."""

from collections.abc import Sequence

import numpy as np

from wav2tok.evaluation.systems import Represent
from wav2tok.matching.strings import deduplicate

_KMEANS_FRAMES = 50_000


def kmeans(frames: np.ndarray, num_tokens: int, seed: int) -> np.ndarray:
    """Centroids [K, F] of ``frames`` [N, F] by mini-batch k-means; K is ``num_tokens``, or N if that is fewer."""
    from sklearn.cluster import MiniBatchKMeans
    from threadpoolctl import threadpool_limits

    clusters = MiniBatchKMeans(min(num_tokens, len(frames)), batch_size=4096, n_init=3, random_state=seed)
    # Its threads and torch's wait for each other by spinning; on a busy machine one thread is several times faster.
    with threadpool_limits(1):
        return clusters.fit(frames).cluster_centers_.astype(np.float32)


def training_frames(
    represent: Represent, waveforms: Sequence[np.ndarray], generator: np.random.Generator
) -> np.ndarray:
    """At most `_KMEANS_FRAMES` frames, sampled from the frames of all waveforms, float32 [N, F]."""
    frames = np.concatenate(represent(list(waveforms)))
    if len(frames) > _KMEANS_FRAMES:
        frames = frames[generator.choice(len(frames), _KMEANS_FRAMES, replace=False)]
    return frames


def nearest_frames(represent: Represent, centroids: np.ndarray) -> Represent:
    """A function from waveforms to one token per frame, int [T]: the nearest centroid by Euclidean distance."""
    half_squares = (centroids**2).sum(axis=1) / 2

    def encode(waveforms: list[np.ndarray]) -> list[np.ndarray]:
        return [np.argmin(half_squares - frames @ centroids.T, axis=1) for frames in represent(waveforms)]

    return encode


def nearest(represent: Represent, centroids: np.ndarray) -> Represent:
    """`nearest_frames` with repeated tokens dropped, int [L]."""
    tokens = nearest_frames(represent, centroids)
    return lambda waveforms: [deduplicate(string) for string in tokens(waveforms)]
