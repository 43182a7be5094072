"""The baselines: DTW over log-mel frames and over MFCC, k-means of log-mel frames, melodies, and pretrained models.

`wav2tok.evaluation.baselines.melody` and `wav2tok.evaluation.baselines.pretrained` hold the last two. Features of
the others:
torchaudio's, n_fft 1024, hop 256, 64 mel bands; 13 MFCC with first and second differences (39); every coefficient at
mean 0 and variance 1 in each recording. DTW uses every frame: at 1 ns a cell there is no need to skip.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from wav2tok.evaluation.baselines.dtw import dtw_distances
from wav2tok.evaluation.baselines.frames import log_mel, mfcc
from wav2tok.evaluation.baselines.kmeans import kmeans, nearest, training_frames
from wav2tok.evaluation.baselines.melody import melody_systems
from wav2tok.evaluation.systems import System
from wav2tok.matching.distances import edit_distances

if TYPE_CHECKING:
    pass


def baseline_systems(train: Sequence[np.ndarray], num_tokens: int, sample_rate: int, seed: int) -> list[System]:
    """The baselines in the table's order; those by k-means learn ``num_tokens`` centroids from the training waveforms.

    Pretrained models whose weights are not on disk are left out: `wav2tok.evaluation.baselines.pretrained.absent`
    names them.

    Raises:
        UserError: weights of a pretrained model that cannot be read.
    """
    from wav2tok.evaluation.baselines.pretrained import pretrained_systems  # here, because it builds on this module

    bands = log_mel(sample_rate)
    centroids = kmeans(training_frames(bands, train, np.random.default_rng(seed)), num_tokens, seed)
    return [
        System("kmeans_logmel", "k-means of log-mel, edit distance", nearest(bands, centroids), edit_distances),
        System("logmel_dtw", "log-mel, DTW", bands, dtw_distances),
        System("mfcc_dtw", "MFCC, DTW", mfcc(sample_rate), dtw_distances),
        *melody_systems(sample_rate),
        *pretrained_systems(train, num_tokens, sample_rate, seed),
    ]
