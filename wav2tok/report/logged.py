"""The headline figures of an evaluation, as DVC and MLflow compare runs by them, and the curves as a table."""

import csv
import math
from collections.abc import Mapping
from pathlib import Path

from wav2tok.evaluation.gate import JUDGED, Verdict
from wav2tok.evaluation.held_out import Judged, held_out_score
from wav2tok.evaluation.retrieval.metrics import Estimate
from wav2tok.evaluation.retrieval.result import Result
from wav2tok.evaluation.retrieval.significance import TESTED
from wav2tok.report import names, robustness


def headline(judged: Judged, verdict: Verdict) -> dict[str, float | bool]:
    """MRR and MAP of plain edit distance, by view; their mean, which decides about champions; and the gate's verdict.

    The first view has no suffix: ``mrr`` and ``map`` are those of unchanged queries, ``mrr_ts`` those of time-stretched
    ones. A variant of the task is a further suffix: ``mrr_never_heard`` is that of unchanged queries of classes that no
    training recording has, ``mrr_ts_never_heard`` that of time-stretched ones. The robustness
    curves give ``map_5db_room``, of queries in babble and a room, and ``map_lost_5db_room``, the share of MAP that is
    lost there. What is not finite is omitted.
    """
    result = judged.retrieval
    figures: dict[str, float | bool] = dict(_by_view(result.scores[JUDGED]))
    for name, variant in result.variants.items():
        figures |= {f"{key}_{name}": value for key, value in _by_view(variant.scores[JUDGED]).items()}
    figures |= robustness.figures(result, JUDGED)
    figures |= {"score": held_out_score(result), "codebook_use": result.tokens.figures["codebook_use"]}
    finite = {name: round(float(value), 6) for name, value in figures.items() if math.isfinite(value)}
    return finite | {"approved": verdict.approved}


def _by_view(scores: Mapping[str, Mapping[str, Estimate]]) -> dict[str, float]:
    """MRR and MAP by view, the first one without suffix."""
    return {
        f"{metric}_{kind.lower()}" if place else metric: estimates[metric].value
        for place, (kind, estimates) in enumerate(scores.items())
        for metric in TESTED
    }


def write_curves(result: Result, path: Path) -> None:
    """Write MRR and MAP along each robustness axis as a table: axis, factor, system, metrics."""
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["axis", "factor", "system", *TESTED])
        for kind, curve in result.curves.items():
            for place, factor in enumerate(curve.factors):
                for system in curve.scores:
                    numbers = (f"{curve.values(system, metric)[place]:.6f}" for metric in TESTED)
                    rows.writerow([names.AXES[kind].key, names.factor_name(factor), system, *numbers])
