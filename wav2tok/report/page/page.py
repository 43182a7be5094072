"""The report as one HTML page: results, curves, confusions, and recordings to see and hear with their tokens.

The page contains everything it shows: it opens from disk without a network, on a phone, in dark mode. One script runs,
which filters, sorts and plays the queries; all else works without it. The same result gives the same bytes.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

from wav2tok.corpus.datadocs import printable
from wav2tok.evaluation.gate import Verdict
from wav2tok.evaluation.held_out import Judged
from wav2tok.evaluation.retrieval.result import Answers, Result
from wav2tok.evaluation.retrieval.significance import TESTED
from wav2tok.evaluation.spotting.metrics import HIT
from wav2tok.evaluation.systems import FORMS, Represent
from wav2tok.files import replacing
from wav2tok.report import gallery, names, robustness, tables
from wav2tok.report.page import drawings, examples, queries
from wav2tok.report.templates import templates

TEMPLATES = templates("wav2tok.report.page")
TEMPLATES.filters["anchor"] = lambda title: title.lower().replace(" ", "-")
TEMPLATES.globals.update(
    frame=drawings.FRAME,
    curve_of=drawings.curve,
    usage_of=drawings.usage,
    tables=tables,
    robustness=robustness,
    metric_names=names.METRICS,
    explained=names.EXPLAINED,
    variants=names.VARIANTS,
    forms=FORMS,
    script=queries.SCRIPT,
    script_digest=queries.SCRIPT_DIGEST,
    tested=TESTED,
    hit=HIT,
)


@dataclass(frozen=True)
class Origin:
    """Where the figures come from; what is not known is None."""

    date: str | None = None
    commit: str | None = None
    data: str | None = None
    model: str | None = None
    run: str | None = None
    seed: str | None = None


def write(
    judged: Judged,
    verdict: Verdict,
    path: Path,
    sample_rate: int,
    frames: Represent | None = None,
    origin: Origin = Origin(),
) -> None:
    """Write the page.

    Args:
        path: the HTML file, replaced as a whole.
        sample_rate: the rate at which recordings are read and played, Hz.
        frames: waveforms -> one token per frame, int [T] each, as `Tokenizer.encode_frames` returns them, to draw
            tokens along time. Without it only the strings are shown.
        origin: what the page says of the model, the data and the code.

    Raises:
        UserError: a recording can no longer be read.
    """
    with replacing(path) as temporary:
        temporary.write_text(render(judged, verdict, sample_rate, frames, origin), encoding="utf-8")


def render(
    judged: Judged, verdict: Verdict, sample_rate: int, frames: Represent | None = None, origin: Origin = Origin()
) -> str:
    """The page's HTML; arguments as for `write`."""
    result = judged.retrieval
    setting, answers = result.setting, result.answers
    sections = {
        "Queries": True,
        "Robustness": bool(result.curves),
        "Spotting words": judged.spotting is not None,
        "Confusions": answers.classes is not None,
        "Examples": True,
        "Retrieval": True,
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
        ours=FORMS[0],
        rival=_rival(result),
        origin=[(names.ORIGIN[name], value) for name, value in asdict(origin).items() if value is not None],
        first_view=f"queries {setting.views[0].how}",
        strokes=drawings.strokes(setting.labels),
        confusion=_confusion(answers),
        browser=queries.browser(result, sample_rate),
        cases=examples.cases(result, sample_rate, frames),
    )
    return printable(source)


def _rival(result: Result) -> str | None:
    """The baseline with the highest MRR on the first kind of view."""
    kind = result.setting.kinds[0]
    baselines = [name for name in result.scores if name not in FORMS]
    return max(baselines, key=lambda name: result.scores[name][kind]["mrr"].value, default=None)


def _confusion(answers: Answers) -> gallery.Confusion | None:
    if answers.classes is None:
        return None
    return gallery.confusion(answers.order, [answers.classes[i] for i in answers.query_index], answers.classes)
