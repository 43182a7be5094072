"""The test recordings in each system's representation, and what representing and searching them cost."""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from wav2tok.audio import rooms
from wav2tok.evaluation.retrieval import views
from wav2tok.evaluation.retrieval.protocol import View
from wav2tok.evaluation.systems import System, representations
from wav2tok.progress import log


@dataclass(frozen=True)
class Cost:
    """The time that a system takes to represent and to search, on this machine with all cores."""

    encode_speed: float
    """Seconds of audio represented per second."""
    search_ms: float
    """Milliseconds to compare one query with the whole database, in the first view, beside which nothing runs."""


@dataclass
class Bench:
    """Runs queries against the N test recordings, for every system."""

    systems: list[System]
    waveforms: list[np.ndarray]
    """The N recordings, float32 [n]."""
    voices: list[np.ndarray]
    """Training recordings that babble is mixed from, as `rooms.sounding` returns them."""
    sample_rate: int
    seed: int
    database: dict[str, list[np.ndarray]] = field(default_factory=dict)
    """The N recordings, by the name of the representation."""
    distractors: dict[str, list[np.ndarray]] = field(default_factory=dict)
    """Recordings that are relevant to nothing, by the name of the representation."""
    _represent_seconds: dict[str, float] = field(default_factory=dict)
    """By the name of the representation."""
    _search_ms: dict[str, float] = field(default_factory=dict)
    """By the name of the system."""

    @property
    def seconds(self) -> float:
        """The duration of all recordings together."""
        return sum(map(len, self.waveforms)) / self.sample_rate

    def represent(self) -> None:
        """Fill the database, which `ask` and `match` read."""
        representations(self.systems)  # refuses two of one name
        for system in self.systems:
            represent = system.represent
            if represent.name not in self.database:
                log.info(f"representing {len(self.waveforms)} recordings: {system.label}")
                represent(self.waveforms[:1])  # the first call also builds and compiles, which is not timed
                # A list of its own: what another system has computed of the same recordings is not for this one.
                waveforms = list(self.waveforms)
                started = time.perf_counter()
                self.database[represent.name] = represent(waveforms)
                self._represent_seconds[represent.name] = time.perf_counter() - started
            database = self.database[represent.name]
            system.distances(database[:1], database)  # compiles, and weighs the database, before the search is timed

    def distract(self, waveforms: list[np.ndarray]) -> None:
        """Represent distractors, once for all views."""
        for name, represent in representations(self.systems).items():
            self.distractors[name] = represent(waveforms)

    def to_distractors(self, system: System, queries: dict[str, list[np.ndarray]]) -> np.ndarray:
        """The distances of the queries that `ask` returned to the D distractors, float [q, D]; they cost no time."""
        name = system.represent.name
        return system.distances(queries[name], self.distractors[name])

    def ask(self, view: View, queries: np.ndarray) -> dict[str, list[np.ndarray]]:
        """The recordings ``queries`` (int [q]) under ``view``, by name of the representation."""
        if view.kind == "V":  # the recordings themselves
            return {name: [database[i] for i in queries] for name, database in self.database.items()}
        changed = [self._changed(int(i), view) for i in queries]
        return {name: represent(changed) for name, represent in representations(self.systems).items()}

    def ask_all(self, wanted: Sequence[View], queries: np.ndarray) -> Iterator[dict[str, list[np.ndarray]]]:
        """What `ask` returns for each of the views, in turn.

        While the caller matches one, a thread prepares the next: much of the work of either keeps one core busy. The
        first of all is matched alone, because `match` times that.
        """
        with ThreadPoolExecutor(1) as ahead:
            coming = None
            for place, view in enumerate(wanted):
                found = self.ask(view, queries) if coming is None else coming.result()
                following = wanted[place + 1 : place + 2] if self._search_ms else ()
                coming = ahead.submit(self.ask, following[0], queries) if following else None
                yield found

    def match(self, queries: dict[str, list[np.ndarray]]) -> Iterator[tuple[System, np.ndarray]]:
        """Each system with its distances from the queries that `ask` returned to the database, float [q, N]."""
        for system in self.systems:
            name = system.represent.name
            started = time.perf_counter()
            distances = system.distances(queries[name], self.database[name])
            self._search_ms.setdefault(system.name, 1000 * (time.perf_counter() - started) / len(distances))
            yield system, distances

    def cost(self, system: System) -> Cost:
        """What ``system`` costs; `match` has been called."""
        speed = self.seconds / self._represent_seconds[system.represent.name]
        return Cost(speed, self._search_ms[system.name])

    def _changed(self, index: int, view: View) -> np.ndarray:
        """A recording changed as ``view`` says; its babble and room are the same at every SNR and for every system."""
        waveform, noise, response = self.waveforms[index], None, None
        if view.kind in ("SNR", "ROOM"):
            noise = rooms.babble(self.voices, len(waveform), np.random.default_rng((self.seed, index)))
        if view.kind == "ROOM":
            response = rooms.impulse_response(self.sample_rate, np.random.default_rng((self.seed, index, 1)))
        return views.make(waveform, view, self.sample_rate, noise, response)
