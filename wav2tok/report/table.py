"""One table, three forms: plain text and Markdown here, HTML in ``page/table.html``."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from wav2tok.evaluation.retrieval.metrics import Estimate


@dataclass(frozen=True)
class Cell:
    """One cell.

    Attributes:
        text: what all forms show.
        bold: bold in Markdown and HTML: the best value of a column, or a significant p.
        estimate: its interval is added in Markdown and drawn as a bar in HTML.
        mark: a sign after the value, in HTML only.
        title: a tooltip, in HTML only.
        token: the token whose colour the cell has in HTML, or None.
    """

    text: str
    bold: bool = False
    estimate: Estimate | None = None
    mark: str = ""
    title: str = ""
    token: int | None = None


class Table:
    """Headings and rows of `Cell`; a plain string is a cell, too. The first cell of a row names the row.

    Args:
        highlighted: the numbers of rows that HTML shows in colour.
    """

    def __init__(
        self, headings: Sequence[str], rows: Iterable[Sequence[str | Cell]], highlighted: Iterable[int] = ()
    ) -> None:
        self.headings = list(headings)
        self.rows = [[cell if isinstance(cell, Cell) else Cell(cell) for cell in row] for row in rows]
        self.highlighted = frozenset(highlighted)

    def text(self) -> str:
        """Columns of equal width, the first flush left and the others flush right."""
        texts = [self.headings, *([cell.text for cell in row] for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
        lines = [texts[0], ["-" * width for width in widths], *texts[1:]]
        return "\n".join(
            "  ".join(
                [line[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(line[1:], widths[1:], strict=True))]
            )
            for line in lines
        )

    def markdown(self) -> str:
        """A Markdown table."""
        texts = [self.headings, *([_markdown(cell) for cell in row] for row in self.rows)]
        lines = ["|" + "|".join(f" {text} " if text else " " for text in row) + "|" for row in texts]
        return "\n".join([lines[0], "|---" * len(self.headings) + "|", *lines[1:]])


def _markdown(cell: Cell) -> str:
    text = f"**{cell.text}**" if cell.bold else cell.text
    return text if cell.estimate is None else f"{text} [{cell.estimate.low:.3f}, {cell.estimate.high:.3f}]"
