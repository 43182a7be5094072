"""Robustness curves: how retrieval falls as the query gets noisier, faster or slower, higher or lower.

Every protocol has all axes; noise has one in a quiet and one in a reverberant room. Views that belong to the protocol
(tempo and semitones of hums) are reused, with all queries; for the others a subset of the queries asks, the same for
every system and factor.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from wav2tok.config.schema import Evaluate
from wav2tok.evaluation.retrieval.metrics import METRICS
from wav2tok.evaluation.retrieval.protocol import Task, View

NEUTRAL = {"SNR": math.inf, "TS": 1.0, "PS": 0.0}
"""The factor at which a view is the query itself, by the kind of view; in a room it never is."""

Ask = Callable[[View, np.ndarray], Mapping[str, np.ndarray]]


@dataclass(frozen=True)
class Curve:
    """Retrieval along one axis.

    Attributes:
        kind: SNR, ROOM, TS or PS.
        factors: F of them, ascending, among them `NEUTRAL` for the unchanged query where the protocol asks with it.
        queries: their number, the same at every factor.
        scores: system -> float [F, M], means over the queries, in the order of
            `wav2tok.evaluation.retrieval.metrics.METRICS`.
    """

    kind: str
    factors: tuple[float, ...]
    queries: int
    scores: dict[str, np.ndarray]

    def values(self, system: str, metric: str) -> list[float]:
        """One metric of a system, by factor."""
        return self.scores[system][:, METRICS.index(metric)].tolist()


def measure(
    task: Task, settings: Evaluate, seed: int, known: Mapping[View, Mapping[str, np.ndarray]], ask: Ask
) -> dict[str, Curve]:
    """The curves of a task, by kind of view: one for each kind with factors, none if ``curve_queries`` is 0.

    Args:
        task: of Q queries.
        seed: chooses the queries that ask.
        known: for each view of the protocol, system -> scores [Q, M] of all queries.
        ask: a view and the rows of q queries (int [q], into ``task.queries``) -> system -> scores [q, M].
    """
    if not settings.curve_queries:
        return {}
    axes = {
        "SNR": tuple(View("SNR", level) for level in settings.snr_db),
        "ROOM": tuple(View("ROOM", level) for level in (*settings.room_snr_db, math.inf))
        if settings.room_snr_db
        else (),
        "TS": tuple(View("TS", tempo) for tempo in settings.tempos),
        "PS": tuple(View("PS", float(step)) for step in settings.semitones),
    }
    return {kind: _curve(views, drawn(task, settings, seed), known, ask) for kind, views in axes.items() if views}


def drawn(task: Task, settings: Evaluate, seed: int) -> np.ndarray:
    """The rows of the queries that ask for the curves, int [q], ascending: at most ``settings.curve_queries``."""
    count = len(task.queries)
    if count <= settings.curve_queries:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, settings.curve_queries, replace=False))


def _curve(views: Sequence[View], rows: np.ndarray, known: Mapping[View, Mapping[str, np.ndarray]], ask: Ask) -> Curve:
    """One axis, with all queries if all its views are known, else with those in ``rows``."""
    whole = all(view in known for view in views)
    by_factor = {view.factor: known[view] if whole else ask(view, rows) for view in views}
    unchanged = known.get(View("V"))
    if unchanged is not None and views[0].kind in NEUTRAL:
        by_factor[NEUTRAL[views[0].kind]] = (
            unchanged if whole else {name: scores[rows] for name, scores in unchanged.items()}
        )
    factors = sorted(by_factor)
    first = by_factor[factors[0]]
    return Curve(
        kind=views[0].kind,
        factors=tuple(factors),
        queries=len(next(iter(first.values()))),
        scores={name: np.stack([by_factor[factor][name].mean(axis=0) for factor in factors]) for name in first},
    )
