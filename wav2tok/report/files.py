"""What an evaluation leaves behind: numbers for DVC and MLflow, a report for people, plots.

``metrics.json``, ``curves.json``, ``significance.json``, ``retrieval.csv``, ``gate.json``, ``report.md``,
``table.txt``, ``plots/*.png``; each is replaced whole or not.
"""

import csv
import math
from pathlib import Path
from typing import Any

from wav2tok.evaluation.gate import Verdict
from wav2tok.evaluation.judged import Judged
from wav2tok.evaluation.retrieval import protocol, token_use
from wav2tok.evaluation.retrieval.curves import AXES, Curve
from wav2tok.evaluation.retrieval.metrics import HEADINGS, METRICS
from wav2tok.evaluation.retrieval.result import Result
from wav2tok.evaluation.retrieval.significance import DRAWS, TESTED
from wav2tok.evaluation.retrieval.views import VOICES
from wav2tok.evaluation.systems import FORMS
from wav2tok.files import replacing, write_json
from wav2tok.report import spotting


def write(judged: Judged, verdict: Verdict, out: Path) -> None:
    """Write everything below ``out``, which is made if need be."""
    result = judged.retrieval
    from wav2tok.report import plots

    out.mkdir(parents=True, exist_ok=True)
    made = plots.write(result, out / "plots")
    write_json(out / "metrics.json", summary(judged, verdict))
    write_json(out / "curves.json", curves(result))
    write_json(out / "significance.json", significance(result))
    write_json(out / "gate.json", {"approved": verdict.approved, "reasons": verdict.reasons})
    with replacing(out / "retrieval.csv") as path, path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["system", "view", "metric", "value", "low", "high", "queries"])
        for name, views in result.scores.items():
            for kind, found in views.items():
                for metric, one in found.items():
                    numbers = (f"{value:.6f}" for value in (one.value, one.low, one.high))
                    rows.writerow([name, kind, metric, *numbers, result.setting.asked(kind)])
    with replacing(out / "report.md") as path:
        path.write_text(_markdown(judged, verdict, [f"plots/{name}" for name in made]), encoding="utf-8")
    with replacing(out / "table.txt") as path:
        path.write_text(table(result) + "\n", encoding="utf-8")


def summary(judged: Judged, verdict: Verdict) -> dict[str, Any]:
    """The numbers, shallow enough for ``dvc metrics show``: view -> system -> metric, tokens, cost, gate, counts."""
    result = judged.retrieval
    setting = result.setting
    found: dict[str, Any] = {
        kind: {
            name: {metric: round(views[kind][metric].value, 6) for metric in METRICS}
            for name, views in result.scores.items()
        }
        for kind in setting.kinds
    }
    found["tokens"] = {name: round(value, 6) for name, value in result.tokens.figures.items()}
    found["cost"] = {
        name: {"encode_speed": round(cost.encode_speed, 3), "search_ms": round(cost.search_ms, 4)}
        for name, cost in result.cost.items()
    }
    if judged.spotting is not None:
        found["spotting"] = spotting.summary(judged.spotting)
    found["gate"] = {"approved": verdict.approved}
    found["counts"] = {"recordings": setting.recordings, "queries": setting.queries, "left_out": setting.left_out}
    return found


def curves(result: Result) -> dict[str, Any]:
    """Axis -> "queries" (how many) and "factors" -> system -> MRR and MAP; a clean query's factor is "clean"."""

    def values(curve: Curve, place: int) -> dict[str, dict[str, float]]:
        columns = {metric: list(METRICS).index(metric) for metric in TESTED}
        return {
            name: {metric: round(float(scores[place, column]), 6) for metric, column in columns.items()}
            for name, scores in curve.scores.items()
        }

    return {
        AXES[kind]: {
            "queries": curve.queries,
            "factors": {
                f"{factor:g}" if math.isfinite(factor) else "clean": values(curve, place)
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


def table(result: Result, metrics: tuple[str, ...] = ("mrr", "map")) -> str:
    """A plain text table for the terminal: a row a system, its metrics a column for each kind of view."""
    setting = result.setting
    headings = ["system", *(f"{kind} {HEADINGS[metric]}" for kind in setting.kinds for metric in metrics)]
    rows = [
        [setting.labels[name], *(f"{views[kind][metric].value:.3f}" for kind in setting.kinds for metric in metrics)]
        for name, views in result.scores.items()
    ]
    widths = [max(len(row[i]) for row in [headings, *rows]) for i in range(len(headings))]
    lines = [headings, ["-" * width for width in widths], *rows]
    return "\n".join(
        "  ".join([line[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(line[1:], widths[1:], strict=True))])
        for line in lines
    )


def _markdown(judged: Judged, verdict: Verdict, plots: list[str]) -> str:
    result = judged.retrieval
    setting = result.setting
    asked = ", ".join(f"{kind} {setting.asked(kind)}" for kind in setting.kinds)
    best = {
        (kind, metric): max(v[kind][metric].value for v in result.scores.values())
        for kind in setting.kinds
        for metric in METRICS
    }
    lines = [
        "# Retrieval",
        "",
        f"**{'Approved' if verdict.approved else 'Not approved'}** by the gate, which judges plain edit distance:",
        "",
        *(f"- {reason}" for reason in verdict.reasons),
        "",
        *_forms(result),
        "",
        "## Protocol",
        "",
        f"`{setting.protocol}`: {setting.text}.",
        "",
        f"{setting.recordings} test recordings, of which {setting.queries} ask and {setting.left_out} are left out for "
        f"want of a relevant recording. Queries: {asked}. Each is ranked against {setting.database:.0f} recordings on "
        "average.",
        "",
        f"{'No view is in the database' if setting.protocol == 'self' else 'A query is never its own answer'}; ties "
        "rank by the database's order; an empty token string retrieves nothing and is never retrieved. MAP is divided "
        f"by all relevant recordings. Brackets hold 95 % intervals from {setting.bootstrap} bootstrap draws of "
        "recordings, a recording with all its views. Bold is the best of a column.",
    ]
    for kind in setting.kinds:
        factors = [view.factor for view in setting.views if view.kind == kind]
        how = protocol.asked_as(kind, factors)
        lines += ["", f"## {how}", "", f"| system | {' | '.join(HEADINGS.values())} |", "|---|---|---|---|---|"]
        for name, views in result.scores.items():
            cells = []
            for metric, one in views[kind].items():
                value = f"**{one.value:.3f}**" if one.value == best[kind, metric] else f"{one.value:.3f}"
                cells.append(f"{value} [{one.low:.3f}, {one.high:.3f}]")
            lines.append(f"| {setting.labels[name]} | {' | '.join(cells)} |")
    if setting.absent:
        lines += ["", f"Not on this disk, and so not judged: {', '.join(setting.absent)}."]
    lines += _compared(result) + _robust(result)
    if judged.spotting is not None:
        lines += ["", *spotting.markdown(judged.spotting)]
    lines += ["", "## Tokens", "", "| of the test recordings, after de-duplication | |", "|---|---|"]
    lines += [f"| {_TOKEN_TEXTS.get(name, name)} | {value:.3f} |" for name, value in result.tokens.figures.items()]
    lines += ["", f"The codebook holds {setting.num_tokens} tokens. A bit rate counts log2 K bits a token."]
    lines += ["", "## Cost", "", "On this machine, all cores. Search compares a query with the whole database.", ""]
    lines += ["| system | encode (x real time) | search (ms a query) |", "|---|---|---|"]
    lines += [
        f"| {setting.labels[name]} | {cost.encode_speed:.0f} | {cost.search_ms:.3f} |"
        for name, cost in result.cost.items()
    ]
    lines += ["", "## Plots", "", *(f"![{Path(plot).stem}]({plot})\n" for plot in plots)]
    return "\n".join(lines).rstrip() + "\n"


def _forms(result: Result) -> list[str]:
    """The tokenizer's three forms of matching side by side, the best of each column bold."""
    setting = result.setting
    columns = [(kind, metric) for kind in setting.kinds for metric in TESTED]
    best = {(k, m): max(result.scores[form][k][m].value for form in FORMS) for k, m in columns}
    lines = [
        "## The tokenizer",
        "",
        "By each of its three forms of matching, which read the same strings; bold is the best of a column. All three "
        "are given because none was chosen beforehand: which is best is itself read off these test recordings.",
        "",
        f"| matching | {' | '.join(f'{kind} {HEADINGS[metric]}' for kind, metric in columns)} |",
        "|---" * (1 + len(columns)) + "|",
    ]
    for form in FORMS:
        values = [(result.scores[form][k][m].value, best[k, m]) for k, m in columns]
        cells = [f"**{value:.3f}**" if value == most else f"{value:.3f}" for value, most in values]
        lines.append(f"| {setting.labels[form]} | {' | '.join(cells)} |")
    return lines


def _compared(result: Result) -> list[str]:
    """The tokenizer's forms against every baseline, a table a kind of view."""
    setting = result.setting
    if not result.significance:
        return []
    lines = [
        "",
        "## Against the baselines",
        "",
        "Ours minus theirs on the same recordings, with the 95 % bootstrap interval of that difference, and p by "
        f"Fisher's paired randomisation test (two-sided, {DRAWS:,} draws of signs). A recording counts once, with all "
        f"its views. p is Holm's, corrected for all {len(result.significance)} comparisons of this report; bold where "
        "it is below 0.05. Recordings of one speaker or class are not quite independent, so other speakers may differ "
        "by more.",
    ]
    found = {(one.kind, one.baseline, one.system, one.metric): one for one in result.significance}
    baselines = list(dict.fromkeys(one.baseline for one in result.significance))
    for kind in setting.kinds:
        lines += ["", f"### {kind}", "", "| baseline | matching | MRR | p | MAP | p |", "|---|---|---|---|---|---|"]
        for baseline in baselines:
            for form in FORMS:
                cells = [setting.labels[baseline], setting.labels[form].removeprefix("wav2tok, ")]
                for metric in TESTED:
                    one = found[kind, baseline, form, metric]
                    gain, p = one.difference, _probability(one.p_holm)
                    cells.append(f"{gain.value:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}]")
                    cells.append(f"**{p}**" if one.p_holm < 0.05 else p)
                lines.append(f"| {' | '.join(cells)} |")
    return lines


def _robust(result: Result) -> list[str]:
    """What the robustness curves show, which the plot and ``curves.json`` hold."""
    if not result.curves:
        return []
    asked = ", ".join(f"{_AXES[kind]} by {curve.queries}" for kind, curve in result.curves.items())
    return [
        "",
        "## Robustness",
        "",
        f"MRR and MAP as the query changes, the database being as it is: {asked} queries, the same for every system. "
        f"The noise is babble, {VOICES} training recordings at once at one level; SNR is by RMS over the query. "
        "Without intervals: these are curves to compare by shape.",
    ]


def _probability(p: float) -> str:
    """Three digits, and never "0"."""
    return f"{p:.3f}" if p >= 0.0005 else "< 0.001"


_AXES = {"SNR": "noise", "TS": "tempo", "PS": "key"}


_TOKEN_TEXTS = {
    "codebook_use": "share of the codebook in use",
    "perplexity": "perplexity",
    "tokens_per_second": "tokens a second",
    "bits_per_second": "bits a second",
    **{f"jaccard_{pair}": f"bigram Jaccard, {text}" for pair, text in token_use.PAIRS.items()},
    **{f"edit_{pair}": f"normalised edit distance, {text}" for pair, text in token_use.PAIRS.items()},
}
