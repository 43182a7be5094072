"""The results of a benchmark as files: the numbers, a page with their table, and a picture of the curves."""

import contextlib
import dataclasses
import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.goals import GOALS
from wav2tok.files import replacing, write_json
from wav2tok.report import style
from wav2tok.speed.table import Row, numbers, one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DATA, PAGE, PICTURE = "results.json", "results.md", "cost.png"

# Okabe and Ito's colours, which colour-blind people can distinguish too; markers and dashes work without colour.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_DASHES = ("-", "--", "-.", ":")
_LARGER = {"font__size": 12, "axes__titlesize": 14, "grid__color": "#e2e2e2", "legend__fontsize": 11}
_DPI, _PANEL = 100, (7.0, 4.5)  # inches: two panels side by side and one above the other are 1400 x 900 pixels

_EXPLAINED = (
    "audio s/s: seconds of audio processed per second. x plain: compared with the plain implementation, one recording "
    "at a time. x HuBERT base: compared with HuBERT base at its fastest batch size. % of floor: of the rate that the "
    "machine's arithmetic or memory alone would allow, unless a note says otherwise. -: not measured, or no goal."
)


@dataclasses.dataclass(frozen=True)
class Curve:
    """The cost as a function of one size.

    Attributes:
        name: the size, e.g. "audio length".
        unit: the label of the axis of ``x``, e.g. "seconds per recording".
        x: the sizes measured.
        lines: label -> the cost at every ``x``, None where it was not measured.
        y_label: the cost and its unit, e.g. "seconds of computing per hour of audio".
        log_y: whether costs are drawn on a logarithmic axis.
    """

    name: str
    unit: str
    x: list[float]
    lines: dict[str, list[float | None]]
    y_label: str
    log_y: bool = True

    def __post_init__(self) -> None:
        for label, values in self.lines.items():
            if len(values) != len(self.x):
                raise ValueError(f"{self.name}: {label} has {len(values)} values for {len(self.x)} sizes")


@dataclasses.dataclass(frozen=True)
class Results:
    """A run of the benchmark.

    Attributes:
        date: e.g. "2025-11-03".
        machine: what it ran on, name -> value, with units in the names.
        rows: the table.
        curves: the panels of the picture.
        unmeasured: one line for each thing that could not be measured on this machine, with the reason.
    """

    date: str
    machine: dict[str, str | int | float]
    rows: list[Row]
    curves: list[Curve]
    unmeasured: list[str]


def write(results: Results, folder: Path) -> None:
    """Write ``results.json``, ``results.md`` and ``cost.png``; if one of them fails, none changes.

    If no curve has a value, no picture is written, one of an earlier run is removed, and the page does not name it.
    """
    drawn = any(map(_drawable, results.curves))
    with contextlib.ExitStack() as stack:
        data, page = (stack.enter_context(replacing(folder / name)) for name in (DATA, PAGE))
        if drawn:
            plot(results, stack.enter_context(replacing(folder / PICTURE)))
        page.write_text(markdown(results), encoding="utf-8")
        write_json(data, dataclasses.asdict(results))
    if not drawn:
        (folder / PICTURE).unlink(missing_ok=True)


def markdown(results: Results) -> str:
    """The page: machine, table, footnotes, what was not measured, and the picture if there is one."""
    lines = ["# What it costs", "", f"Measured on {one_line(results.date)}."]
    if results.machine:
        named = (f"{name.replace('_', ' ')}: {value}" for name, value in results.machine.items())
        lines += ["", f"Machine: {one_line('; '.join(named))}."]
    header = ["part", "work", "measured", "x plain", "x HuBERT base", "% of floor", "goal", "met"]
    lines += ["", _cells(header), "|---|---|--:|--:|--:|--:|---|---|"]
    figures = {row.part: row.measured for row in results.rows}
    notes: list[str] = []
    for row in results.rows:
        part, note = row.part, one_line(row.note)
        if note:
            if note not in notes:  # rows that share a note share its number
                notes.append(note)
            part += f" <sup>{notes.index(note) + 1}</sup>"
        goal = GOALS.get(row.part)
        judged = ["-", "-"] if goal is None else [goal.text, "yes" if goal.met(row.measured, figures) else "no"]
        lines.append(_cells([part, row.work, *numbers(row), *judged]))
    lines += ["", _EXPLAINED]
    if notes:
        lines += ["", *(f"{number}. {note}" for number, note in enumerate(notes, 1))]
    if results.unmeasured:
        lines += ["", "Not measured here:", "", *(f"- {one_line(line)}" for line in results.unmeasured)]
    if names := [one_line(curve.name) for curve in results.curves if _drawable(curve)]:
        lines += ["", f"![Cost against {', '.join(names)}]({PICTURE})"]
    return "\n".join(lines) + "\n"


def plot(results: Results, path: Path) -> None:
    """Draw the curves as a PNG, one panel each and two per row: 1400 pixels wide, 450 high per row.

    Raises:
        ValueError: no curve has a value.
    """
    with style.drawing(**_LARGER):
        _figure(results.curves).savefig(path, dpi=_DPI, format="png")


def _figure(curves: list[Curve]) -> "Figure":
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    curves = list(filter(_drawable, curves))
    if not curves:
        raise ValueError("no curve has a value to draw")
    height = math.ceil(len(curves) / 2)
    spaced = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12)  # inches around a panel
    figure = Figure(figsize=(2 * _PANEL[0], height * _PANEL[1]), layout=spaced)
    grid = figure.add_gridspec(height, 2)
    # Every label has its own colour, the same in all panels.
    labels = list(dict.fromkeys(label for curve in curves for label in curve.lines))
    for place, curve in enumerate(curves):
        # A last panel that would be alone takes the whole row.
        alone = place == len(curves) - 1 and place % 2 == 0
        _panel(figure.add_subplot(grid[place // 2, :] if alone else grid[place // 2, place % 2]), curve, labels, alone)
    return figure


def _panel(axes: "Axes", curve: Curve, labels: list[str], wide: bool) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    drawn = _drawable(curve)
    for label, values in drawn.items():
        number = labels.index(label)
        axes.plot(
            curve.x,
            values,
            linestyle=_DASHES[number % len(_DASHES)],
            marker=_MARKERS[number % len(_MARKERS)],
            color=_COLOURS[number % len(_COLOURS)],
            markersize=6,
            linewidth=2,
            label=label,
        )
    axes.set(title=curve.name[:1].upper() + curve.name[1:], xlabel=curve.unit, ylabel=curve.y_label)
    axes.grid()
    # As many columns as fit: a panel has room for about 68 letters, 8 of which each line's sample takes.
    columns = max(1, min(len(drawn), 4, (150 if wide else 68) // (max(map(len, drawn)) + 8)))
    # The top of the panel is reserved for the legend, so that it covers no line.
    data_share = 1 - (0.04 + 0.075 * math.ceil(len(drawn) / columns))
    axes.legend(loc="upper left", ncols=columns, borderaxespad=0.2, columnspacing=1.5, handlelength=2.8)

    if min(curve.x) > 0:
        pad = max((max(curve.x) / min(curve.x)) ** 0.05, 1.1)
        left, right = min(curve.x) / pad, max(curve.x) * pad
        axes.set_xlim(left, right)  # before the scale, which would warn about a single size
        axes.set_xscale("log")
        # One grid line for every size measured, a label where there is room.
        ticks, labelled = sorted(set(curve.x)), _apart(curve.x, (112 if wide else 53) / math.log(right / left))
        axes.set_xticks(ticks, [_plain(tick) if tick in labelled else "" for tick in ticks])
        axes.set_xticks([], minor=True)

    known = np.concatenate([values[np.isfinite(values)] for values in drawn.values()])
    low, high = float(known.min()), float(known.max())
    if curve.log_y and low > 0:
        # At least a decade, or noise would look like a trend.
        widen = max(1.15, math.sqrt(10 * low / high))
        low, high = low / widen, high * widen
        high = low * (high / low) ** (1 / data_share)
        axes.set_yscale("log")
        axes.set_ylim(low, high)
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low < 300 else (1,)))
        axes.yaxis.set_minor_formatter(NullFormatter())
    else:
        low = min(low, 0.0)
        axes.set_ylim(low, low + ((high - low) or 1.0) * 1.05 / data_share)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _plain(value)))


def _drawable(curve: Curve) -> dict[str, np.ndarray]:
    """The lines that have a value: float [len(x)] each, NaN where a value is missing, which leaves a gap."""
    lines = {label: np.array(values, dtype=float) for label, values in curve.lines.items()}
    return {label: values for label, values in lines.items() if np.isfinite(values).any()}


def _apart(x: list[float], digits: float) -> set[float]:
    """The positive ``x`` whose labels do not touch on an axis where a factor of e is ``digits`` digits wide."""
    kept: dict[float, float] = {}  # half the width of each label, in digits
    for one in [max(x), *sorted(x)]:  # the largest is always labelled
        text = _plain(one)
        half = (len(text) - 0.5 * (text.count(",") + text.count("."))) / 2
        if all(abs(math.log(one / other)) * digits > half + half_other + 0.8 for other, half_other in kept.items()):
            kept[one] = half
    return set(kept)


def _plain(value: float) -> str:
    """The number of a tick in full, without an exponent: "0.5", "1,024", "1,000,000"."""
    return f"{value:,.12g}"


def _cells(texts: list[str]) -> str:
    """A line of a Markdown table; bars inside cells are escaped."""
    return f"| {' | '.join(one_line(text).replace('|', chr(92) + '|') for text in texts)} |"
