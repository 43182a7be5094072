"""Write the report of an evaluation: numbers for DVC and MLflow, a text for people, plots.

Each file of the folder (`wav2tok.report.folder.ReportFolder`) is replaced as a whole or stays as it was.
"""

import csv
import re
from pathlib import Path
from typing import Any

import numpy as np

from wav2tok.audio.rooms import DECAY_SECONDS, VOICES
from wav2tok.evaluation.gate import Verdict
from wav2tok.evaluation.held_out import Judged
from wav2tok.evaluation.retrieval.metrics import METRICS
from wav2tok.evaluation.retrieval.result import Result
from wav2tok.evaluation.retrieval.significance import DRAWS, TESTED
from wav2tok.evaluation.spotting.metrics import BETA, HIT, Spotting
from wav2tok.files import replacing, write_json
from wav2tok.report import names, robustness, tables
from wav2tok.report.folder import ReportFolder
from wav2tok.report.templates import templates

MARKDOWN = templates("wav2tok.report.page").get_template("report.md")
# The line breaks of the template's paragraphs, which MLflow's page would keep.
_WRAPPED = re.compile(r"(?<=[^\n|])\n(?=[^\n|!#-])")


def write(judged: Judged, verdict: Verdict, out: Path) -> None:
    """Write all but the HTML page to the folder ``out``, creating it if necessary."""
    from wav2tok.report import plots

    result = judged.retrieval
    out.mkdir(parents=True, exist_ok=True)
    folder = ReportFolder(out)
    drawn = plots.write(result, folder.plots)
    write_json(folder.metrics, summary(judged, verdict))
    write_json(folder.curves, curves(result))
    write_json(folder.significance, significance(result))
    write_json(folder.gate, verdict.to_json())
    with replacing(folder.retrieval) as path, path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["system", "label", "view", "metric", "value", "low", "high", "queries"])
        scored = {"": (result.setting.queries, result.scores)}
        scored |= {f"_{name}": (one.queries, one.scores) for name, one in result.variants.items()}
        for suffix, (queries, scores) in scored.items():
            for name, views in scores.items():
                for kind, estimates in views.items():
                    for metric, one in estimates.items():
                        numbers = (f"{value:.6f}" for value in (one.value, one.low, one.high))
                        asked = queries * result.setting.factors(kind)
                        rows.writerow([name, result.setting.labels[name], kind + suffix, metric, *numbers, asked])
    with replacing(folder.markdown) as path:
        path.write_text(markdown(judged, verdict, [plot.relative_to(out) for plot in drawn]), encoding="utf-8")
    with replacing(folder.table) as path:
        path.write_text(tables.overview(result).text() + "\n", encoding="utf-8")


def markdown(judged: Judged, verdict: Verdict, plots: list[Path]) -> str:
    """The report as text. ``plots`` are the pictures' paths, relative to it."""
    text = MARKDOWN.render(
        result=judged.retrieval,
        setting=judged.retrieval.setting,
        spotting=judged.spotting,
        verdict=verdict,
        plots=plots,
        tables=tables,
        robustness=robustness,
        decay=DECAY_SECONDS,
        tested=TESTED,
        axes=names.AXES,
        variants=names.VARIANTS,
        draws=DRAWS,
        voices=VOICES,
        hit=HIT,
        beta=BETA,
    )
    return _WRAPPED.sub(" ", text).rstrip() + "\n"


def summary(judged: Judged, verdict: Verdict) -> dict[str, Any]:
    """The numbers, shallow enough for ``dvc metrics show``: view -> system -> metric, tokens, cost, gate, counts.

    A variant of the task has views of its own, such as ``V_never_heard``, and ``queries_never_heard`` among the counts.
    """
    result = judged.retrieval
    setting = result.setting
    scored = {"": result.scores} | {f"_{name}": one.scores for name, one in result.variants.items()}
    numbers: dict[str, Any] = {
        kind + suffix: {
            name: {metric: round(views[kind][metric].value, 6) for metric in METRICS} for name, views in scores.items()
        }
        for suffix, scores in scored.items()
        for kind in setting.kinds
    }
    numbers["tokens"] = {name: round(value, 6) for name, value in result.tokens.figures.items()}
    numbers["cost"] = {
        name: {"encode_speed": round(cost.encode_speed, 3), "search_ms": round(cost.search_ms, 4)}
        for name, cost in result.cost.items()
    }
    if judged.spotting is not None:
        numbers["spotting"] = spotting_summary(judged.spotting)
    numbers["gate"] = {"approved": verdict.approved}
    numbers["counts"] = {"recordings": setting.recordings, "queries": setting.queries, "left_out": setting.left_out}
    numbers["counts"] |= {f"queries_{name}": one.queries for name, one in result.variants.items()}
    return numbers


def spotting_summary(spotting: Spotting) -> dict[str, Any]:
    """System -> metric, and counts."""
    numbers: dict[str, Any] = {}
    for name, one in spotting.systems.items():
        numbers[name] = {metric: round(one.scores[metric].value, 6) for metric in names.SPOTTING}
        # JSON has no infinity, which the threshold is where nothing was worth detecting.
        numbers[name]["threshold"] = round(one.threshold, 6) if np.isfinite(one.threshold) else None
    numbers["counts"] = {"sentences": spotting.sentences, "queries": spotting.queries, "words": spotting.words}
    return numbers


def curves(result: Result) -> dict[str, Any]:
    """Axis -> "queries" (their number) and "factors" -> system -> MRR and MAP; the factor "clean" is without noise.

    The axis "room_snr_db" is in a room, with and without noise.
    """
    return {
        names.AXES[kind].key: {
            "queries": curve.queries,
            "factors": {
                names.factor_name(factor): {
                    name: {metric: round(curve.values(name, metric)[place], 6) for metric in TESTED}
                    for name in curve.scores
                }
                for place, factor in enumerate(curve.factors)
            },
        }
        for kind, curve in result.curves.items()
    }


def significance(result: Result) -> list[dict[str, Any]]:
    """The comparisons, one flat row each."""
    return [
        {
            "system": one.system,
            "baseline": one.baseline,
            "view": one.kind,
            "metric": one.metric,
            "difference": round(one.difference.value, 6),
            "low": round(one.difference.low, 6),
            "high": round(one.difference.high, 6),
            "p": one.p,
            "p_holm": one.p_holm,
        }
        for one in result.significance
    ]
