"""A system that retrieves: how it represents a recording, and how it compares two representations."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np

from wav2tok.matching.decoded import decoded_dtw_distances
from wav2tok.matching.distances import centroid_dtw_distances, edit_distances, weighted_edit_distances
from wav2tok.matching.hubs import WithoutHubs
from wav2tok.matching.local import local_distances
from wav2tok.matching.transposed import KEYS, transposed_distances

FORMS = ("wav2tok", "wav2tok_weighted", "wav2tok_centroid_dtw", "wav2tok_local", "wav2tok_decoded")
"""The tokenizer's forms of matching; the gate judges the first, plain edit distance."""
UNTRAINED = "untrained"

Represent = Callable[[list[np.ndarray]], list[np.ndarray]]


@dataclass(frozen=True)
class Representation:
    """A named function from waveforms, float32 [N] each, to one representation each.

    Systems that compare the same representations share one of these, and recordings are then represented once.
    """

    name: str
    function: Represent

    def __call__(self, waveforms: list[np.ndarray]) -> list[np.ndarray]:
        return self.function(waveforms)


class Represents(Protocol):
    """Anything that compares representations."""

    @property
    def represent(self) -> Representation: ...


@dataclass(frozen=True)
class System:
    """A named way to retrieve.

    Attributes:
        name: as in metrics.json and ``gate.beat``.
        label: as in tables and plots.
        represent: takes waveforms at ``data.sample_rate``.
        distances: Q and D representations -> float [Q, D], ``inf`` for what cannot match.
    """

    name: str
    label: str
    represent: Representation
    distances: Callable[[Sequence[np.ndarray], Sequence[np.ndarray]], np.ndarray]


def representations(systems: Iterable[Represents]) -> dict[str, Representation]:
    """The representations of all systems, each once, by name.

    Raises:
        ValueError: two different representations have the same name.
    """
    by_name: dict[str, Representation] = {}
    for system in systems:
        if by_name.setdefault(system.represent.name, system.represent) != system.represent:
            raise ValueError(f"two representations are named {system.represent.name!r}")
    return by_name


def is_selected(name: str, baselines: Sequence[str]) -> bool:
    """Whether ``evaluate.baselines`` selects the baseline ``name``."""
    return name in baselines or "all" in baselines


def tokenizer_systems(encode: Represent, codebook: np.ndarray, in_keys: bool = False) -> list[System]:
    """The tokenizer in its `FORMS` of matching, which all read the same strings.

    The last form also reads what lies near what in the database, but no label.

    Args:
        encode: waveforms -> de-duplicated tokens, int [L].
        codebook: [K, d], the centroids that belong to ``encode``.
        in_keys: whether local alignment tries several keys, which needs a codebook of melodies
            (`wav2tok.matching.transposed.is_transposable`).
    """
    plain, weighted, warped, local, decoded = FORMS
    tokens = Representation(plain, encode)
    align, how = (transposed_distances, f" in {KEYS} keys") if in_keys else (local_distances, "")
    return [
        System(plain, "wav2tok, edit distance", tokens, edit_distances),
        System(
            weighted, "wav2tok, weighted edit distance", tokens, partial(weighted_edit_distances, codebook=codebook)
        ),
        System(warped, "wav2tok, centroid DTW", tokens, partial(centroid_dtw_distances, codebook=codebook)),
        System(local, f"wav2tok, local alignment{how}", tokens, partial(align, codebook=codebook)),
        System(
            decoded,
            "wav2tok, decoded DTW without hubs",
            tokens,
            WithoutHubs(partial(decoded_dtw_distances, codebook=codebook)),
        ),
    ]
