"""The report as one HTML page: results, curves, confusions, and recordings to see and hear with their tokens.

The page contains everything it shows: it opens from disk without a network, on a phone, in dark mode. No script runs in
it, and the same result gives the same bytes.
"""

from pathlib import Path

from wav2tok.corpus.datadocs import printable
from wav2tok.evaluation.gate import Verdict
from wav2tok.evaluation.held_out import Judged
from wav2tok.evaluation.retrieval.result import Answers
from wav2tok.evaluation.retrieval.significance import TESTED
from wav2tok.evaluation.spotting.metrics import HIT
from wav2tok.evaluation.systems import FORMS, Represent
from wav2tok.files import replacing
from wav2tok.report import gallery, names, tables
from wav2tok.report.page import drawings, examples
from wav2tok.report.templates import templates

TEMPLATES = templates("wav2tok.report.page")
TEMPLATES.filters["anchor"] = lambda title: title.lower().replace(" ", "-")
TEMPLATES.globals.update(
    frame=drawings.FRAME,
    curve_of=drawings.curve,
    usage_of=drawings.usage,
    tables=tables,
    metric_names=names.METRICS,
    tested=TESTED,
    hit=HIT,
)


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
    setting, answers = result.setting, result.answers
    sections = {
        "Retrieval": True,
        "Robustness": bool(result.curves),
        "Spotting words": judged.spotting is not None,
        "Confusions": answers.classes is not None,
        "Listen": True,
        "Tokens": True,
        "Cost": True,
    }
    source = TEMPLATES.get_template("page.html").render(
        sections=[title for title, shown in sections.items() if shown],
        result=result,
        setting=setting,
        spotting=judged.spotting,
        verdict=verdict,
        plain=setting.labels[FORMS[0]],
        ours=result.scores[FORMS[0]],
        first_view=f"queries {setting.views[0].how}",
        strokes=drawings.strokes(setting.labels),
        confusion=_confusion(answers),
        cases=examples.cases(result, sample_rate, frames),
    )
    return printable(source)


def _confusion(answers: Answers) -> gallery.Confusion | None:
    if answers.classes is None:
        return None
    return gallery.confusion(answers.order, [answers.classes[i] for i in answers.query_index], answers.classes)
