"""A system that retrieves: what it makes of a recording, and how it compares two of those; and the bench for many.

Systems that share one `represent` (the same object) are encoded once.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from wav2tok.evaluation import views
from wav2tok.evaluation.protocol import Task, View
from wav2tok.matching import centroid_dtw_distances, edit_distances, weighted_edit_distances

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


@dataclass(frozen=True)
class Cost:
    """What a system took: representing and matching apart, on this machine, all cores."""

    encode_speed: float
    """Seconds of audio represented in a second."""
    search_ms: float
    """Milliseconds to compare one query with the whole database."""


@dataclass
class Bench:
    """What every question is put to: the systems, and the N test recordings as each represents them."""

    task: Task
    systems: list[System]
    waveforms: list[np.ndarray]
    """The N recordings, float32 [n]."""
    voices: list[np.ndarray]
    """Training recordings that babble is made of, as `views.sounding` gives them."""
    sample_rate: int
    seed: int
    database: dict[int, list[np.ndarray]] = field(default_factory=dict)
    """By the id of a `represent`, the N representations."""
    _representing: dict[int, float] = field(default_factory=dict)
    _searching: dict[str, float] = field(default_factory=dict)
    _asked: int = 0

    @property
    def seconds(self) -> float:
        """The duration of the recordings."""
        return sum(map(len, self.waveforms)) / self.sample_rate

    def represent(self, progress: Callable[[str], object]) -> None:
        """Fill the database; before that, no question can be put."""
        for system in self.systems:
            key = id(system.represent)
            if key not in self.database:
                progress(f"representing {len(self.waveforms)} recordings: {system.label}")
                system.represent(self.waveforms[:1])  # what is built at the first call is not the speed
                started = time.perf_counter()
                self.database[key] = system.represent(self.waveforms)
                self._representing[key] = time.perf_counter() - started
            system.distances(self.database[key][:1], self.database[key][:1])  # likewise, numba's compilation
            self._searching[system.name] = 0.0

    def ask(self, view: View, rows: np.ndarray) -> dict[int, list[np.ndarray]]:
        """The queries in ``rows`` (int [q], into ``task.queries``) as ``view`` asks with them, by each `represent`."""
        queries = self.task.queries[rows]
        if view.kind == "V":  # is there already
            return {key: [held[i] for i in queries] for key, held in self.database.items()}
        changed = [self._changed(int(i), view) for i in queries]
        represents = {id(system.represent): system.represent for system in self.systems}
        return {key: represent(changed) for key, represent in represents.items()}

    def match(self, asking: dict[int, list[np.ndarray]]) -> Iterator[tuple[System, np.ndarray]]:
        """Every system with its distances from what `ask` gave to the database, float [q, N]."""
        self._asked += len(next(iter(asking.values())))
        for system in self.systems:
            key = id(system.represent)
            started = time.perf_counter()
            distances = system.distances(asking[key], self.database[key])
            self._searching[system.name] += time.perf_counter() - started
            yield system, distances

    def cost(self, system: System) -> Cost:
        """What ``system`` has taken so far."""
        speed = self.seconds / self._representing[id(system.represent)]
        return Cost(speed, 1000 * self._searching[system.name] / self._asked)

    def _changed(self, index: int, view: View) -> np.ndarray:
        """A recording as ``view`` says; its babble is the same at every SNR, and for every system."""
        waveform, noise = self.waveforms[index], None
        if view.kind == "SNR":
            noise = views.babble(self.voices, len(waveform), np.random.default_rng((self.seed, index)))
        return views.make(waveform, view, self.sample_rate, noise)
