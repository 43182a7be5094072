"""The table of a benchmark: one row per piece of work, as text for a terminal."""

import itertools
import math
import textwrap
from dataclasses import dataclass

WIDTH = 120  # columns of a terminal
RATE = "audio s/s"
"""The unit of a rate: seconds of audio per second."""
TIMES = ("s", "ms")
"""Units of which less is better."""


@dataclass(frozen=True)
class Row:
    """One piece of work and its cost.

    Attributes:
        part: what ran, e.g. "training step, recipe staged".
        work: how much of it at once, e.g. "48 pairs of 1 s".
        measured: the figure.
        unit: of ``measured``.
        plain: the same of the plain implementation, one recording at a time; None where there is none to compare.
        pretrained: of HuBERT base at its fastest batch size.
        floor: the limit by arithmetic and memory, or the network alone if ``note`` says so.
        note: a footnote.
    """

    part: str
    work: str
    measured: float
    unit: str = RATE
    plain: float | None = None
    pretrained: float | None = None
    floor: float | None = None
    note: str = ""


def text_table(rows: list[Row]) -> str:
    """The table for a terminal, no line wider than 120; columns without any figure are left out."""
    header = ["part", "work", "measured", "x plain", "x HuBERT", "% of floor"]
    cells = [header, *([one_line(row.part), one_line(row.work), *numbers(row)] for row in rows)]
    kept = [i for i in range(len(header)) if i < 3 or any(line[i] != "-" for line in cells[1:])]
    cells = [[line[i] for i in kept] for line in cells]
    # The widths of the worst case: numbers have at most 10 characters, ratios and their signs 12.
    most = [(36, 26, 24, 12, 12, 12)[i] for i in kept]
    widths = [min(max(map(len, column)), limit) for column, limit in zip(zip(*cells, strict=True), most, strict=True)]
    lines = []
    for line in cells:
        wrapped = [textwrap.wrap(cell, width) for cell, width in zip(line, widths, strict=True)]
        for pieces in itertools.zip_longest(*wrapped, fillvalue=""):
            text = "  ".join(
                piece.rjust(width) if column > 2 else piece.ljust(width)
                for column, (piece, width) in enumerate(zip(pieces, widths, strict=True))
            )
            lines.append(text.rstrip())
    return "\n".join(lines)


def number(value: float | None) -> str:
    """A measured number at three digits: "12,300", "31", "3.14", "0.0123"; "-" for None. At most 10 characters."""
    if value is None or not math.isfinite(value):
        return "-"
    if value == 0:
        return "0"
    if not 1e-3 <= abs(value) < 1e7:
        return f"{value:.2e}"
    places = 2 - math.floor(math.log10(abs(value)))
    text = f"{round(value, places):,.{max(places, 0)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def numbers(row: Row) -> list[str]:
    """The figure with its unit, times plain, times HuBERT base, % of the floor.

    They have three digits, so that 24.7 does not show as 25.
    """
    times = row.unit in TIMES
    ratios = [
        (other / row.measured if times else row.measured / other) if other else None
        for other in (row.plain, row.pretrained, row.floor)
    ]
    texts = [number(ratios[0]), number(ratios[1]), number(None if ratios[2] is None else 100 * ratios[2])]
    signs = (" x", " x", " %")
    figure = f"{number(row.measured)} {one_line(row.unit)}".rstrip()
    return [figure, *(text if text == "-" else text + sign for text, sign in zip(texts, signs, strict=True))]


def one_line(text: str) -> str:
    """The text with every run of white space as one space."""
    return " ".join(text.split())
