"""What an evaluation leaves behind: numbers for DVC and MLflow, a report for people, plots.

``metrics.json``, ``retrieval.csv``, ``gate.json``, ``report.md``, ``table.txt``, ``plots/*.png``;
each is replaced whole or not.
"""

import csv
from pathlib import Path
from typing import Any

from wav2tok.evaluation.evaluate import Result
from wav2tok.evaluation.gate import Verdict
from wav2tok.evaluation.metrics import METRICS
from wav2tok.files import replacing, write_json

_HEADINGS = {"mrr": "MRR", "map": "MAP", "p_at_1": "P@1", "r_at_10": "R@10"}


def write(result: Result, verdict: Verdict, out: Path) -> None:
    """Write everything below ``out``, which is made if need be."""
    from wav2tok.evaluation import plots

    out.mkdir(parents=True, exist_ok=True)
    made = plots.write(result, out / "plots")
    write_json(out / "metrics.json", summary(result, verdict))
    write_json(out / "gate.json", {"approved": verdict.approved, "reasons": verdict.reasons})
    with replacing(out / "retrieval.csv") as path, path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["system", "view", "metric", "value", "low", "high", "queries"])
        for name, views in result.scores.items():
            for kind, found in views.items():
                for metric, one in found.items():
                    numbers = (f"{value:.6f}" for value in (one.value, one.low, one.high))
                    rows.writerow([name, kind, metric, *numbers, result.asked(kind)])
    with replacing(out / "report.md") as path:
        path.write_text(_markdown(result, verdict, [f"plots/{name}" for name in made]), encoding="utf-8")
    with replacing(out / "table.txt") as path:
        path.write_text(table(result) + "\n", encoding="utf-8")


def summary(result: Result, verdict: Verdict) -> dict[str, Any]:
    """The numbers, shallow enough for ``dvc metrics show``: view -> system -> metric, tokens, cost, gate, counts."""
    found: dict[str, Any] = {
        kind: {
            name: {metric: round(views[kind][metric].value, 6) for metric in METRICS}
            for name, views in result.scores.items()
        }
        for kind in result.kinds
    }
    found["tokens"] = {name: round(value, 6) for name, value in result.tokens.items()}
    found["cost"] = {
        name: {"encode_speed": round(cost.encode_speed, 3), "search_ms": round(cost.search_ms, 4)}
        for name, cost in result.cost.items()
    }
    found["gate"] = {"approved": verdict.approved}
    found["counts"] = {"recordings": result.recordings, "queries": result.queries, "left_out": result.left_out}
    return found


def table(result: Result, metrics: tuple[str, ...] = ("mrr", "map")) -> str:
    """A plain text table for the terminal: a row a system, its metrics a column for each kind of view."""
    headings = ["system", *(f"{kind} {_HEADINGS[metric]}" for kind in result.kinds for metric in metrics)]
    rows = [
        [result.labels[name], *(f"{views[kind][metric].value:.3f}" for kind in result.kinds for metric in metrics)]
        for name, views in result.scores.items()
    ]
    widths = [max(len(row[i]) for row in [headings, *rows]) for i in range(len(headings))]
    lines = [headings, ["-" * width for width in widths], *rows]
    return "\n".join(
        "  ".join([line[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(line[1:], widths[1:], strict=True))])
        for line in lines
    )


def _markdown(result: Result, verdict: Verdict, plots: list[str]) -> str:
    asked = ", ".join(f"{kind} {result.asked(kind)}" for kind in result.kinds)
    best = {
        (kind, metric): max(v[kind][metric].value for v in result.scores.values())
        for kind in result.kinds
        for metric in METRICS
    }
    lines = [
        "# Retrieval",
        "",
        f"**{'Approved' if verdict.approved else 'Not approved'}** by the gate, which judges plain edit distance:",
        "",
        *(f"- {reason}" for reason in verdict.reasons),
        "",
        "## Protocol",
        "",
        f"`{result.protocol}`: {result.text}.",
        "",
        f"{result.recordings} test recordings, of which {result.queries} ask and {result.left_out} are left out for "
        f"want of a relevant recording. Queries: {asked}. Each is ranked against {result.database:.0f} recordings on "
        "average.",
        "",
        f"{'No view is in the database' if result.protocol == 'self' else 'A query is never its own answer'}; ties "
        "rank by the database's order; an empty token string retrieves nothing and is never retrieved. MAP is divided "
        f"by all relevant recordings. Brackets hold 95 % intervals from {result.bootstrap} bootstrap draws of "
        "recordings, a recording with all its views. Bold is the best of a column.",
    ]
    for kind in result.kinds:
        factors = [view.factor for view in result.views if view.kind == kind]
        how = {
            "V": "V: as they are",
            "TS": "TS: time-stretched, tempo " + ", ".join(f"{factor:g}" for factor in factors),
            "PS": "PS: pitch-shifted, semitones " + ", ".join(f"{factor:+g}" for factor in factors),
        }[kind]
        lines += ["", f"## {how}", "", f"| system | {' | '.join(_HEADINGS.values())} |", "|---|---|---|---|---|"]
        for name, views in result.scores.items():
            cells = []
            for metric, one in views[kind].items():
                value = f"**{one.value:.3f}**" if one.value == best[kind, metric] else f"{one.value:.3f}"
                cells.append(f"{value} [{one.low:.3f}, {one.high:.3f}]")
            lines.append(f"| {result.labels[name]} | {' | '.join(cells)} |")
    lines += ["", "## Tokens", "", "| of the test recordings, after de-duplication | |", "|---|---|"]
    lines += [f"| {_TOKEN_TEXTS.get(name, name)} | {value:.3f} |" for name, value in result.tokens.items()]
    lines += ["", f"The codebook holds {result.num_tokens} tokens. A bit rate counts log2 K bits a token."]
    lines += ["", "## Cost", "", "On this machine, all cores. Search compares a query with the whole database.", ""]
    lines += ["| system | encode (x real time) | search (ms a query) |", "|---|---|---|"]
    lines += [
        f"| {result.labels[name]} | {cost.encode_speed:.0f} | {cost.search_ms:.3f} |"
        for name, cost in result.cost.items()
    ]
    lines += ["", "## Plots", "", *(f"![{Path(plot).stem}]({plot})\n" for plot in plots)]
    return "\n".join(lines).rstrip() + "\n"


_PAIRS = {
    "same_class": "recordings of one class",
    "other_class": "recordings of two classes",
    "TS": "a recording and its time-stretched views",
    "PS": "a recording and its pitch-shifted views",
}
_TOKEN_TEXTS = {
    "codebook_use": "share of the codebook in use",
    "perplexity": "perplexity",
    "tokens_per_second": "tokens a second",
    "bits_per_second": "bits a second",
    **{f"jaccard_{pair}": f"bigram Jaccard, {text}" for pair, text in _PAIRS.items()},
    **{f"edit_{pair}": f"normalised edit distance, {text}" for pair, text in _PAIRS.items()},
}
