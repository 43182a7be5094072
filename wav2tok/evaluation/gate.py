"""The gate: whether a model is good enough to be exported, and if not, why.

That it beats a baseline must be more than luck: Fisher's randomisation test over the queries, corrected by Holm's
method for the number of comparisons that the gate makes (`wav2tok.evaluation.retrieval.significance`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wav2tok.config.schema import Gate
from wav2tok.errors import UserError
from wav2tok.evaluation.clauses import Clause
from wav2tok.evaluation.retrieval.result import Result
from wav2tok.evaluation.retrieval.significance import TESTED, holm
from wav2tok.evaluation.systems import FORMS, is_selected

JUDGED = FORMS[0]
"""The system that the gate judges: plain edit distance, which every user of the strings can compute."""


@dataclass(frozen=True)
class Verdict:
    """The gate's decision. ``reasons`` are sentences: what was missed, or, when approved, what was met."""

    approved: bool
    reasons: list[str]
    clauses: tuple[Clause, ...] = ()
    """All conditions."""

    def to_json(self) -> dict[str, Any]:
        """The decision as JSON values."""
        clauses = [clause.to_json() for clause in self.clauses]
        return {"approved": self.approved, "reasons": self.reasons, "clauses": clauses}


def require(gate: Gate, baselines: Sequence[str]) -> None:
    """Refuse a gate that could not judge, before the long work starts.

    Raises:
        UserError: ``gate.beat`` names a form of the tokenizer itself, or a system that ``baselines``
            (``evaluate.baselines``) switches off.
    """
    for name in gate.beat:
        if name in FORMS:
            raise UserError(f"gate.beat names {name!r}, a form of the tokenizer itself; name baselines there.")
        if not is_selected(name, baselines):
            raise UserError(
                f"gate.beat names {name!r}, which evaluate.baselines ({', '.join(baselines) or 'none'}) switches off; "
                "add it there or take it out of gate.beat."
            )


def judge(result: Result, gate: Gate) -> Verdict:
    """Approve `JUDGED` if it meets the thresholds on its worst view and beats all of ``gate.beat`` on every view.

    A lead counts where it is significant at ``gate.confidence``. A perfect score (1.0) needs no lead. NaN never passes.

    Raises:
        UserError: ``gate.beat`` names a system that was not evaluated.
    """
    ours = result.scores[JUDGED]
    clauses: list[Clause] = []
    for metric, least in (("mrr", gate.min_mrr), ("map", gate.min_map)):
        # NaN is the worst.
        kind = min(ours, key=lambda k: ours[k][metric].value if ours[k][metric].value >= 0 else float("-inf"))
        value = ours[kind][metric].value
        good = value >= least
        text = f"{metric.upper()} on {kind}, its worst view, is {value:.3f}; {_at_least(good, f'{least:g}')}."
        clauses.append(Clause(metric, good, text, {"view": kind, "value": _finite(value), "least": least}))
    use, least = result.tokens.figures["codebook_use"], gate.min_codebook_use
    good = use >= least
    text = f"{100 * use:.0f} % of the codebook is in use; {_at_least(good, f'{100 * least:g} %')}."
    clauses.append(Clause("codebook_use", good, text, {"value": _finite(use), "least": least}))
    chances = _chances(result, gate)
    for name in gate.beat:
        for kind, theirs in result.scores[name].items():
            for metric in TESTED:
                values = ours[kind][metric].value, theirs[metric].value
                label = f"{metric.upper()} on {kind}", result.setting.labels[name]
                clauses.append(_lead(name, kind, metric, label, values, chances[name, kind, metric], gate.confidence))
    missed = [clause.sentence for clause in clauses if not clause.met]
    return Verdict(not missed, missed or [clause.sentence for clause in clauses], tuple(clauses))


def _chances(result: Result, gate: Gate) -> Mapping[tuple[str, str, str], float]:
    """(baseline, view, metric) -> p, corrected for the comparisons that the gate makes, of all of ``gate.beat``."""
    for name in gate.beat:
        if name not in result.scores:
            raise UserError(
                f"gate.beat names {name!r}, which was not evaluated; there are: {', '.join(result.scores)}."
            )
    found = {
        (one.baseline, one.kind, one.metric): one.p
        for one in result.significance
        if one.system == JUDGED and one.baseline in gate.beat
    }
    return dict(zip(found, holm(np.array([*found.values()])).tolist(), strict=True))


def _lead(
    name: str, kind: str, metric: str, label: tuple[str, str], values: tuple[float, float], p: float, confidence: float
) -> Clause:
    """The condition that a score is above a baseline's, and that this is not luck."""
    (what, whose), (value, other) = label, values
    numbers = f"{value:.3f} against {other:.3f}"
    # A perfect score cannot be beaten (on real hums every system has MRR 1 on V).
    perfect = value == 1.0
    good = perfect or (value > other and p <= 1 - confidence)
    if perfect:
        text = f"{what} is perfect, and that of {whose} is not above it: {numbers}."
    elif not value > other:
        text = f"{what} is not above that of {whose}: {numbers}."
    elif good:
        text = f"{what} is above that of {whose}: {numbers}, p {p:.2g}."
    else:
        text = (
            f"{what} may be above that of {whose} by chance: {numbers}, p {p:.2g}; at most {1 - confidence:.2g} counts."
        )
    figures = {"baseline": name, "view": kind, "metric": metric, "value": _finite(value), "other": _finite(other)}
    return Clause("beat", good, text, figures | {"p": p, "confidence": confidence})


def _finite(value: float) -> float | None:
    """JSON has no NaN."""
    return float(value) if np.isfinite(value) else None


def _at_least(good: bool, least: str) -> str:
    return f"at least {least} was asked" if good else f"it must be at least {least}"
