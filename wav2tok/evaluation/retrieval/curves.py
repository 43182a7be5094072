"""Robustness curves: how retrieval falls as the query gets noisier, faster or slower, higher or lower.

Every protocol has all three axes. Views that the protocol asks with in any case (tempo and semitones of hums) are
taken from there, all queries; the others are asked with some queries, the same for every system and factor.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from wav2tok.config.schema import Evaluate
from wav2tok.evaluation.retrieval.protocol import Task, View

# The factor at which a view is the query itself.
NEUTRAL = {"SNR": math.inf, "TS": 1.0, "PS": 0.0}

Ask = Callable[[View, np.ndarray], Mapping[str, np.ndarray]]


@dataclass(frozen=True)
class Curve:
    """Retrieval along one axis.

    Attributes:
        kind: SNR, TS or PS.
        factors: F of them, rising; the untouched query is among them as `NEUTRAL`, where the protocol asks with it.
        queries: how many asked, the same at every factor.
        scores: system -> float [F, M], means over the queries, in the order of `metrics.METRICS`.
    """

    kind: str
    factors: tuple[float, ...]
    queries: int
    scores: dict[str, np.ndarray]


def measure(
    task: Task, settings: Evaluate, seed: int, known: Mapping[View, Mapping[str, np.ndarray]], ask: Ask
) -> dict[str, Curve]:
    """The curves of a task, by kind; one without factors, or all if ``curve_queries`` is 0, are left out.

    Args:
        task: of Q queries.
        seed: decides which ask.
        known: for the views that all asked with: system -> scores [Q, M].
        ask: a view and the rows of q queries (int [q], into ``task.queries``) -> system -> scores [q, M].
    """
    if not settings.curve_queries:
        return {}
    asked = {
        "SNR": tuple(View("SNR", level) for level in settings.snr_db),
        "TS": tuple(View("TS", tempo) for tempo in settings.tempos),
        "PS": tuple(View("PS", float(step)) for step in settings.semitones),
    }
    return {kind: _curve(views, drawn(task, settings, seed), known, ask) for kind, views in asked.items() if views}


def drawn(task: Task, settings: Evaluate, seed: int) -> np.ndarray:
    """The rows of the queries that ask for the curves, int [q], rising; all where there are no more than allowed."""
    count = len(task.queries)
    if count <= settings.curve_queries:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, settings.curve_queries, replace=False))


def _curve(views: Sequence[View], rows: np.ndarray, known: Mapping[View, Mapping[str, np.ndarray]], ask: Ask) -> Curve:
    """One axis: by all queries if all its views are known, else by those in ``rows``."""
    whole = all(view in known for view in views)
    found = {view.factor: known[view] if whole else ask(view, rows) for view in views}
    untouched = known.get(View("V"))
    if untouched is not None:
        found[NEUTRAL[views[0].kind]] = (
            untouched if whole else {name: scores[rows] for name, scores in untouched.items()}
        )
    factors = sorted(found)
    first = found[factors[0]]
    return Curve(
        kind=views[0].kind,
        factors=tuple(factors),
        queries=len(next(iter(first.values()))),
        scores={name: np.stack([found[factor][name].mean(axis=0) for factor in factors]) for name in first},
    )
