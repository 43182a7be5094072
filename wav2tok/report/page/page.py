"""The report as one page: figures, curves, confusions, and recordings to see and hear with their tokens.

``report.html`` holds all that it shows. It opens from a disk without a network, on a phone, in the dark; no script
runs in it, and the same result gives the same bytes.
"""

from pathlib import Path

import numpy as np

from wav2tok.audio import decode
from wav2tok.evaluation.gate import Verdict
from wav2tok.evaluation.judged import Judged
from wav2tok.evaluation.retrieval import protocol, views
from wav2tok.evaluation.retrieval.metrics import HEADINGS
from wav2tok.evaluation.retrieval.protocol import View
from wav2tok.evaluation.retrieval.result import Result
from wav2tok.evaluation.systems import FORMS, Represent
from wav2tok.files import replacing
from wav2tok.report import gallery
from wav2tok.report.gallery import Case
from wav2tok.report.page import drawings, examples, tables
from wav2tok.report.page.examples import Heard
from wav2tok.report.page.markup import text
from wav2tok.report.page.style import HEAD, SHEET

_PAIRS, _MISSES = 3, 2
"""Cases in the gallery: twelve recordings, as a miss has three."""


def write(judged: Judged, verdict: Verdict, path: Path, sample_rate: int, frames: Represent | None = None) -> None:
    """Write the page.

    Args:
        path: where to; replaced whole or not.
        sample_rate: Hz, at which recordings are read and played.
        frames: waveforms -> one token a frame, int [T] each, as `Tokenizer.encode_frames` gives them: then tokens are
            drawn along time, too. Without it strings stand alone.

    Raises:
        UserError: a recording of the gallery cannot be read any more.
    """
    with replacing(path) as temporary:
        temporary.write_text(render(judged, verdict, sample_rate, frames), encoding="utf-8")


def render(judged: Judged, verdict: Verdict, sample_rate: int, frames: Represent | None = None) -> str:
    """The page's HTML; arguments as for `write`."""
    result = judged.retrieval
    sections = {
        "Retrieval": _retrieval(result),
        "Robustness": _robustness(result),
        "Spotting words": tables.spotting(judged.spotting) if judged.spotting is not None else "",
        "Confusions": _confusions(result),
        "Listen": _gallery(result, sample_rate, frames),
        "Tokens": _tokens(result),
        "Cost": "<p>On this machine, all cores. A search compares one query with the whole database.</p>\n"
        + tables.cost(result),
    }
    shown = {name: body for name, body in sections.items() if body}
    links = "".join(f'<a href="#{_anchor(name)}">{name}</a>' for name in shown)
    body = "\n".join(
        f'<section id="{_anchor(name)}"><h2>{name}</h2>\n{section}\n</section>' for name, section in shown.items()
    )
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n{HEAD}\n<title>wav2tok: retrieval by tokens</title>\n'
        f"<style>{SHEET}</style>\n</head>\n<body>\n{_headline(result, verdict)}\n<nav>{links}</nav>\n{_HOW_TO_READ}\n"
        f"{body}\n</body>\n</html>\n"
    )


def _anchor(name: str) -> str:
    return name.lower().replace(" ", "-")


_HOW_TO_READ = """<details open><summary><strong>How to read this page</strong></summary>
<ol>
<li>The tokenizer writes each recording as a short string of numbers, its tokens. Two recordings are alike when few
edits turn one string into the other. Plain edit distance sees nothing but the strings; the two forms beside it also
know which tokens sound alike.</li>
<li>Each query ranks the database by that distance. <b>MRR</b> is high when the first right answer comes early,
<b>MAP</b> when all right answers do; <b>P@1</b> is how often the very first is right, <b>R@10</b> which share of the
right ones is among the first ten. All lie between 0 and 1, and more is better.</li>
<li><b>V</b> asks with a recording as it is, <b>TS</b> faster or slower, <b>PS</b> higher or lower. Systems without
tokens, such as DTW on all frames, are there to compare: they keep far more of the sound, and search slowly.</li>
<li>A bar is the value, the thin line on it the 95 % interval: other recordings of the same kind would likely give a
value in it. Bold is the best of a column.</li>
<li>A token has the same colour wherever it occurs on the page. Pointing at a number or a block tells more.</li>
</ol></details>"""


def _headline(result: Result, verdict: Verdict) -> str:
    setting = result.setting
    asked = ", ".join(f"{kind} {setting.asked(kind)}" for kind in setting.kinds)
    left_out = f"; {setting.left_out} recordings don't ask, as nothing would be a right answer" * (setting.left_out > 0)
    classes = f" of {len(set(result.answers.classes))} classes" if result.answers.classes is not None else ""
    ours = result.scores[FORMS[0]]
    tiles = [
        (f"{ours[kind][metric].value:.3f}", f"{HEADINGS[metric]} on {kind}")
        for kind in setting.kinds
        for metric in ("mrr", "map")
    ]
    tiles += [
        (f"{result.tokens.figures['tokens_per_second']:.1f}", "tokens a second"),
        (f"{result.tokens.figures['bits_per_second']:.0f}", "bits a second"),
        (f"{100 * result.tokens.figures['codebook_use']:.0f} %", f"of {setting.num_tokens} tokens in use"),
    ]
    said, kind = ("Approved", "good") if verdict.approved else ("Not approved", "bad")
    reasons = "".join(f"<li>{text(reason)}</li>" for reason in verdict.reasons)
    return (
        "<h1>Finding recordings by their tokens</h1>\n"
        f"<p>{setting.recordings} test recordings{classes}, which no system learned from. Protocol "
        f"<i>{text(setting.protocol)}</i>: {text(setting.text)}. Queries: {asked}, each ranked against "
        f"{setting.database:.0f} recordings on average{left_out}.</p>\n"
        f'<div class="verdict {kind}"><strong>{said}</strong> by the gate, which judges plain edit distance:'
        f"<ul>{reasons}</ul></div>\n"
        f'<div class="tiles">{"".join(f"<div><b>{value}</b><span>{name}</span></div>" for value, name in tiles)}</div>'
    )


def _retrieval(result: Result) -> str:
    setting = result.setting
    parts = []
    for kind in setting.kinds:
        factors = [view.factor for view in setting.views if view.kind == kind]
        how = protocol.asked_as(kind, factors)
        parts.append(f"<h3>{how}</h3>\n{tables.retrieval(result, kind)}")
    own = "No view is in the database" if setting.protocol == "self" else "A query is never its own answer"
    parts.append(
        f'<p class="soft">{own}; ties rank by the database\'s order; an empty string retrieves nothing and is never '
        f"retrieved. MAP is divided by all right answers. Intervals: {setting.bootstrap} bootstrap draws of "
        "recordings, a recording with all its views.</p>"
    )
    if setting.absent:
        parts.append(f'<p class="soft">Not on this disk, and so not judged: {text(", ".join(setting.absent))}.</p>')
    if result.significance:
        leads = "\n".join(f"<h3>On {kind}</h3>\n{tables.significance(result, kind)}" for kind in setting.kinds)
        parts.append(
            f'<p class="soft">▼ ▲: a baseline lies below or above {text(setting.labels[FORMS[0]])} in MRR or MAP by '
            f"more than chance gives, p &lt; {tables.LEVEL:g} after Holm's correction for {len(result.significance)} "
            "comparisons (paired randomisation test).</p>\n"
            f"<details><summary>Every lead over a baseline, with its significance</summary>\n{leads}\n"
            '<p class="soft">Ours minus theirs; * p &lt; .05, ** p &lt; .01, *** p &lt; .001, corrected. Intervals are '
            "in the tooltips.</p></details>"
        )
    return "\n".join(parts)


def _robustness(result: Result) -> str:
    setting = result.setting
    if not result.curves:
        return ""
    drawn = "\n".join(
        drawings.curve(one, metric, setting.labels) for metric in ("mrr", "map") for one in result.curves.values()
    )
    return (
        "<p>The query is changed, the database is not: other people's voices behind it, faster or slower, higher or "
        f'lower.</p>\n{drawings.legend(setting.labels)}\n<div class="plots">\n{drawn}\n</div>'
    )


def _confusions(result: Result) -> str:
    setting = result.setting
    answers = result.answers
    if answers.classes is None:
        return ""
    asked = [answers.classes[i] for i in answers.query_index]
    found = gallery.confusion(answers.order, asked, answers.classes)
    hidden = f" The {found.hidden} classes that err least are not shown." if found.hidden else ""
    return (
        f"<p>The class of the nearest answer, by {text(setting.labels[FORMS[0]])} ({_how(setting.views[0])}): rows are "
        f"the queries' classes, numbers per cent of the row; the diagonal is right.{hidden}</p>\n"
        f"{drawings.heat_map(found)}"
    )


def _how(view: View) -> str:
    """How the first view asks, which is the one that is shown query by query."""
    return {"V": "queries as they are", "TS": f"queries at tempo {view.factor:g}"}.get(
        view.kind, f"queries shifted by {view.factor:+g} semitones"
    )


def _gallery(result: Result, sample_rate: int, frames: Represent | None) -> str:
    setting = result.setting
    answers = result.answers
    names = answers.paths if answers.classes is None else answers.classes
    asked = [names[i] for i in answers.query_index]
    lengths = np.array([len(string) for string in answers.asking])
    near = gallery.nearest_pairs(answers.order, answers.distances, answers.relevant, asked, lengths, _PAIRS)
    far = gallery.worst_misses(answers.order, answers.relevant, asked, _MISSES)
    silent = int((lengths == 0).sum())
    parts = [
        f"<p>By {text(setting.labels[FORMS[0]])}, {_how(setting.views[0])}. In a case pictures have one scale of time. "
        "This page holds recordings: pass it on only where those may go.</p>"
    ]
    if silent:
        parts.append(f"<p>{silent} queries have an empty string and retrieve nothing.</p>")
    for title, cases, none in (
        ("Nearest pairs", near, "No query's nearest answer is right."),
        ("Worst misses", far, "No query was answered wrongly."),
    ):
        parts.append(f"<h3>{title}</h3>")
        parts += [_case(result, case, sample_rate, frames) for case in cases] or [f"<p>{none}</p>"]
    return "\n".join(parts)


def _case(result: Result, case: Case, sample_rate: int, frames: Represent | None) -> str:
    query = int(result.answers.query_index[case.query])
    waveform = views.make(decode.read(result.answers.paths[query], sample_rate), result.setting.views[0], sample_rate)
    heard = [_heard("Query", result, query, waveform, result.answers.asking[case.query], frames)]
    answers = [("Wrong answer that won", case.winner)] if case.winner is not None else []
    if case.winner is None:
        title = f"The nearest answer is right, at distance {result.answers.distances[case.query, case.right]:.3f}"
    elif case.rank:
        title = f"The first right answer ranks {case.rank} of {int((result.answers.order[case.query] >= 0).sum())}"
    else:
        title = "No right answer was retrieved"
    for role, index in [*answers, ("Best right answer" if answers else "Right answer", case.right)]:
        other = decode.read(result.answers.paths[index], sample_rate)
        heard.append(_heard(role, result, index, other, result.answers.strings[index], frames))
    return examples.case(title, heard, sample_rate)


def _heard(
    role: str, result: Result, index: int, waveform: np.ndarray, string: np.ndarray, frames: Represent | None
) -> Heard:
    """A recording under the name that it has in its folder, which says the class but not whose disk it was on."""
    answers = result.answers
    path = Path(answers.paths[index])
    label = "/".join(path.parts[-2:])
    if answers.classes is not None and answers.classes[index] != path.parent.name:
        label = f"{answers.classes[index]}: {label}"
    return Heard(role, label, waveform, string, frames([waveform])[0] if frames is not None else None)


def _tokens(result: Result) -> str:
    used = int((result.tokens.counts > 0).sum())
    return (
        f"<p>{used} of {len(result.tokens.counts)} tokens occur in the test recordings; perplexity "
        f"{result.tokens.figures['perplexity']:.1f}, as if so many were used alike. Repeats are dropped, and a bit "
        f'rate counts log2 K bits a token.</p>\n<div class="plots">{drawings.usage(result.tokens.counts)}'
        f"<div>{tables.alike(result.tokens.figures)}</div></div>\n<h3>The commonest</h3>\n{tables.commonest(result)}"
    )
