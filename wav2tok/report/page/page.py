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
from wav2tok.evaluation.retrieval import protocol, views
from wav2tok.evaluation.retrieval.evaluate import Result
from wav2tok.evaluation.retrieval.protocol import View
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


def write(result: Result, verdict: Verdict, path: Path, sample_rate: int, frames: Represent | None = None) -> None:
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
        temporary.write_text(render(result, verdict, sample_rate, frames), encoding="utf-8")


def render(result: Result, verdict: Verdict, sample_rate: int, frames: Represent | None = None) -> str:
    """The page's HTML; arguments as for `write`."""
    sections = {
        "Retrieval": _retrieval(result),
        "Robustness": _robustness(result),
        "Spotting words": _spotting(result),
        "Confusions": _confusions(result),
        "Listen": _gallery(result, sample_rate, frames),
        "Tokens": _tokens(result),
        "Cost": {"table": tables.cost(result)},
    }
    source = TEMPLATES.get_template("page.html").render(
        headline=_headline(result),
        verdict=verdict,
        sections={title: shown for title, shown in sections.items() if shown is not None},
        plain=result.labels[FORMS[0]],
        first_view=_query_text(result.views[0]),
    )
    return printable(source)


def _headline(result: Result) -> dict[str, Any]:
    ours = result.scores[FORMS[0]]
    tiles = [
        (f"{ours[kind][metric].value:.3f}", f"{names.METRICS[metric]} on {kind}")
        for kind in result.kinds
        for metric in TESTED
    ]
    tiles += [
        (f"{result.tokens['tokens_per_second']:.1f}", "tokens per second"),
        (f"{result.tokens['bits_per_second']:.0f}", "bits per second"),
        (f"{100 * result.tokens['codebook_use']:.0f} %", f"of {result.num_tokens} tokens in use"),
    ]
    return {
        "recordings": result.recordings,
        "classes": 0 if result.test_classes is None else len(set(result.test_classes)),
        "protocol": result.protocol,
        "text": result.text,
        "queries": ", ".join(f"{kind} {result.asked(kind)}" for kind in result.kinds),
        "database": f"{result.database:.0f}",
        "left_out": result.left_out,
        "tiles": tiles,
    }


def _retrieval(result: Result) -> dict[str, Any]:
    headings = {
        kind: protocol.asked_as(kind, [view.factor for view in result.views if view.kind == kind])
        for kind in result.kinds
    }
    return {
        "views": {heading: tables.retrieval(result, kind) for kind, heading in headings.items()},
        "protocol": result.protocol,
        "bootstrap": result.bootstrap,
        "absent": result.absent,
        "comparisons": len(result.significance),
        "level": f"{tables.LEVEL:g}",
        "leads": {kind: tables.leads(result, kind) for kind in result.kinds},
    }


def _robustness(result: Result) -> dict[str, Any] | None:
    if not result.curves:
        return None
    panels = [drawings.curve(one, metric, result.labels) for metric in TESTED for one in result.curves.values()]
    return {"legend": list(drawings.strokes(result.labels).values()), "panels": panels}


def _spotting(result: Result) -> dict[str, Any] | None:
    if result.spotting is None:
        return None
    return {
        "spotting": result.spotting,
        "hit": HIT,
        "scores": spotting.scores(result.spotting, ("f1", "mtwv", "mrr", "map")),
        "details": spotting.details(result.spotting),
    }


def _confusions(result: Result) -> dict[str, Any] | None:
    if result.test_classes is None:
        return None
    queries = [result.test_classes[i] for i in result.query_index]
    confusion = gallery.confusion(result.order, queries, result.test_classes)
    return {"hidden": confusion.hidden, "map": drawings.heat_map(confusion)}


def _query_text(view: View) -> str:
    """How queries are asked on the first view, the one that the page shows query by query."""
    return {"V": "queries as they are", "TS": f"queries at tempo {view.factor:g}"}.get(
        view.kind, f"queries shifted by {view.factor:+g} semitones"
    )


def _gallery(result: Result, sample_rate: int, frames: Represent | None) -> dict[str, Any]:
    classes = result.test_paths if result.test_classes is None else result.test_classes
    queries = [classes[i] for i in result.query_index]
    lengths = np.array([len(string) for string in result.asking])
    near = gallery.nearest_pairs(result.order, result.distances, result.relevant, queries, lengths, _PAIRS)
    far = gallery.worst_misses(result.order, result.relevant, queries, _MISSES)

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
    query = int(result.query_index[case.query])
    waveform = views.make(decode.read(result.test_paths[query], sample_rate), result.views[0], sample_rate)
    recordings = [_example("Query", result, query, waveform, result.asking[case.query], frames)]
    answers = [("Right answer", case.right)]
    if case.winner is not None:
        answers = [("Wrong answer that won", case.winner), ("Best right answer", case.right)]
    if case.winner is None:
        title = f"The nearest answer is right, at distance {result.distances[case.query, case.right]:.3f}"
    elif case.rank:
        title = f"The first right answer ranks {case.rank} of {int((result.order[case.query] >= 0).sum())}"
    else:
        title = "No right answer was retrieved"
    for role, index in answers:
        other = decode.read(result.test_paths[index], sample_rate)
        recordings.append(_example(role, result, index, other, result.strings[index], frames))
    return examples.case(title, recordings, sample_rate)


def _example(
    role: str, result: Result, index: int, waveform: np.ndarray, string: np.ndarray, frames: Represent | None
) -> Example:
    """A recording under its name within its folder: this shows its class but not the machine it was on."""
    path = Path(result.test_paths[index])
    label = "/".join(path.parts[-2:])
    if result.test_classes is not None and result.test_classes[index] != path.parent.name:
        label = f"{result.test_classes[index]}: {label}"
    return Example(role, label, waveform, string, frames([waveform])[0] if frames is not None else None)


def _tokens(result: Result) -> dict[str, Any]:
    return {
        "usage": drawings.usage(result.token_counts),
        "perplexity": f"{result.tokens['perplexity']:.1f}",
        "similarity": tables.similarity(result),
        "commonest": tables.commonest(result),
    }
