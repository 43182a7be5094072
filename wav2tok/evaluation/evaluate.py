"""The evaluation: every system on every view of the test recordings, by one protocol.

Recordings are read once and kept; views are made, represented, matched and let go one factor at a time, so memory is
that of the test recordings and their features.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from wav2tok import audio
from wav2tok.config import Config
from wav2tok.corpus.splits import Recordings
from wav2tok.errors import UserError
from wav2tok.evaluation import metrics, protocol, tokens, views
from wav2tok.evaluation.baselines import baseline_systems
from wav2tok.evaluation.metrics import METRICS, Estimate
from wav2tok.evaluation.protocol import View
from wav2tok.evaluation.systems import Represent, System, tokenizer_systems

# What the k-means baseline learns from: about two thousand words, more than its frames are drawn from.
_KMEANS_RECORDINGS = 1000


@dataclass
class Cost:
    """What a system took: representing and matching apart, on this machine, all cores."""

    encode_speed: float = 0.0
    """Seconds of audio represented in a second."""
    search_ms: float = 0.0
    """Milliseconds to compare one query with the whole database."""


@dataclass
class Result:
    """What the evaluation found. S systems, each under its name; M metrics as in `METRICS`."""

    protocol: str
    text: str
    recordings: int
    queries: int
    left_out: int
    database: float
    """Candidates a query, on average."""
    bootstrap: int
    num_tokens: int
    labels: dict[str, str]
    views: tuple[View, ...]
    scores: dict[str, dict[str, dict[str, Estimate]]] = field(default_factory=dict)
    """System -> kind of view -> metric -> estimate, all factors of a kind pooled."""
    factors: dict[str, np.ndarray] = field(default_factory=dict)
    """System -> float [V, M], each view's means."""
    ranks: dict[str, np.ndarray] = field(default_factory=dict)
    """System -> int [V, Q], rank of the first relevant answer; 0 when none was retrieved."""
    query_paths: tuple[str, ...] = ()
    tokens: dict[str, float] = field(default_factory=dict)
    token_counts: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    cost: dict[str, Cost] = field(default_factory=dict)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of view, each once, in order."""
        return tuple(dict.fromkeys(view.kind for view in self.views))

    def asked(self, kind: str) -> int:
        """How many queries a kind of view pools."""
        return self.queries * sum(view.kind == kind for view in self.views)


def evaluate(
    train: Recordings,
    test: Recordings,
    encode: Represent,
    codebook: np.ndarray,
    untrained_encode: Represent,
    config: Config,
    progress: Callable[[str], object] = print,
) -> Result:
    """Judge a tokenizer beside the baselines.

    Args:
        train: what the k-means baseline learns from.
        test: recordings that no system has seen.
        encode: waveforms float32 [N] at ``data.sample_rate`` -> de-duplicated tokens, int [L].
        codebook: [K, d].
        untrained_encode: as ``encode``, of an encoder with random weights.
        config: ``data``, ``evaluate`` and ``seed`` are read.
        progress: is told what is being done, a line a step.

    Raises:
        UserError: an unreadable recording, an empty training set, or a protocol that fits no query.
    """
    task = protocol.build(test, config.evaluate)
    if not train.paths:
        raise UserError("No training recordings, which the k-means baseline learns from; split the data anew.")
    rate, generator = config.data.sample_rate, np.random.default_rng(config.seed)
    progress(f"reading {len(test.paths)} test recordings; protocol {task.protocol}: {task.text}")
    waveforms = [audio.read(path, rate) for path in test.paths]
    chosen = np.arange(len(train.paths))
    if len(chosen) > _KMEANS_RECORDINGS:
        chosen = np.sort(generator.choice(chosen, _KMEANS_RECORDINGS, replace=False))
    progress(f"k-means of log-mel frames of {len(chosen)} training recordings")
    systems = tokenizer_systems(encode, codebook, untrained_encode)
    systems += baseline_systems([audio.read(train.paths[i], rate) for i in chosen], len(codebook), rate, config.seed)

    seconds = sum(map(len, waveforms)) / rate
    database, speeds = _represent_all(systems, waveforms, seconds, progress)
    scores: dict[str, list[np.ndarray]] = {system.name: [] for system in systems}
    ranks: dict[str, list[np.ndarray]] = {system.name: [] for system in systems}
    searching = dict.fromkeys(scores, 0.0)
    changed: dict[str, list[list[np.ndarray]]] = {}
    for view in task.views:
        progress(_describe(view, len(task.queries), len(systems)))
        asking = _ask(systems, database, [waveforms[i] for i in task.queries], task.queries, view, rate)
        if view.kind != "V":
            changed.setdefault(view.kind, []).append(asking[id(encode)])
        for system in systems:
            held = database[id(system.represent)]
            started = time.perf_counter()
            distances = system.distances(asking[id(system.represent)], held)
            searching[system.name] += time.perf_counter() - started
            order = metrics.rank(distances, task.candidates)
            scores[system.name].append(metrics.query_scores(order, task.relevant))
            ranks[system.name].append(metrics.first_ranks(order, task.relevant))

    result = Result(
        protocol=task.protocol,
        text=task.text,
        recordings=len(waveforms),
        queries=len(task.queries),
        left_out=task.left_out,
        database=float(task.candidates.sum(axis=1).mean()),
        bootstrap=config.evaluate.bootstrap,
        num_tokens=len(codebook),
        labels={system.name: system.label for system in systems},
        views=task.views,
        query_paths=tuple(test.paths[i] for i in task.queries),
    )
    asked = len(task.views) * len(task.queries)
    for system in systems:
        every = np.stack(scores[system.name])  # [V, Q, M]
        result.factors[system.name] = every.mean(axis=1)
        result.ranks[system.name] = np.stack(ranks[system.name])
        result.cost[system.name] = Cost(speeds[id(system.represent)], 1000 * searching[system.name] / asked)
        result.scores[system.name] = {
            kind: _estimates(every[[view.kind == kind for view in task.views]], config) for kind in task.kinds
        }
    strings = database[id(encode)]
    same = task.relevant & (task.protocol != "self")
    other = task.candidates & ~task.relevant
    result.tokens = tokens.measure(strings, seconds, len(codebook), task.queries, same, other, changed)
    result.token_counts = tokens.count(strings, len(codebook))
    return result


def _represent_all(
    systems: list[System], waveforms: list[np.ndarray], seconds: float, progress: Callable[[str], object]
) -> tuple[dict[int, list[np.ndarray]], dict[int, float]]:
    """Each distinct `represent` (by id) applied to the recordings, and its speed in seconds of audio a second."""
    database: dict[int, list[np.ndarray]] = {}
    speeds: dict[int, float] = {}
    for system in systems:
        key = id(system.represent)
        if key not in database:
            progress(f"representing {len(waveforms)} recordings: {system.label}")
            system.represent(waveforms[:1])  # what is built at the first call is not the speed
            started = time.perf_counter()
            database[key] = system.represent(waveforms)
            speeds[key] = seconds / (time.perf_counter() - started)
        system.distances(database[key][:1], database[key][:1])  # likewise, numba's compilation
    return database, speeds


def _ask(
    systems: list[System],
    database: dict[int, list[np.ndarray]],
    waveforms: list[np.ndarray],
    queries: np.ndarray,
    view: View,
    sample_rate: int,
) -> dict[int, list[np.ndarray]]:
    """The Q queries as ``view`` asks with them, by each distinct `represent`; untouched ones are there already."""
    if view.kind == "V":
        return {key: [held[i] for i in queries] for key, held in database.items()}
    changed = [views.make(waveform, view, sample_rate) for waveform in waveforms]
    represents = {id(system.represent): system.represent for system in systems}
    return {key: represent(changed) for key, represent in represents.items()}


def _estimates(scores: np.ndarray, config: Config) -> dict[str, Estimate]:
    """Estimates of [V, Q, M]; the same draws of recordings for every system and view, so that they compare."""
    found = metrics.bootstrap(scores, config.evaluate.bootstrap, np.random.default_rng(config.seed))
    return dict(zip(METRICS, found, strict=True))


def _describe(view: View, queries: int, systems: int) -> str:
    how = {"V": "as they are", "TS": f"at tempo {view.factor:g}", "PS": f"{view.factor:+g} semitones"}[view.kind]
    return f"matching {queries} queries, {how}, by {systems} systems"
