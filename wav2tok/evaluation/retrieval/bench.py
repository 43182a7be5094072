"""The test recordings as each system represents them, and what that costs."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from wav2tok.evaluation.retrieval import views
from wav2tok.evaluation.retrieval.protocol import Task, View
from wav2tok.evaluation.systems import System
from wav2tok.progress import log


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

    def represent(self) -> None:
        """Fill the database; before that, no question can be put."""
        for system in self.systems:
            key = id(system.represent)
            if key not in self.database:
                log.info(f"representing {len(self.waveforms)} recordings: {system.label}")
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
