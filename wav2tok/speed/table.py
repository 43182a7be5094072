"""The table of a benchmark: one row per piece of work, as text for a terminal."""

import itertools
import math
import textwrap
from dataclasses import dataclass

WIDTH = 120  # columns of a terminal


@dataclass(frozen=True)
class Row:
    """One piece of work and its speed; rates are seconds of audio per second, None if there is none.

    Attributes:
        part: what ran, e.g. "training step, recipe staged".
        work: how much of it at once, e.g. "48 pairs of 1 s".
        rate: of wav2tok.
        plain: of the plain implementation, one recording at a time.
        pretrained: of HuBERT base at its fastest batch size.
        floor: the limit by arithmetic and memory, or the network alone if ``note`` says so.
        target: the goal, e.g. ">= 25 x plain, >= 70 % of the floor".
        met: whether the goal is reached; None without a goal, or if it was not measured.
        note: a footnote.
    """

    part: str
    work: str
    rate: float
    plain: float | None
    pretrained: float | None
    floor: float | None
    target: str = ""
    met: bool | None = None
    note: str = ""


def text_table(rows: list[Row]) -> str:
    """The table for a terminal, no line wider than 120; a target that does not fit goes below its row, indented."""
    header = ["part", "work", "audio s/s", "x plain", "x HuBERT", "% of floor", "met"]
    cells = [header, *([one_line(row.part), one_line(row.work), *numbers(row), met(row)] for row in rows)]
    # Numbers have at most 11 characters, which leaves 29 and 22 for the names in the worst case.
    most = (29, 22, 11, 11, 11, 11, 3)
    widths = [min(max(map(len, column)), limit) for column, limit in zip(zip(*cells, strict=True), most, strict=True)]
    lines = []
    for line, target in zip(cells, ["target", *(one_line(row.target) for row in rows)], strict=True):
        wrapped = [textwrap.wrap(cell, width) for cell, width in zip(line, widths, strict=True)]
        for number, pieces in enumerate(itertools.zip_longest(*wrapped, fillvalue="")):
            text = "  ".join(
                piece.rjust(width) if 2 <= column < 6 else piece.ljust(width)
                for column, (piece, width) in enumerate(zip(pieces, widths, strict=True))
            )
            if number == 0 and len(text) + 2 + len(target) <= WIDTH:
                text, target = f"{text}  {target}", ""
            lines.append(text.rstrip())
        if target:
            lines += textwrap.wrap(f"target {target}", WIDTH, initial_indent=" " * 4, subsequent_indent=" " * 11)
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
    """Rate, times plain, times HuBERT base, % of the floor; with three digits, so that 24.7 does not show as 25."""
    ratios = [row.rate / other if other else None for other in (row.plain, row.pretrained, row.floor)]
    texts = [number(ratios[0]), number(ratios[1]), number(None if ratios[2] is None else 100 * ratios[2])]
    units = (" x", " x", " %")
    return [number(row.rate), *(text if text == "-" else text + unit for text, unit in zip(texts, units, strict=True))]


def met(row: Row) -> str:
    """Whether the target is met: yes, no or -."""
    return {True: "yes", False: "no", None: "-"}[row.met]


def one_line(text: str) -> str:
    """The text with every run of white space as one space."""
    return " ".join(text.split())
