"""The gate: whether a model is good enough to be exported, and if not, why."""

from collections.abc import Sequence
from dataclasses import dataclass

from wav2tok.config.schema import Gate
from wav2tok.errors import UserError
from wav2tok.evaluation.retrieval.result import Result
from wav2tok.evaluation.systems import FORMS, is_selected

JUDGED = FORMS[0]
"""The system that the gate judges: plain edit distance, which every user of the strings can compute."""


@dataclass(frozen=True)
class Verdict:
    """The gate's decision. ``reasons`` are sentences: what was missed, or, when approved, what was met."""

    approved: bool
    reasons: list[str]


def require(gate: Gate, baselines: Sequence[str]) -> None:
    """Refuse a gate that could not judge, before the long work starts.

    Raises:
        UserError: ``gate.beat`` names a system that ``baselines`` (``evaluate.baselines``) switches off.
    """
    for name in gate.beat:
        if name not in FORMS and not is_selected(name, baselines):
            raise UserError(
                f"gate.beat names {name!r}, which evaluate.baselines ({', '.join(baselines) or 'none'}) switches off; "
                "add it there or take it out of gate.beat."
            )


def judge(result: Result, gate: Gate) -> Verdict:
    """Approve `JUDGED` if it meets the thresholds on its worst view and beats all of ``gate.beat`` on every view.

    Two perfect scores (1.0) count as beating. NaN never passes.

    Raises:
        UserError: ``gate.beat`` names a system that was not evaluated.
    """
    ours = result.scores[JUDGED]
    missed: list[str] = []
    met: list[str] = []

    def check(good: bool, sentence: str) -> None:
        (met if good else missed).append(sentence)

    for metric, least in (("mrr", gate.min_mrr), ("map", gate.min_map)):
        # NaN is the worst.
        kind = min(ours, key=lambda k: ours[k][metric].value if ours[k][metric].value >= 0 else float("-inf"))
        value = ours[kind][metric].value
        good = value >= least
        check(good, f"{metric.upper()} on {kind}, its worst view, is {value:.3f}; {_at_least(good, f'{least:g}')}.")
    use = result.tokens.figures["codebook_use"]
    good = use >= gate.min_codebook_use
    check(
        good, f"{100 * use:.0f} % of the codebook is in use; {_at_least(good, f'{100 * gate.min_codebook_use:g} %')}."
    )
    for name in gate.beat:
        if name not in result.scores:
            known = ", ".join(result.scores)
            raise UserError(f"gate.beat names {name!r}, which was not evaluated; there are: {known}.")
        for kind, theirs in result.scores[name].items():
            for metric in ("mrr", "map"):
                value, other = ours[kind][metric].value, theirs[metric].value
                # A perfect score cannot be beaten (on real hums every system has MRR 1 on V), so there a tie is enough.
                good = value > other or value == other == 1.0
                verb = "is not above" if not good else "is above" if value > other else "is perfect, as is"
                numbers = f"{value:.3f} against {other:.3f}"
                check(good, f"{metric.upper()} on {kind} {verb} that of {result.setting.labels[name]}: {numbers}.")
    return Verdict(not missed, missed or met)


def _at_least(good: bool, least: str) -> str:
    return f"at least {least} was asked" if good else f"it must be at least {least}"
