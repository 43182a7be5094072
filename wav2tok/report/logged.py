"""What MLflow gets of a report."""

import numpy as np

from wav2tok.evaluation.held_out import held_out_score
from wav2tok.evaluation.judged import Judged
from wav2tok.evaluation.retrieval.curves import AXES
from wav2tok.evaluation.retrieval.metrics import METRICS
from wav2tok.evaluation.retrieval.significance import TESTED


def figures(judged: Judged) -> list[tuple[int, dict[str, float]]]:
    """What is logged to MLflow, as (step, figures); what is not finite is left out.

    The estimates, the tokens and the score at step 0; the curves at steps that are their factors, so that the UI draws
    them: decibels, semitones, and tempo in percent.
    """
    result = judged.retrieval
    found = {
        f"test/{kind}/{system}/{metric}": estimate.value
        for system, kinds in result.scores.items()
        for kind, estimates in kinds.items()
        for metric, estimate in estimates.items()
    }
    found |= {f"test/tokens/{name}": value for name, value in result.tokens.figures.items()}
    if judged.spotting is not None:
        found |= {
            f"test/spotting/{system}/{metric}": estimate.value
            for system, spotter in judged.spotting.systems.items()
            for metric, estimate in spotter.scores.items()
        }
    rows = [(0, found | {"test/score": held_out_score(result)})]
    for kind, curve in result.curves.items():
        for place, factor in enumerate(curve.factors):
            if np.isfinite(factor):  # a clean query has no place on a scale of decibels
                step = round(factor * (100 if kind == "TS" else 1))
                named = {
                    f"curve/{AXES[kind]}/{system}/{metric}": float(value)
                    for system, values in curve.scores.items()
                    for metric, value in zip(METRICS, values[place], strict=True)
                    if metric in TESTED
                }
                rows.append((step, named))
    return [(step, {k: v for k, v in named.items() if np.isfinite(v)}) for step, named in rows]
