"""Data Docs that work without a network.

The pages of Great Expectations load their styles, and the index its whole table, from the web; offline they are bare
text and an empty index. `make_offline` removes those references, adds one small style sheet, and writes an index with
every check and the first recordings that fail it.
"""

import html
import re
import shutil
from pathlib import Path
from typing import Any

NAMES = ("index.html", "validations", "expectations")
"""What the folder of the Data Docs holds."""
OFFENDERS = 5  # per check, on the index

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


def index(summary: dict[str, Any], links: dict[str, str]) -> str:
    """The first page: totals, every check with the first recordings that fail it, and links to the full pages.

    Args:
        summary: the content of ``validation.json``.
        links: {text: address relative to the index}.
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
            f'<td class="name">{check["name"]}</td><td>{check["severity"]}</td><td>{check["unexpected"]}</td>'
            f"<td>{html.escape(check['says'])}{shown}{more}</td></tr>"
        )
    pages = " · ".join(f'<a href="{html.escape(address)}">{html.escape(text)}</a>' for text, address in links.items())
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n{HEAD}</head>\n<body>\n<h4>Recordings: data validation</h4>\n'
        f"<p>{summary['recordings']} recordings, {summary['hours']:.2f} hours, {summary['classes']} classes, "
        f"{summary['groups']} groups; {summary['unreadable']} of {summary['files']} files cannot be read.</p>\n"
        f"<p>{pages}</p>\n<table>\n<tr><th>Status</th><th>Check</th><th>Severity</th><th>Recordings</th>"
        f"<th>that ...</th></tr>\n" + "\n".join(rows) + "\n</table>\n</body>\n</html>\n"
    )


def make_offline(docs: Path, summary: dict[str, Any]) -> None:
    """Rewrite the Data Docs site in the folder ``docs`` so that it is readable without a network."""
    shutil.rmtree(docs / "static", ignore_errors=True)  # fonts and logos of the removed styles
    links = {}
    for text, folder in (("Validation result in full", "validations"), ("Expectation suite", "expectations")):
        for path in sorted((docs / folder).rglob("*.html")):
            path.write_text(offline(path.read_text(encoding="utf-8")), encoding="utf-8")
            links[text] = path.relative_to(docs).as_posix()
    (docs / "index.html").write_text(index(summary, links), encoding="utf-8")
