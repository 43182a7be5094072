"""Write the report of an evaluation: numbers for DVC and MLflow, a text for people, plots.

Each file of the folder (`wav2tok.report.folder.ReportFolder`) is replaced as a whole or stays as it was.
"""

import csv
from pathlib import Path
from typing import Any

from wav2tok.evaluation.gate import Verdict
from wav2tok.evaluation.judged import Judged
from wav2tok.evaluation.retrieval.curves import Curve
from wav2tok.evaluation.retrieval.metrics import METRICS
from wav2tok.evaluation.retrieval.result import Result
from wav2tok.evaluation.retrieval.significance import TESTED
from wav2tok.files import replacing, write_json
from wav2tok.report import markdown, names, spotting, tables
from wav2tok.report.folder import ReportFolder


def write(judged: Judged, verdict: Verdict, out: Path) -> None:
    """Write all but the HTML page to the folder ``out``, creating it if necessary."""
    result = judged.retrieval
    from wav2tok.report import plots

    out.mkdir(parents=True, exist_ok=True)
    folder = ReportFolder(out)
    drawn = [path.relative_to(out).as_posix() for path in plots.write(result, folder.plots)]
    write_json(folder.metrics, summary(judged, verdict))
    write_json(folder.curves, curves(result))
    write_json(folder.significance, significance(result))
    write_json(folder.gate, {"approved": verdict.approved, "reasons": verdict.reasons})
    with replacing(folder.retrieval) as path, path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["system", "view", "metric", "value", "low", "high", "queries"])
        for name, views in result.scores.items():
            for kind, estimates in views.items():
                for metric, one in estimates.items():
                    numbers = (f"{value:.6f}" for value in (one.value, one.low, one.high))
                    rows.writerow([name, kind, metric, *numbers, result.setting.asked(kind)])
    with replacing(folder.markdown) as path:
        path.write_text(markdown.report(judged, verdict, drawn), encoding="utf-8")
    with replacing(folder.table) as path:
        path.write_text(tables.overview(result).text() + "\n", encoding="utf-8")


def summary(judged: Judged, verdict: Verdict) -> dict[str, Any]:
    """The numbers, shallow enough for ``dvc metrics show``: view -> system -> metric, tokens, cost, gate, counts."""
    result = judged.retrieval
    setting = result.setting
    numbers: dict[str, Any] = {
        kind: {
            name: {metric: round(views[kind][metric].value, 6) for metric in METRICS}
            for name, views in result.scores.items()
        }
        for kind in setting.kinds
    }
    numbers["tokens"] = {name: round(value, 6) for name, value in result.tokens.figures.items()}
    numbers["cost"] = {
        name: {"encode_speed": round(cost.encode_speed, 3), "search_ms": round(cost.search_ms, 4)}
        for name, cost in result.cost.items()
    }
    if judged.spotting is not None:
        numbers["spotting"] = spotting.summary(judged.spotting)
    numbers["gate"] = {"approved": verdict.approved}
    numbers["counts"] = {"recordings": setting.recordings, "queries": setting.queries, "left_out": setting.left_out}
    return numbers


def curves(result: Result) -> dict[str, Any]:
    """Axis -> "queries" (their number) and "factors" -> system -> MRR and MAP; the factor "clean" is without noise."""

    def values(curve: Curve, place: int) -> dict[str, dict[str, float]]:
        columns = {metric: list(METRICS).index(metric) for metric in TESTED}
        return {
            name: {metric: round(float(scores[place, column]), 6) for metric, column in columns.items()}
            for name, scores in curve.scores.items()
        }

    return {
        names.AXES[kind].key: {
            "queries": curve.queries,
            "factors": {names.factor_name(factor): values(curve, place) for place, factor in enumerate(curve.factors)},
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
