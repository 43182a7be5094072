"""The baselines: DTW over log-mel frames and over MFCC, k-means of log-mel frames, melodies, and pretrained models.

`wav2tok.evaluation.melody` and `wav2tok.evaluation.pretrained` hold the last two. Features of the others:
torchaudio's, n_fft 1024, hop 256, 64 mel bands; 13 MFCC with first and second differences (39); every coefficient at
mean 0 and variance 1 in each recording. DTW uses every frame: at 1 ns a cell there is no need to skip.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from wav2tok.evaluation.dtw import dtw_distances
from wav2tok.evaluation.melody import melody_systems
from wav2tok.evaluation.systems import Represent, System
from wav2tok.matching import deduplicate, edit_distances

if TYPE_CHECKING:
    import torch

N_FFT, HOP, N_MELS, N_MFCC = 1024, 256, 64, 13
# Below any recording's noise: 16-bit silence gives less, and is the same everywhere.
_FLOOR = 1e-6
_KMEANS_FRAMES = 50_000


def log_mel(sample_rate: int) -> Represent:
    """A function from waveforms, float32 [N] at ``sample_rate``, to normalised log-mel frames, float32 [T, 64]."""
    import torch
    import torchaudio

    bands = torchaudio.transforms.MelSpectrogram(sample_rate, n_fft=N_FFT, hop_length=HOP, n_mels=N_MELS)

    def represent(waveforms: list[np.ndarray]) -> list[np.ndarray]:
        with torch.inference_mode():
            return [_normalize(torch.log(bands(_padded(waveform)) + _FLOOR)) for waveform in waveforms]

    return represent


def mfcc(sample_rate: int) -> Represent:
    """A function from waveforms, float32 [N] at ``sample_rate``, to normalised MFCC and deltas, float32 [T, 39]."""
    import torch
    import torchaudio

    options = {"n_fft": N_FFT, "hop_length": HOP, "n_mels": N_MELS}
    cepstrum = torchaudio.transforms.MFCC(sample_rate, n_mfcc=N_MFCC, log_mels=True, melkwargs=options)
    deltas = torchaudio.functional.compute_deltas

    def represent(waveforms: list[np.ndarray]) -> list[np.ndarray]:
        found = []
        with torch.inference_mode():
            for waveform in waveforms:
                static = cepstrum(_padded(waveform))
                found.append(_normalize(torch.cat([static, deltas(static), deltas(deltas(static))])))
        return found

    return represent


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


def baseline_systems(train: Sequence[np.ndarray], num_tokens: int, sample_rate: int, seed: int) -> list[System]:
    """The baselines in the table's order; those by k-means learn ``num_tokens`` centroids from the training waveforms.

    Pretrained models whose weights are not on disk are left out: `wav2tok.evaluation.pretrained.absent` names them.

    Raises:
        UserError: weights of a pretrained model that cannot be read.
    """
    from wav2tok.evaluation.pretrained import pretrained_systems  # here, because it builds on this module

    bands = log_mel(sample_rate)
    centroids = kmeans(training_frames(bands, train, np.random.default_rng(seed)), num_tokens, seed)
    return [
        System("kmeans_logmel", "k-means of log-mel, edit distance", nearest(bands, centroids), edit_distances),
        System("logmel_dtw", "log-mel, DTW", bands, dtw_distances),
        System("mfcc_dtw", "MFCC, DTW", mfcc(sample_rate), dtw_distances),
        *melody_systems(sample_rate),
        *pretrained_systems(train, num_tokens, sample_rate, seed),
    ]


def _padded(waveform: np.ndarray) -> "torch.Tensor":
    """The waveform as a tensor [N], with silence after it if it is shorter than one window."""
    import torch

    waveform = np.pad(waveform, (0, max(0, N_FFT - len(waveform))))
    return torch.from_numpy(np.ascontiguousarray(waveform, dtype=np.float32))


def _normalize(features: "torch.Tensor") -> np.ndarray:
    """A tensor [F, T] -> float32 [T, F], each coefficient at mean 0 and variance 1 over the recording."""
    features = features - features.mean(dim=1, keepdim=True)
    return (features / features.std(dim=1, keepdim=True, correction=0).clamp_min(1e-5)).T.contiguous().numpy()
