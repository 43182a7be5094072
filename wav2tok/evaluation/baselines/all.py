"""All baselines: DTW over log-mel and MFCC frames, k-means of log-mel frames, melodies, and pretrained models."""

from collections.abc import Sequence

import numpy as np

from wav2tok.evaluation.baselines.dtw import dtw_distances
from wav2tok.evaluation.baselines.frames import log_mel, mfcc
from wav2tok.evaluation.baselines.kmeans import kmeans, nearest, training_frames
from wav2tok.evaluation.baselines.melody import melody_systems
from wav2tok.evaluation.baselines.pretrained import pretrained_systems
from wav2tok.evaluation.systems import Representation, System
from wav2tok.matching.distances import edit_distances


def baseline_systems(train: Sequence[np.ndarray], num_tokens: int, sample_rate: int, seed: int) -> list[System]:
    """The baselines in the order of the table; those by k-means learn ``num_tokens`` centroids from ``train``.

    Pretrained models whose weights are not on disk are omitted; `wav2tok.evaluation.baselines.pretrained.absent`
    names them.

    Args:
        train: waveforms, float32 [N] at ``sample_rate``.

    Raises:
        UserError: weights of a pretrained model that cannot be read.
    """
    bands = log_mel(sample_rate)
    centroids = kmeans(training_frames(bands, train, np.random.default_rng(seed)), num_tokens, seed)
    tokens = Representation("kmeans_logmel", nearest(bands, centroids))
    return [
        System("kmeans_logmel", "k-means of log-mel, edit distance", tokens, edit_distances),
        System("logmel_dtw", "log-mel, DTW", Representation("logmel", bands), dtw_distances),
        System("mfcc_dtw", "MFCC, DTW", Representation("mfcc", mfcc(sample_rate)), dtw_distances),
        *melody_systems(sample_rate),
        *pretrained_systems(train, num_tokens, sample_rate, seed),
    ]
