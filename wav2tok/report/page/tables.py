"""The page's tables of figures: retrieval, significance, spotting, tokens, cost."""

from collections.abc import Mapping

from wav2tok.evaluation.retrieval import token_use
from wav2tok.evaluation.retrieval.metrics import HEADINGS, METRICS, Estimate
from wav2tok.evaluation.retrieval.result import Result
from wav2tok.evaluation.retrieval.significance import Comparison
from wav2tok.evaluation.spotting.metrics import HIT, Spotting
from wav2tok.evaluation.systems import FORMS
from wav2tok.report.page.markup import table, text, token

_SPOTTING = {"f1": "F1", "mtwv": "MTWV", "mrr": "MRR", "map": "MAP"}
LEVEL = 0.05
_COMMONEST = 12


def retrieval(result: Result, kind: str) -> str:
    """Every system on one kind of view: value, bar and 95 % interval, with a mark where it differs from ours."""
    differing = {
        (one.baseline, one.metric): "▼" if one.difference.value > 0 else "▲"
        for one in result.significance
        if one.system == FORMS[0] and one.kind == kind and one.p_holm < LEVEL
    }
    rows = {name: (result.setting.labels[name], views[kind]) for name, views in result.scores.items()}
    return _scores({metric: HEADINGS[metric] for metric in METRICS}, rows, differing)


def spotting(found: Spotting) -> str:
    """Finding words in sentences, by system."""
    minutes = found.seconds / 60
    rows = {name: (one.label, one.scores) for name, one in found.systems.items()}
    details = table(
        ["system", "precision", "recall", "localized", "threshold", "F1 in training", "search, ms a query"],
        [
            [
                text(one.label),
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
    return (
        f"<p>{found.queries} spoken words ({found.words} different ones), each looked for in {found.sentences} "
        f"sentences ({minutes:.0f} minutes): {text(found.text)}. A hit: {text(HIT)}. The threshold that F1 needs was "
        f"set on training sentences, with {found.training_queries} words; MTWV takes the best one. Intervals: "
        f"{found.bootstrap} bootstrap draws of queries.</p>\n"
        f"{_scores(_SPOTTING, rows, {})}\n{details}\n"
        '<p class="soft">Localized: the share of the sentences with the word whose best span is a hit; recall cannot '
        "exceed it.</p>"
    )


def _scores(
    headings: Mapping[str, str],
    rows: Mapping[str, tuple[str, Mapping[str, Estimate]]],
    marks: Mapping[tuple[str, str], str],
) -> str:
    """A row a system, a column a metric; the best of a column is bold."""
    best = {metric: max(scores[metric].value for _, scores in rows.values()) for metric in headings}
    head = "".join(f'<th scope="col">{heading}</th>' for heading in headings.values())
    lines = []
    for name, (label, scores) in rows.items():
        cells = [
            _cell(scores[metric], scores[metric].value == best[metric], marks.get((name, metric), ""))
            for metric in headings
        ]
        ours = ' class="ours"' if name in FORMS else ""
        lines.append(f'<tr{ours}><th scope="row">{text(label)}</th>{"".join(cells)}</tr>')
    return (
        f'<table class="scores"><thead><tr><th scope="col">system</th>{head}</tr></thead>\n<tbody>\n'
        + "\n".join(lines)
        + "\n</tbody></table>"
    )


def _cell(one: Estimate, best: bool, mark: str) -> str:
    left, width = 100 * one.low, max(100 * (one.high - one.low), 0.6)
    return (
        f"<td{' class=best' if best else ''}><b>{one.value:.3f}</b>"
        + (f' <span class="mark">{mark}</span>' if mark else "")
        + f'<span class="bar"><i style="width:{100 * one.value:.1f}%"></i>'
        f'<u style="left:{left:.1f}%;width:{width:.1f}%"></u></span><small>{one.low:.2f} – {one.high:.2f}</small></td>'
    )


def significance(result: Result, kind: str) -> str:
    """How far each form of the tokenizer leads each baseline on one kind of view."""
    setting = result.setting
    found = {(one.baseline, one.system, one.metric): one for one in result.significance if one.kind == kind}
    forms = [name for name in FORMS if any(system == name for _, system, _ in found)]
    metrics = dict.fromkeys(metric for _, _, metric in found)
    pairs = [(form, metric) for form in forms for metric in metrics]
    rows = [
        [text(setting.labels[baseline]), *(_lead(found[baseline, form, metric]) for form, metric in pairs)]
        for baseline in dict.fromkeys(baseline for baseline, _, _ in found)
    ]
    return table(["over", *(f"{text(setting.labels[form])}: {HEADINGS[metric]}" for form, metric in pairs)], rows)


def _lead(one: Comparison) -> str:
    stars = "".join("*" for level in (0.05, 0.01, 0.001) if one.p_holm < level)
    low, high = one.difference.low, one.difference.high
    told = f"95 % interval {low:+.3f} to {high:+.3f}, p {one.p:.2g}, corrected {one.p_holm:.2g}"
    return f'<span title="{told}">{one.difference.value:+.3f}{stars}</span>'.replace("-", "−")


def alike(measured: Mapping[str, float]) -> str:
    """How alike strings are that should be alike, and that should not."""
    return table(
        ["strings of", "bigrams shared (Jaccard)", "edit distance"],
        [
            [said, f"{measured[f'jaccard_{pair}']:.3f}", f"{measured[f'edit_{pair}']:.3f}"]
            for pair, said in token_use.PAIRS.items()
            if f"jaccard_{pair}" in measured
        ],
    )


def commonest(result: Result) -> str:
    """The commonest tokens: their share, how many recordings hold them, and the class that they occur most in."""
    answers = result.answers
    total = max(int(result.tokens.counts.sum()), 1)
    ranked = sorted(range(len(result.tokens.counts)), key=lambda k: (-result.tokens.counts[k], k))
    headings = ["token", "share of all", "recordings with it"]
    rows = []
    for value in [k for k in ranked if result.tokens.counts[k]][:_COMMONEST]:
        times = [int((string == value).sum()) for string in answers.strings]
        holding = sum(count > 0 for count in times) / len(times)
        row = [token(value), f"{100 * result.tokens.counts[value] / total:.1f} %", f"{100 * holding:.0f} %"]
        if answers.classes is not None:
            by_class = dict.fromkeys(answers.classes, 0)
            for name, count in zip(answers.classes, times, strict=True):
                by_class[name] += count
            most = max(sorted(by_class), key=by_class.__getitem__)
            row.append(f"{text(most)} ({100 * by_class[most] / sum(times):.0f} %)")
        rows.append(row)
    return table(headings + ["most often in class"] * (answers.classes is not None), rows)


def cost(result: Result) -> str:
    """What encoding and searching take."""
    return table(
        ["system", "encode, x real time", "search, ms a query"],
        [
            [text(result.setting.labels[name]), f"{one.encode_speed:,.0f}", f"{one.search_ms:.3f}"]
            for name, one in result.cost.items()
        ],
    )
