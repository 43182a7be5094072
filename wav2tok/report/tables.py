"""The tables of a report, for its text, its Markdown and its HTML page."""

from collections.abc import Mapping, Sequence

from wav2tok.evaluation.retrieval.metrics import METRICS, Estimate
from wav2tok.evaluation.retrieval.result import Result, Setting
from wav2tok.evaluation.retrieval.significance import TESTED, Comparison
from wav2tok.evaluation.spotting.metrics import Spotting
from wav2tok.evaluation.systems import FORMS
from wav2tok.report import names
from wav2tok.report.table import Cell, Table

LEVEL = 0.05
"""A difference counts as significant when its corrected p is below this."""
_COMMONEST = 12


def views(setting: Setting) -> list[tuple[str, str]]:
    """Each kind of view and what it is, with its factors."""
    factors = {kind: setting.heading(kind).partition(", ")[2] for kind in setting.kinds}
    return [(kind, names.EXPLAINED[kind] + f" ({values})" * bool(values)) for kind, values in factors.items()]


def overview(result: Result) -> Table:
    """One row per system, one column per kind of view and tested metric."""
    return _by_view(result, "system", list(result.scores))


def forms(result: Result) -> Table:
    """As `overview`, of the tokenizer's forms of matching only."""
    return _by_view(result, "matching", FORMS)


def _by_view(result: Result, heading: str, systems: Sequence[str]) -> Table:
    setting = result.setting
    columns = [(kind, metric) for kind in setting.kinds for metric in TESTED]
    values = {name: [result.scores[name][kind][metric].value for kind, metric in columns] for name in systems}
    best = [max(column) for column in zip(*values.values(), strict=True)]
    return Table(
        [heading, *(f"{kind} {names.METRICS[metric]}" for kind, metric in columns)],
        [
            [setting.labels[name], *(Cell(f"{v:.3f}", v == most) for v, most in zip(row, best, strict=True))]
            for name, row in values.items()
        ],
    )


def retrieval(result: Result, kind: str) -> Table:
    """Every system on one kind of view, with marks where a baseline differs from plain wav2tok."""
    marks = {
        (one.baseline, one.metric): "▼" if one.difference.value > 0 else "▲"
        for one in result.significance
        if one.system == FORMS[0] and one.kind == kind and one.p_holm < LEVEL
    }
    return scores(
        {metric: names.METRICS[metric] for metric in METRICS},
        {name: (result.setting.labels[name], views[kind]) for name, views in result.scores.items()},
        marks,
    )


def variants(result: Result, kind: str) -> Table:
    """The task and each of its variants, on one kind of view: a row per system and variant, with n and intervals."""
    setting = result.setting
    judged = {names.variant(""): (setting.queries, result.scores)}
    judged |= {names.variant(name, one.distractors): (one.queries, one.scores) for name, one in result.variants.items()}
    rows: list[list[str | Cell]] = []
    for system, label in setting.labels.items():
        for name, (queries, found) in judged.items():
            cells = [_with_interval(found[system][kind][metric]) for metric in TESTED]
            rows.append([label, name, str(queries * setting.factors(kind)), *cells])
    return Table(["system", "judged on", "queries", *(names.METRICS[metric] for metric in TESTED)], rows)


def _with_interval(one: Estimate) -> Cell:
    return Cell(f"{one.value:.3f}", estimate=one, title=f"95 % interval {one.low:.3f} to {one.high:.3f}")


def scores(
    metrics: Mapping[str, str],
    systems: Mapping[str, tuple[str, Mapping[str, Estimate]]],
    marks: Mapping[tuple[str, str], str] | None = None,
) -> Table:
    """One row per system, one column per metric; the best value of each column is bold.

    Args:
        metrics: the columns' keys and headings.
        systems: name -> label and estimates.
        marks: (system, metric) -> mark.
    """
    best = {metric: max(estimates[metric].value for _, estimates in systems.values()) for metric in metrics}
    rows: list[list[str | Cell]] = []
    for name, (label, estimates) in systems.items():
        cells = [
            Cell(f"{one.value:.3f}", one.value == best[metric], one, (marks or {}).get((name, metric), ""))
            for metric, one in ((metric, estimates[metric]) for metric in metrics)
        ]
        rows.append([label, *cells])
    return Table(["system", *metrics.values()], rows, [i for i, name in enumerate(systems) if name in FORMS])


def comparisons(result: Result, kind: str) -> Table:
    """Each baseline against each form on one kind of view: differences with intervals, and p."""
    setting = result.setting
    by_pair = _comparisons(result, kind)
    rows: list[list[str | Cell]] = []
    for baseline in dict.fromkeys(baseline for baseline, _, _ in by_pair):
        for form in FORMS:
            row: list[str | Cell] = [setting.labels[baseline], setting.labels[form].removeprefix("wav2tok, ")]
            for metric in TESTED:
                one = by_pair[baseline, form, metric]
                gain = one.difference
                row.append(f"{gain.value:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}]")
                row.append(Cell(_probability(one.p_holm), one.p_holm < LEVEL))
            rows.append(row)
    columns = [heading for metric in TESTED for heading in (names.METRICS[metric], "p")]
    return Table(["baseline", "matching", *columns], rows)


def leads(result: Result, kind: str) -> Table:
    """The same with one row per baseline, stars for p and intervals in tooltips: for the page."""
    setting = result.setting
    by_pair = _comparisons(result, kind)
    systems = {system for _, system, _ in by_pair}
    metrics = dict.fromkeys(metric for _, _, metric in by_pair)
    columns = [(form, metric) for form in FORMS if form in systems for metric in metrics]
    return Table(
        ["over", *(f"{setting.labels[form]}: {names.METRICS[metric]}" for form, metric in columns)],
        [
            [setting.labels[baseline], *(_lead(by_pair[baseline, form, metric]) for form, metric in columns)]
            for baseline in dict.fromkeys(baseline for baseline, _, _ in by_pair)
        ],
    )


def _comparisons(result: Result, kind: str) -> dict[tuple[str, str, str], Comparison]:
    return {(one.baseline, one.system, one.metric): one for one in result.significance if one.kind == kind}


def _probability(p: float) -> str:
    """Three digits, and never "0"."""
    return f"{p:.3f}" if p >= 0.0005 else "< 0.001"


def _lead(one: Comparison) -> Cell:
    stars = "".join("*" for level in (0.05, 0.01, 0.001) if one.p_holm < level)
    low, high = one.difference.low, one.difference.high
    title = f"95 % interval {low:+.3f} to {high:+.3f}, p {one.p:.2g}, corrected {one.p_holm:.2g}"
    return Cell(f"{one.difference.value:+.3f}{stars}".replace("-", "−"), title=title.replace("-", "−"))


def tokens(result: Result) -> Table:
    """The token metrics of the test recordings."""
    return Table(
        ["of the test recordings, after de-duplication", ""],
        [[names.TOKENS.get(name, name), f"{value:.3f}"] for name, value in result.tokens.figures.items()],
    )


def similarity(result: Result) -> Table:
    """How similar the strings of related and unrelated recordings are."""
    measured = result.tokens.figures
    return Table(
        ["strings of", "bigrams shared (Jaccard)", "edit distance"],
        [
            [pair_name, f"{measured[f'jaccard_{pair}']:.3f}", f"{measured[f'edit_{pair}']:.3f}"]
            for pair, pair_name in names.PAIRS.items()
            if f"jaccard_{pair}" in measured
        ],
    )


def commonest(result: Result) -> Table:
    """The commonest tokens: their share, how many recordings have them, and the class they occur in most."""
    answers = result.answers
    total = max(int(result.tokens.counts.sum()), 1)
    ranked = sorted(range(len(result.tokens.counts)), key=lambda k: (-result.tokens.counts[k], k))
    rows: list[list[str | Cell]] = []
    for token in [k for k in ranked if result.tokens.counts[k]][:_COMMONEST]:
        times = [int((string == token).sum()) for string in answers.strings]
        holding = sum(count > 0 for count in times) / len(times)
        row: list[str | Cell] = [
            Cell(str(token), token=token),
            f"{100 * result.tokens.counts[token] / total:.1f} %",
            f"{100 * holding:.0f} %",
        ]
        if answers.classes is not None:
            by_class = dict.fromkeys(answers.classes, 0)
            for name, count in zip(answers.classes, times, strict=True):
                by_class[name] += count
            most = max(sorted(by_class), key=by_class.__getitem__)
            row.append(f"{most} ({100 * by_class[most] / sum(times):.0f} %)")
        rows.append(row)
    headings = ["token", "share of all", "recordings with it"]
    return Table(headings + ["most often in class"] * (answers.classes is not None), rows)


def cost(result: Result) -> Table:
    """How fast systems encode, and how long a search takes."""
    return Table(
        ["system", "encode (x real time)", "search (ms a query)"],
        [
            [result.setting.labels[name], f"{one.encode_speed:.0f}", f"{one.search_ms:.3f}"]
            for name, one in result.cost.items()
        ],
    )


def spotting(found: Spotting, metrics: Sequence[str] = tuple(names.SPOTTING)) -> Table:
    """The given metrics of spotting with their intervals, one row per system."""
    return scores(
        {metric: names.SPOTTING[metric] for metric in metrics},
        {name: (one.label, one.scores) for name, one in found.systems.items()},
    )


def spotting_with_cost(found: Spotting) -> Table:
    """All metrics of spotting, and what they cost: for the Markdown."""
    table = spotting(found)
    for row, one in zip(table.rows, found.systems.values(), strict=True):
        row += [Cell(f"{value:.3f}") for value in (one.localized, one.training_f1, one.search_ms)]
    table.headings += ["localized", "F1 in training", "search (ms a query)"]
    return table


def spotting_details(found: Spotting) -> Table:
    """What lies behind the F1 of each system, and its cost: for the page."""
    return Table(
        ["system", "precision", "recall", "localized", "threshold", "F1 in training", "search (ms a query)"],
        [
            [
                one.label,
                f"{one.scores['precision'].value:.3f}",
                f"{one.scores['recall'].value:.3f}",
                f"{one.localized:.3f}",
                f"{one.threshold:.2f}",
                f"{one.training_f1:.3f}",
                f"{one.search_ms:.3f}",
            ]
            for one in found.systems.values()
        ],
    )
