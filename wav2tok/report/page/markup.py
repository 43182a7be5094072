"""Small pieces of HTML. Whatever comes from data passes through `text` on its way to the page."""

import html
from collections.abc import Iterable, Sequence

from wav2tok.corpus.datadocs import printable


def text(value: object) -> str:
    """``value`` as the text of an element or an attribute: no markup, no byte that cannot be written."""
    return html.escape(printable(str(value)))


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table that scrolls in a box of its own; cells are HTML, the first of a row its heading, the rest numbers."""
    head = "".join(f'<th scope="col">{heading}</th>' for heading in headings)
    body = "\n".join(
        f'<tr><th scope="row">{first}</th>' + "".join(f'<td class="number">{cell}</td>' for cell in rest) + "</tr>"
        for first, *rest in rows
    )
    return f'<div class="box"><table><thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>'


def token(value: int, tag: str = "span", title: str = "") -> str:
    """A token in its colour: the same token has the same one everywhere; number and title tell it without colour."""
    told = f' title="{text(title)}"' if title else ""
    return f'<{tag} class="t" style="--t:{value}"{told}>{value}</{tag}>'
