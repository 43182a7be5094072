"""A system that retrieves: what it makes of a recording, and how it compares two of those; and the bench for many.

Systems that share one `represent` (the same object) are encoded once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from wav2tok.matching.distances import centroid_dtw_distances, edit_distances, weighted_edit_distances

FORMS = ("wav2tok", "wav2tok_weighted", "wav2tok_centroid_dtw")
"""The tokenizer's forms of matching, plain edit distance first: the one that the gate judges."""
UNTRAINED = "untrained"

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


def asked_for(name: str, baselines: Sequence[str]) -> bool:
    """Whether ``evaluate.baselines`` has the baseline ``name`` among them."""
    return name in baselines or "all" in baselines


def untrained_system(encode: Represent) -> System:
    """The baseline that ``encode``, of an encoder with random weights and k-means, makes."""
    return System(UNTRAINED, "untrained encoder, edit distance", encode, edit_distances)


def tokenizer_systems(encode: Represent, codebook: np.ndarray) -> list[System]:
    """The tokenizer in its three `FORMS` of matching.

    Args:
        encode: waveforms -> de-duplicated tokens, int [L].
        codebook: [K, d], the centroids that belong to ``encode``.
    """
    plain, weighted, warped = FORMS
    return [
        System(plain, "wav2tok, edit distance", encode, edit_distances),
        System(
            weighted,
            "wav2tok, weighted edit distance",
            encode,
            lambda queries, database: weighted_edit_distances(queries, database, codebook),
        ),
        System(
            warped,
            "wav2tok, centroid DTW",
            encode,
            lambda queries, database: centroid_dtw_distances(queries, database, codebook),
        ),
    ]
