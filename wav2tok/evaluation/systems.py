"""A system that retrieves: what it makes of a recording, and how it compares two of those.

Systems that share one `represent` (the same object) are encoded once; `wav2tok.evaluation.evaluate` sees to it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from wav2tok.matching import centroid_dtw_distances, edit_distances, weighted_edit_distances

Represent = Callable[[list[np.ndarray]], list[np.ndarray]]


@dataclass(frozen=True)
class System:
    """A named way to retrieve.

    Attributes:
        name: as in metrics.json and ``gate.beat``.
        label: as in tables and plots.
        represent: waveforms float32 [N] at ``data.sample_rate`` -> a representation each.
        distances: Q and D representations -> float [Q, D], ``inf`` for what cannot match.
    """

    name: str
    label: str
    represent: Represent
    distances: Callable[[Sequence[np.ndarray], Sequence[np.ndarray]], np.ndarray]


def tokenizer_systems(encode: Represent, codebook: np.ndarray, untrained_encode: Represent) -> list[System]:
    """The tokenizer in its three forms of matching, plain first (the one that the gate judges), and untrained.

    Args:
        encode: waveforms -> de-duplicated tokens, int [L].
        codebook: [K, d], the centroids that belong to ``encode``.
        untrained_encode: the same of an encoder with random weights and k-means.
    """
    return [
        System("wav2tok", "wav2tok, edit distance", encode, edit_distances),
        System(
            "wav2tok_weighted",
            "wav2tok, weighted edit distance",
            encode,
            lambda queries, database: weighted_edit_distances(queries, database, codebook),
        ),
        System(
            "wav2tok_centroid_dtw",
            "wav2tok, centroid DTW",
            encode,
            lambda queries, database: centroid_dtw_distances(queries, database, codebook),
        ),
        System("untrained", "untrained encoder, edit distance", untrained_encode, edit_distances),
    ]
