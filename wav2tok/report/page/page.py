"""The report as one HTML page: results, curves, confusions, and recordings to see and hear with their tokens.

The page contains everything it shows: it opens from disk without a network, on a phone, in dark mode. No script runs in
it, and the same result gives the same bytes.
"""

from pathlib import Path
from typing import Any

import numpy as np

from wav2tok.audio import decode
from wav2tok.corpus.datadocs import printable
from wav2tok.evaluation.gate import Verdict
from wav2tok.evaluation.judged import Judged
from wav2tok.evaluation.retrieval import protocol, views
from wav2tok.evaluation.retrieval.protocol import View
from wav2tok.evaluation.retrieval.result import Result
from wav2tok.evaluation.retrieval.significance import TESTED
from wav2tok.evaluation.spotting.metrics import HIT
from wav2tok.evaluation.systems import FORMS, Represent
from wav2tok.files import replacing
from wav2tok.report import gallery, names, spotting, tables
from wav2tok.report.page import drawings, examples
from wav2tok.report.page.examples import Example
from wav2tok.report.templates import templates

_PAIRS, _MISSES = 3, 2
"""Cases in the gallery: twelve recordings, since a miss has three."""

TEMPLATES = templates("wav2tok.report.page")
TEMPLATES.filters["anchor"] = lambda title: title.lower().replace(" ", "-")
TEMPLATES.globals["frame"] = drawings.FRAME


def write(judged: Judged, verdict: Verdict, path: Path, sample_rate: int, frames: Represent | None = None) -> None:
    """Write the page.

    Args:
        path: the HTML file, replaced as a whole.
        sample_rate: the rate at which recordings are read and played, Hz.
        frames: waveforms -> one token per frame, int [T] each, as `Tokenizer.encode_frames` returns them, to draw
            tokens along time. Without it only the strings are shown.

    Raises:
        UserError: a recording of the gallery can no longer be read.
    """
    with replacing(path) as temporary:
        temporary.write_text(render(judged, verdict, sample_rate, frames), encoding="utf-8")


def render(judged: Judged, verdict: Verdict, sample_rate: int, frames: Represent | None = None) -> str:
    """The page's HTML; arguments as for `write`."""
    result = judged.retrieval
    setting = result.setting
    sections = {
        "Retrieval": _retrieval(result),
        "Robustness": _robustness(result),
        "Spotting words": _spotting(judged),
        "Confusions": _confusions(result),
        "Listen": _gallery(result, sample_rate, frames),
        "Tokens": _tokens(result),
        "Cost": {"table": tables.cost(result)},
    }
    source = TEMPLATES.get_template("page.html").render(
        headline=_headline(result),
        verdict=verdict,
        sections={title: shown for title, shown in sections.items() if shown is not None},
        plain=setting.labels[FORMS[0]],
        first_view=_query_text(setting.views[0]),
    )
    return printable(source)


def _headline(result: Result) -> dict[str, Any]:
    setting = result.setting
    ours = result.scores[FORMS[0]]
    tiles = [
        (f"{ours[kind][metric].value:.3f}", f"{names.METRICS[metric]} on {kind}")
        for kind in setting.kinds
        for metric in TESTED
    ]
    tiles += [
        (f"{result.tokens.figures['tokens_per_second']:.1f}", "tokens per second"),
        (f"{result.tokens.figures['bits_per_second']:.0f}", "bits per second"),
        (f"{100 * result.tokens.figures['codebook_use']:.0f} %", f"of {setting.num_tokens} tokens in use"),
    ]
    return {
        "recordings": setting.recordings,
        "classes": 0 if result.answers.classes is None else len(set(result.answers.classes)),
        "protocol": setting.protocol,
        "text": setting.text,
        "queries": ", ".join(f"{kind} {setting.asked(kind)}" for kind in setting.kinds),
        "database": f"{setting.database:.0f}",
        "left_out": setting.left_out,
        "tiles": tiles,
    }


def _retrieval(result: Result) -> dict[str, Any]:
    setting = result.setting
    headings = {
        kind: protocol.asked_as(kind, [view.factor for view in setting.views if view.kind == kind])
        for kind in setting.kinds
    }
    return {
        "views": {heading: tables.retrieval(result, kind) for kind, heading in headings.items()},
        "protocol": setting.protocol,
        "bootstrap": setting.bootstrap,
        "absent": setting.absent,
        "comparisons": len(result.significance),
        "level": f"{tables.LEVEL:g}",
        "leads": {kind: tables.leads(result, kind) for kind in setting.kinds},
    }


def _robustness(result: Result) -> dict[str, Any] | None:
    setting = result.setting
    if not result.curves:
        return None
    panels = [drawings.curve(one, metric, setting.labels) for metric in TESTED for one in result.curves.values()]
    return {"legend": list(drawings.strokes(setting.labels).values()), "panels": panels}


def _spotting(judged: Judged) -> dict[str, Any] | None:
    if judged.spotting is None:
        return None
    return {
        "spotting": judged.spotting,
        "hit": HIT,
        "scores": spotting.scores(judged.spotting, ("f1", "mtwv", "mrr", "map")),
        "details": spotting.details(judged.spotting),
    }


def _confusions(result: Result) -> dict[str, Any] | None:
    answers = result.answers
    if answers.classes is None:
        return None
    queries = [answers.classes[i] for i in answers.query_index]
    confusion = gallery.confusion(answers.order, queries, answers.classes)
    return {"hidden": confusion.hidden, "map": drawings.heat_map(confusion)}


def _query_text(view: View) -> str:
    """How queries are asked on the first view, the one that the page shows query by query."""
    return {"V": "queries as they are", "TS": f"queries at tempo {view.factor:g}"}.get(
        view.kind, f"queries shifted by {view.factor:+g} semitones"
    )


def _gallery(result: Result, sample_rate: int, frames: Represent | None) -> dict[str, Any]:
    answers = result.answers
    classes = answers.paths if answers.classes is None else answers.classes
    queries = [classes[i] for i in answers.query_index]
    lengths = np.array([len(string) for string in answers.asking])
    near = gallery.nearest_pairs(answers.order, answers.distances, answers.relevant, queries, lengths, _PAIRS)
    far = gallery.worst_misses(answers.order, answers.relevant, queries, _MISSES)

    def shown(cases: list[gallery.Case]) -> list[examples.Case]:
        return [_case(result, case, sample_rate, frames) for case in cases]

    return {
        "silent": int((lengths == 0).sum()),
        "groups": [
            ("Nearest pairs", shown(near), "No query's nearest answer is right."),
            ("Worst misses", shown(far), "No query was answered wrongly."),
        ],
    }


def _case(result: Result, case: gallery.Case, sample_rate: int, frames: Represent | None) -> examples.Case:
    query = int(result.answers.query_index[case.query])
    waveform = views.make(decode.read(result.answers.paths[query], sample_rate), result.setting.views[0], sample_rate)
    recordings = [_example("Query", result, query, waveform, result.answers.asking[case.query], frames)]
    answers = [("Right answer", case.right)]
    if case.winner is not None:
        answers = [("Wrong answer that won", case.winner), ("Best right answer", case.right)]
    if case.winner is None:
        title = f"The nearest answer is right, at distance {result.answers.distances[case.query, case.right]:.3f}"
    elif case.rank:
        title = f"The first right answer ranks {case.rank} of {int((result.answers.order[case.query] >= 0).sum())}"
    else:
        title = "No right answer was retrieved"
    for role, index in answers:
        other = decode.read(result.answers.paths[index], sample_rate)
        recordings.append(_example(role, result, index, other, result.answers.strings[index], frames))
    return examples.case(title, recordings, sample_rate)


def _example(
    role: str, result: Result, index: int, waveform: np.ndarray, string: np.ndarray, frames: Represent | None
) -> Example:
    """A recording under its name within its folder: this shows its class but not the machine it was on."""
    answers = result.answers
    path = Path(answers.paths[index])
    label = "/".join(path.parts[-2:])
    if answers.classes is not None and answers.classes[index] != path.parent.name:
        label = f"{answers.classes[index]}: {label}"
    return Example(role, label, waveform, string, frames([waveform])[0] if frames is not None else None)


def _tokens(result: Result) -> dict[str, Any]:
    return {
        "usage": drawings.usage(result.tokens.counts),
        "perplexity": f"{result.tokens.figures['perplexity']:.1f}",
        "similarity": tables.similarity(result),
        "commonest": tables.commonest(result),
    }
