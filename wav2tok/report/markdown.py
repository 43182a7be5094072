"""The report as Markdown: ``report.md``."""

from pathlib import Path

from wav2tok.evaluation.gate import Verdict
from wav2tok.evaluation.judged import Judged
from wav2tok.evaluation.retrieval import protocol
from wav2tok.evaluation.retrieval.result import Result
from wav2tok.evaluation.retrieval.significance import DRAWS
from wav2tok.evaluation.retrieval.views import VOICES
from wav2tok.report import names, spotting, tables


def report(judged: Judged, verdict: Verdict, plots: list[str]) -> str:
    """The text. ``plots`` are the pictures' addresses, relative to it."""
    result = judged.retrieval
    lines = [
        "# Retrieval",
        "",
        f"**{'Approved' if verdict.approved else 'Not approved'}** by the gate, which judges plain edit distance:",
        "",
        *(f"- {reason}" for reason in verdict.reasons),
        "",
        *_forms(result),
        "",
        *_protocol(result),
        *_views(result),
        *_compared(result),
        *_robust(result),
    ]
    if judged.spotting is not None:
        lines += ["", *spotting.markdown(judged.spotting)]
    lines += ["", "## Tokens", "", *tables.tokens(result).markdown()]
    lines += ["", f"The codebook holds {result.setting.num_tokens} tokens. A bit rate counts log2 K bits a token."]
    lines += ["", "## Cost", "", "On this machine, all cores. Search compares a query with the whole database.", ""]
    lines += tables.cost(result).markdown()
    lines += ["", "## Plots", "", *(f"![{Path(plot).stem}]({plot})\n" for plot in plots)]
    return "\n".join(lines).rstrip() + "\n"


def _forms(result: Result) -> list[str]:
    """The tokenizer's three forms of matching next to each other."""
    return [
        "## The tokenizer",
        "",
        "By each of its three forms of matching, which read the same strings; bold is the best of a column. All three "
        "are given because none was chosen beforehand: which is best is itself read off these test recordings.",
        "",
        *tables.forms(result).markdown(),
    ]


def _protocol(result: Result) -> list[str]:
    setting = result.setting
    queries = ", ".join(f"{kind} {setting.asked(kind)}" for kind in setting.kinds)
    return [
        "## Protocol",
        "",
        f"`{setting.protocol}`: {setting.text}.",
        "",
        f"{setting.recordings} test recordings, of which {setting.queries} ask and {setting.left_out} are left out for "
        f"want of a relevant recording. Queries: {queries}. Each is ranked against {setting.database:.0f} recordings "
        "on average.",
        "",
        f"{'No view is in the database' if setting.protocol == 'self' else 'A query is never its own answer'}; ties "
        "rank by the database's order; an empty token string retrieves nothing and is never retrieved. MAP is divided "
        f"by all relevant recordings. Brackets hold 95 % intervals from {setting.bootstrap} bootstrap draws of "
        "recordings, a recording with all its views. Bold is the best of a column.",
    ]


def _views(result: Result) -> list[str]:
    """All systems, one table per kind of view."""
    setting = result.setting
    lines = []
    for kind in setting.kinds:
        factors = [view.factor for view in setting.views if view.kind == kind]
        lines += ["", f"## {protocol.asked_as(kind, factors)}", "", *tables.retrieval(result, kind).markdown()]
    if setting.absent:
        lines += ["", f"Not on this disk, and so not judged: {', '.join(setting.absent)}."]
    return lines


def _compared(result: Result) -> list[str]:
    """The tokenizer's forms against every baseline, one table per kind of view."""
    if not result.significance:
        return []
    lines = [
        "",
        "## Against the baselines",
        "",
        "Ours minus theirs on the same recordings, with the 95 % bootstrap interval of that difference, and p by "
        f"Fisher's paired randomisation test (two-sided, {DRAWS:,} draws of signs). A recording counts once, with all "
        f"its views. p is Holm's, corrected for all {len(result.significance)} comparisons of this report; bold where "
        f"it is below {tables.LEVEL:g}. Recordings of one speaker or class are not quite independent, so other "
        "speakers may differ by more.",
    ]
    for kind in result.setting.kinds:
        lines += ["", f"### {kind}", "", *tables.comparisons(result, kind).markdown()]
    return lines


def _robust(result: Result) -> list[str]:
    """How the robustness curves were measured; the plot and ``curves.json`` hold the curves."""
    if not result.curves:
        return []
    queries = ", ".join(f"{names.AXES[kind].name} by {curve.queries}" for kind, curve in result.curves.items())
    return [
        "",
        "## Robustness",
        "",
        f"MRR and MAP as the query changes, the database being as it is: {queries} queries, the same for every system. "
        f"The noise is babble, {VOICES} training recordings at once at one level; SNR is by RMS over the query. "
        "Without intervals: these are curves to compare by shape.",
    ]
