"""Sung tunes, and a simple encoder of them."""

from functools import partial

import numpy as np

from tests import helpers
from wav2tok.audio import decode
from wav2tok.corpus.recordings import Recordings
from wav2tok.evaluation.baselines.frames import log_mel
from wav2tok.evaluation.baselines.kmeans import kmeans, nearest

RATE = 16000
tune = partial(helpers.tune, sample_rate=RATE, note_samples=RATE // 6, harmonics=16, noise=0.003)


def sung(root, singers, start=0):
    """Three tunes, one take by each singer: recordings below ``root``."""
    root.mkdir(parents=True, exist_ok=True)
    paths, classes = [], []
    for name, notes in {"up": (0, 4, 7, 12), "down": (14, 9, 5, 2), "turn": (3, 10, 3, 6)}.items():
        for seed, singer in enumerate(singers, start):
            paths.append(str(root / f"{singer}_{name}.wav"))
            classes.append(name)
            decode.write(paths[-1], tune(notes, seed), RATE)
    return Recordings(tuple(paths), tuple(classes))


SETTINGS = {
    "tempos": [0.8, 1.25],
    "semitones": [-2, 2],
    "snr_db": [20, 0],
    "room_snr_db": [],
    "curve_queries": 4,
    "bootstrap": 200,
    "baselines": ["untrained", "kmeans_logmel", "logmel_dtw", "mfcc_dtw"],
}


class Encoder:
    """An encoder by k-means that keeps the waveforms of each call."""

    def __init__(self, train, tokens=8):
        self.bands = log_mel(RATE)
        self.centroids = kmeans(
            np.concatenate(self.bands([decode.read(path, RATE) for path in train.paths])), tokens, 1
        )
        self.encode = nearest(self.bands, self.centroids)
        self.calls = []

    def __call__(self, waveforms):
        self.calls.append(waveforms)
        return self.encode(waveforms)
