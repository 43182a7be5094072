"""Data Docs that work without a network.

The pages of Great Expectations load their styles, and the index its whole table, from the web; offline they are bare
text and an empty index. `make_offline` removes those references, adds one small style sheet, and writes an index with
every check, the first recordings that fail it, and the distributions of length, level, class and group.
"""

import collections
import html
import re
import shutil
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from wav2tok.corpus import past
from wav2tok.corpus.manifest import Entry
from wav2tok.corpus.past import Past
from wav2tok.progress import counted

NAMES = ("index.html", "validations/*.html", "expectations/*.html", past.FILE)
"""What the folder of the Data Docs holds."""
OFFENDERS = 5  # per check, on the index
BARS = 20  # of the classes and of the groups, on the index: the largest
BINS = 24  # of a histogram

# No script runs and nothing is fetched, even if a file name contains markup.
HEAD = """<meta charset="UTF-8">
<meta name="viewport" content="width=device-width, initial-scale=1.0">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Recordings: data validation</title>
<style>
:root { color-scheme: light dark; --line: #8886; --bad: #c62828; --warn: #b26a00; --good: #2e7d32; }
@media (prefers-color-scheme: dark) { :root { --bad: #ff8a80; --warn: #ffb74d; --good: #81c784; } }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h4, h5 { font-size: 1.15rem; margin: 1.5rem 0 .3rem; }
h6 { font-size: 1rem; margin: 1rem 0 .2rem; }
table { border-collapse: collapse; margin: .4rem 0; }
th, td { border-bottom: 1px solid var(--line); padding: .25rem .8rem .25rem 0; text-align: left; vertical-align: top; }
td { overflow-wrap: anywhere; }
td:has(.fas), td.passed, td.failed, td.name { white-space: nowrap; }
ol.breadcrumb { list-style: none; padding: 0; display: flex; gap: 1rem; }
#navigation ul { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: .2rem 1rem; }
.collapse, .card-header, .card:has(.btn-group-toggle), [data-toggle=collapse], .cooltip .top { display: none; }
.show-scrollbars > br:first-child, strong > br { display: none; }
.text-danger, .failed.critical { color: var(--bad); }
.text-success, .passed { color: var(--good); }
.failed.warning { color: var(--warn); }
.distributions { display: grid;
 grid-template-columns: repeat(auto-fit, minmax(min(100%, 28rem), 1fr)); gap: 1rem 2rem; }
figure { margin: 0; max-width: 34rem; } figcaption { font-weight: 600; }
figure p { margin: 0; font-size: .85rem; opacity: .75; }
svg { display: block; width: 100%; height: auto; } svg text { font-size: 11px; fill: currentColor; }
svg rect { fill: #4a86c5; } svg path { stroke: var(--line); }
.box { overflow-x: auto; } .box td:last-child { min-width: 14rem; }
.fas { font-style: normal; }
.fa-times::before { content: "✗"; }
.fa-check-circle::before { content: "✓"; }
.fa-exclamation-triangle::before { content: "!"; }
td .fa-times::after { content: " failed"; }
td .fa-check-circle::after { content: " passed"; }
td .fa-exclamation-triangle::after { content: " not computed"; }
</style>
"""

# Tags with their text, and single tags, that load from the web or are of no use without it.
WITH_TEXT = re.compile(r"<(script|style|footer|title)\b.*?</\1>", re.DOTALL | re.IGNORECASE)
LONE = re.compile(r"<(?:link|img|meta)\b[^>]*>", re.IGNORECASE)
WEB_LINK = re.compile(r'<a\b[^>]*href="https?://[^>]*>(.*?)</a>', re.DOTALL | re.IGNORECASE)


def printable(text: str) -> str:
    """``text`` with those bytes of a file name replaced that are not UTF-8, so it can be written anywhere."""
    return text.encode(errors="surrogateescape").decode(errors="replace")


def offline(page: str) -> str:
    """A page of Great Expectations without references to the web and with our style sheet."""
    page = LONE.sub("", WITH_TEXT.sub("", page))
    return WEB_LINK.sub(r"\1", page).replace("<head>", f"<head>\n{HEAD}", 1)


def histogram(title: str, values: Sequence[float], unit: str) -> str:
    """How many recordings have a value in each of `BINS` equal ranges, as a figure with inline SVG."""
    if not values:
        return ""
    low, high = min(values), max(values)
    bins = BINS if high > low else 1
    counts = [0] * bins
    for value in values:
        counts[min(int((value - low) / (high - low) * bins), bins - 1) if bins > 1 else 0] += 1
    step, most = 340 / bins, max(counts)
    parts = ['<path d="M30 110H370"/>']
    for place, count in enumerate(counts):
        if count:
            height, start = max(100 * count / most, 1), low + place * (high - low) / bins
            label = f"{start:.4g} to {start + (high - low) / bins:.4g} {unit}: {_recordings(count)}"
            parts.append(
                f'<rect x="{30 + place * step:.1f}" y="{110 - height:.1f}" width="{step - 1:.1f}" '
                f'height="{height:.1f}"><title>{label}</title></rect>'
            )
    ends = ((30, "start", low), (370, "end", high)) if bins > 1 else ((200, "middle", low),)
    parts += [f'<text x="{x}" y="125" text-anchor="{anchor}">{end:.4g} {unit}</text>' for x, anchor, end in ends]
    note = f"median {statistics.median(values):.4g} {unit}; the highest bar has {_recordings(most)}"
    return _figure(title, note, 380, 130, parts)


def bars(title: str, names: Iterable[str], kind: str) -> str:
    """How many recordings each of ``names`` has, the largest first and at most `BARS`, as a figure with inline SVG."""
    counts = sorted(collections.Counter(names).items(), key=lambda item: (-item[1], item[0]))
    if not counts:
        return ""
    most = counts[0][1]
    parts = []
    for place, (name, count) in enumerate(counts[:BARS]):
        y, width = 18 * place, max(190 * count / most, 1)
        shown = html.escape(printable(name if len(name) <= 22 else f"{name[:21]}…") or "(none)")
        parts.append(
            f"<g><title>{html.escape(printable(name))}: {_recordings(count)}</title>"
            f'<text x="134" y="{y + 13}" text-anchor="end">{shown}</text>'
            f'<rect x="140" y="{y + 2}" width="{width:.1f}" height="14"/>'
            f'<text x="{144 + width:.1f}" y="{y + 13}">{count}</text></g>'
        )
    hidden = len(counts) - BARS
    more = f", the {BARS} largest and {hidden} more" if hidden > 0 else ""
    sizes = f"{_recordings(most)} each" if counts[-1][1] == most else f"{counts[-1][1]} to {_recordings(most)} each"
    return _figure(title, f"{len(counts)} {kind}{more}; {sizes}", 380, 18 * min(len(counts), BARS) + 2, parts)


def _recordings(count: int) -> str:
    return counted(count, "recording")


def _figure(title: str, note: str, width: int, height: int, parts: Iterable[str]) -> str:
    """A figure with its title and a note above the drawing."""
    return (
        f'<figure><figcaption>{title}</figcaption><p>{note}</p><svg viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{title}">{"".join(parts)}</svg></figure>'
    )


def distributions(entries: Sequence[Entry]) -> str:
    """How the readable recordings are spread over lengths, levels, classes and groups; nothing if there are none."""
    good = [entry for entry in entries if not entry.error]
    if not good:
        return ""
    figures = (
        histogram("Length", [entry.seconds for entry in good], "s"),
        histogram("Level", [entry.rms_dbfs for entry in good], "dBFS"),
        bars("Classes", [entry.class_name for entry in good], "classes"),
        bars("Groups", [entry.group for entry in good], "groups, such as speakers"),
    )
    return f'<h4>Distributions</h4>\n<div class="distributions">\n{"".join(figures)}\n</div>\n'


def history(validations: Sequence[Past]) -> str:
    """A table of the validations, the last first, each with a link to its page."""
    rows = "\n".join(
        f'<tr><td class="name"><a href="{html.escape(one.page)}">{one.at.replace("T", " ").removesuffix("Z")}</a></td>'
        f'<td class="{"passed" if one.success else "failed critical"}">{"✓ passed" if one.success else "✗ failed"}</td>'
        f"<td>{one.recordings}</td><td>{one.hours:.2f}</td><td>{one.classes}</td><td>{one.groups}</td>"
        f"<td>{html.escape(', '.join(one.failed)) or 'none'}</td></tr>"
        for one in reversed(validations)
    )
    return (
        '<h4>History</h4>\n<div class="box"><table>\n<tr><th>Time (UTC)</th><th>Corpus</th><th>Recordings</th>'
        f"<th>Hours</th><th>Classes</th><th>Groups</th><th>Failed checks</th></tr>\n{rows}\n</table></div>\n"
    )


def comparison(compared: dict[str, Any]) -> str:
    """What has moved since data was last accepted.

    Args:
        compared: of ``validation.json``.
    """
    rows = "".join(
        f'<tr><td class="{"failed" if one["moved"] else "passed"} {one["severity"]}">'
        f"{'✗ moved' if one['moved'] else '✓ as before'}</td>"
        f'<td class="name">{one["name"]}</td><td>{one["severity"]}</td><td>{one["value"]:.3f}</td>'
        f"<td>{one['bound']:.3f}</td><td>{html.escape(printable(one['says']))}</td></tr>\n"
        for one in compared["shifts"]
    )
    table = (
        '<div class="box"><table>\n<tr><th>Status</th><th>Distribution</th><th>Severity</th>'
        f"<th>Divergence, bits</th><th>Bound</th><th>What differs most</th></tr>\n{rows}</table></div>\n"
    )
    says = html.escape(compared["says"])
    return f"<h4>Compared with the accepted data</h4>\n<p>{says}</p>\n{table if rows else ''}"


def index(summary: dict[str, Any], links: dict[str, str], entries: Sequence[Entry], validations: Sequence[Past]) -> str:
    """The first page: totals, every check with the first recordings that fail it, what moved, distributions, history.

    Args:
        summary: the content of ``validation.json``.
        links: {text: address relative to the index}.
        entries: the manifest.
        validations: this one and those before, oldest first.
    """
    rows = []
    for check in summary["checks"]:
        state = "passed" if check["success"] else "failed"
        shown = "".join(
            f"<br>{html.escape(offender['path'])} ({html.escape(offender['text'])})"
            for offender in check["offenders"][:OFFENDERS]
        )
        more = "<br>..." if check["unexpected"] > OFFENDERS else ""
        mark = "✓" if check["success"] else "✗"
        rows.append(
            f'<tr><td class="{state} {check["severity"]}">{mark} {state}</td>'
            f'<td class="name">{html.escape(check["name"])}</td><td>{check["severity"]}</td>'
            f"<td>{check['unexpected']}</td>"
            f"<td>{html.escape(check['says'])}{shown}{more}</td></tr>"
        )
    pages = " · ".join(f'<a href="{html.escape(address)}">{html.escape(text)}</a>' for text, address in links.items())
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n{HEAD}</head>\n<body>\n<h4>Recordings: data validation</h4>\n'
        f"<p>{_recordings(summary['recordings'])}, {summary['hours']:.2f} hours, "
        f"{counted(summary['classes'], 'class')}, {counted(summary['groups'], 'group')}; "
        f"{summary['unreadable']} of {summary['files']} files cannot be read.</p>\n"
        f'<p>{pages}</p>\n<div class="box"><table>\n<tr><th>Status</th><th>Check</th><th>Severity</th>'
        f"<th>Recordings</th><th>that ...</th></tr>\n"
        + "\n".join(rows)
        + f"\n</table></div>\n{comparison(summary['compared'])}{distributions(entries)}{history(validations)}"
        "</body>\n</html>\n"
    )


def make_offline(
    docs: Path, summary: dict[str, Any], entries: Sequence[Entry], old: Path, earlier: Sequence[Past]
) -> None:
    """Rewrite the Data Docs site in the folder ``docs`` so that it is readable without a network.

    Args:
        summary: the content of ``validation.json``.
        entries: the manifest.
        old: the site that it replaces, with the pages of the validations ``earlier``, which are kept.
    """
    shutil.rmtree(docs / "static", ignore_errors=True)  # fonts and logos of the removed styles
    links = {}
    for text, folder in (("Validation result in full", "validations"), ("Expectation suite", "expectations")):
        for path in sorted((docs / folder).rglob("*.html")):
            path.write_text(offline(path.read_text(encoding="utf-8")), encoding="utf-8")
            links[text] = path.relative_to(docs).as_posix()
    validations = past.keep(earlier, old, docs, links["Validation result in full"], summary)
    (docs / "index.html").write_text(index(summary, links, entries, validations), encoding="utf-8")
