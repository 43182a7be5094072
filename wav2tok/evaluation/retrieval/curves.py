"""Robustness curves: how retrieval falls as the query gets noisier, faster or slower, higher or lower.

Every protocol has all axes; noise has one in a quiet and one in a reverberant room. Views that belong to the protocol
(tempo and semitones of hums) are reused, with all queries; for the others a subset of the queries asks, the same for
every system and factor.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from wav2tok.config.schema import Evaluate
from wav2tok.evaluation.retrieval.metrics import METRICS
from wav2tok.evaluation.retrieval.protocol import Task, View

NEUTRAL = {"SNR": math.inf, "TS": 1.0, "PS": 0.0}
"""The factor at which a view is the query itself, by the kind of view; in a room it never is."""

Scores = Mapping[str, np.ndarray]
"""System -> float [Q, M]."""
Ask = Callable[[Sequence[View], np.ndarray], Iterable[Scores]]


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


def measure(task: Task, settings: Evaluate, seed: int, known: Mapping[View, Scores], ask: Ask) -> dict[str, Curve]:
    """The curves of a task, by kind of view: one for each kind with factors, none if ``curve_queries`` is 0.

    Args:
        task: of Q queries.
        seed: chooses the queries that ask.
        known: for each view of the protocol, the scores of all queries.
        ask: views and the rows of q queries (int [q], into ``task.queries``) -> their scores under each view.
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
    rows = drawn(task, settings, seed)
    # An axis that the protocol does not have as a whole asks for all its views with the chosen queries.
    whole = {kind for kind, views in axes.items() if all(view in known for view in views)}
    unknown = [view for kind, views in axes.items() if kind not in whole for view in views]
    asked = dict(zip(unknown, ask(unknown, rows), strict=True))
    some = {view: {name: scores[rows] for name, scores in of.items()} for view, of in known.items()} | asked
    return {kind: _curve(views, known if kind in whole else some) for kind, views in axes.items() if views}


def drawn(task: Task, settings: Evaluate, seed: int) -> np.ndarray:
    """The rows of the queries that ask for the curves, int [q], ascending: at most ``settings.curve_queries``."""
    count = len(task.queries)
    if count <= settings.curve_queries:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, settings.curve_queries, replace=False))


def _curve(views: Sequence[View], scores: Mapping[View, Scores]) -> Curve:
    """One axis; the unchanged query stands on it where the protocol asks with it."""
    by_factor = {view.factor: scores[view] for view in views}
    if View("V") in scores and views[0].kind in NEUTRAL:
        by_factor[NEUTRAL[views[0].kind]] = scores[View("V")]
    factors = sorted(by_factor)
    first = by_factor[factors[0]]
    return Curve(
        kind=views[0].kind,
        factors=tuple(factors),
        queries=len(next(iter(first.values()))),
        scores={name: np.stack([by_factor[factor][name].mean(axis=0) for factor in factors]) for name in first},
    )
