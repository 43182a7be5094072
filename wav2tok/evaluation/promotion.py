"""Whether a challenger takes the champion's place, from the scores of both on the same queries.

It does if all of this holds:

* there are enough queries;
* its gain, over all queries and views, is at least ``min_gain``, by the lower end of a one-sided bootstrap interval
  that resamples the queries, each with all its views;
* no kind of view and no class is significantly worse: Fisher's randomisation test, corrected by Holm's method for all
  views and classes together.

A class with so few queries that no result could be significant is not tested, and the clause says how many those are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wav2tok.config.schema import Register
from wav2tok.evaluation.clauses import Clause
from wav2tok.evaluation.retrieval.metrics import weights
from wav2tok.evaluation.retrieval.significance import DRAWS, holm, randomisation

if TYPE_CHECKING:
    from wav2tok.evaluation.paired import Measured

RESAMPLES = 10_000


@dataclass(frozen=True)
class Decision:
    """Whether a challenger wins.

    Attributes:
        clauses: the conditions, each with its figures.
        challenger, champion: their scores on the same queries; None if they were not compared.
        queries: how many queries both were compared by.
    """

    clauses: tuple[Clause, ...]
    challenger: float | None = None
    champion: float | None = None
    queries: int = 0

    @property
    def won(self) -> bool:
        """Whether all conditions are met."""
        return all(clause.met for clause in self.clauses)

    @property
    def why(self) -> str:
        """What decided, in one sentence: the first condition that is not met, or else the gain."""
        missed = [clause.sentence for clause in self.clauses if not clause.met]
        return (missed or [clause.sentence for clause in self.clauses if clause.name == "gain"])[0].rstrip(".")


def decide(challenger: "Measured", champion: "Measured", settings: Register, seed: int) -> Decision:
    """Compare two tokenizers that were asked with the same queries.

    Args:
        seed: of the resamples and random signs, so that a decision can be repeated.
    """
    differences = challenger.by_query - champion.by_query
    clauses = [
        enough(len(differences), settings),
        _gain(challenger, champion, settings, np.random.default_rng(seed)),
        *_nothing_worse(challenger, champion, settings, np.random.default_rng(seed)),
    ]
    return Decision(tuple(clauses), challenger.score, champion.score, len(differences))


def enough(queries: int, settings: Register, problem: str = "") -> Clause:
    """The condition that there are enough queries; ``problem`` says why there are none."""
    good, least = queries >= settings.min_queries, settings.min_queries
    asked = f"at least {least} {'were asked' if good else 'are needed (register.min_queries)'}"
    text = f"{queries} test recordings that neither model heard can ask{problem}; {asked}."
    return Clause("queries", good, text, {"value": queries, "least": least})


def lower_bound(differences: np.ndarray, confidence: float, generator: np.random.Generator) -> float:
    """The lower end of the one-sided percentile interval of a mean, by a bootstrap over ``differences``, float [R]."""
    means = weights(len(differences), RESAMPLES, generator) @ differences
    # Rounding in the weights must not put it above the mean of equal values.
    return float(min(np.quantile(means, 1 - confidence), differences.mean()))


def _gain(challenger: "Measured", champion: "Measured", settings: Register, generator: np.random.Generator) -> Clause:
    differences = challenger.by_query - champion.by_query
    gain, low = float(differences.mean()), lower_bound(differences, settings.confidence, generator)
    good = low > 0 and low >= settings.min_gain
    text = (
        f"score {challenger.score:.3f} against {champion.score:.3f} of the champion on {len(differences)} queries, a "
        f"gain of {gain:+.3f} and at least {low:+.3f} with {100 * settings.confidence:g} % confidence; "
        + (f"at least {settings.min_gain:g} was asked." if good else f"it must be at least {settings.min_gain:g}.")
    )
    figures = {"value": gain, "low": low, "least": settings.min_gain, "confidence": settings.confidence}
    return Clause("gain", good, text, figures)


def _nothing_worse(
    challenger: "Measured", champion: "Measured", settings: Register, generator: np.random.Generator
) -> list[Clause]:
    """The conditions that no view and no class is significantly worse."""
    views = {kind: challenger.scores[kind] - champion.scores[kind] for kind in challenger.scores}
    overall, labels = challenger.by_query - champion.by_query, np.array(challenger.classes or ())
    names = sorted(set(labels.tolist()))
    # The least two-sided p of n queries is 2 / 2^n: whether a class can be tested depends on its size alone.
    testable = [name for name in names if 2.0 ** (1 - int((labels == name).sum())) <= 1 - settings.confidence]
    # The other queries of a row are 0, which no sign changes: it is the test of the class alone.
    classes = {name: np.where(labels == name, overall, 0.0) for name in testable}
    columns = [*views.values(), *classes.values()]
    p = holm(randomisation(np.stack(columns, axis=1), DRAWS, generator))
    means = [*(column.mean() for column in views.values())]
    means += [overall[labels == name].mean() for name in testable]
    split = len(views)
    found = [_worse("views", "view", list(views), means[:split], p[:split], settings, "")]
    if names:
        left_out = len(names) - len(testable)
        note = f" ({left_out} of {len(names)} classes have too few queries to tell)" if left_out else ""
        found.append(_worse("classes", "class", testable, means[split:], p[split:], settings, note))
    return found


def _worse(
    name: str,
    what: str,
    names: Sequence[str],
    means: Sequence[float],
    p: np.ndarray,
    settings: Register,
    note: str,
) -> Clause:
    """The condition that none of ``names`` has a negative mean difference that is significant."""
    level = 1 - settings.confidence
    worse = [i for i in range(len(names)) if means[i] < 0 and p[i] <= level]
    lowest = min(range(len(names)), key=lambda i: means[i], default=None)
    shown = min(worse, key=lambda i: means[i]) if worse else lowest
    if shown is None:
        text = f"no {what} could be tested{note}."
    elif worse:
        text = f"{what} {names[shown]} is worse by {-means[shown]:.3f}, p {p[shown]:.2g}, below {level:.2g}{note}."
    else:
        text = (
            f"no {what} is significantly worse; the least gain is that of {names[shown]}, {means[shown]:+.3f}, "
            f"p {p[shown]:.2g}{note}."
        )
    figures: dict[str, float | int | str | None] = {"tested": len(names), "worse": len(worse)}
    if shown is not None:
        figures |= {what: names[shown], "value": float(means[shown]), "p": float(p[shown])}
    return Clause(name, not worse, text, figures)
