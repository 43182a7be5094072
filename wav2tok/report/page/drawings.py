"""What the page's drawings show and where: points and ticks, which ``drawings.html`` turns into SVG."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from wav2tok.evaluation.retrieval.curves import Curve
from wav2tok.evaluation.retrieval.metrics import METRICS
from wav2tok.evaluation.systems import FORMS
from wav2tok.report import names
from wav2tok.report.gallery import Confusion

_COLOURS = 12
_DASHES = ("7 3", "2 3", "9 3 2 3", "4 2", "1 2", "12 4")


@dataclass(frozen=True)
class Frame:
    """The size of a drawing and the edges of its data, in units of the SVG; y grows downwards."""

    width: int = 340
    height: int = 220
    left: int = 30
    right: int = 322
    top: int = 10
    bottom: int = 184

    def x(self, share: float) -> float:
        """0 is the left edge, 1 the right one."""
        return self.left + (self.right - self.left) * share

    def y(self, share: float) -> float:
        """0 is the bottom edge, 1 the top one."""
        return self.top + (self.bottom - self.top) * (1 - share)


FRAME = Frame()


@dataclass(frozen=True)
class Tick:
    """A number on an axis."""

    at: float
    text: str


@dataclass(frozen=True)
class Stroke:
    """How a system's line looks: the number of its colour and its dashes; ``first`` is thicker."""

    label: str
    colour: int
    dash: str
    first: bool


@dataclass(frozen=True)
class Line:
    """A system's points (x, y)."""

    stroke: Stroke
    points: list[tuple[float, float]]


@dataclass(frozen=True)
class Panel:
    """One metric of every system along one axis."""

    title: str
    x_label: str
    queries: int
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    lines: list[Line]


def strokes(labels: Mapping[str, str]) -> dict[str, Stroke]:
    """The line of each system, by name."""
    return {
        name: Stroke(label, i % _COLOURS, "" if name in FORMS else _DASHES[i % len(_DASHES)], name == FORMS[0])
        for i, (name, label) in enumerate(labels.items())
    }


def curve(one: Curve, metric: str, labels: Mapping[str, str]) -> Panel:
    """One metric along one axis; a query without noise is drawn beyond the last decibel."""
    finite = [factor for factor in one.factors if math.isfinite(factor)]
    step = (finite[-1] - finite[0]) / max(len(finite) - 1, 1) or 1.0
    at = [factor if math.isfinite(factor) else finite[-1] + step for factor in one.factors]
    span = (at[-1] - at[0]) or 1.0
    x = [FRAME.x((value - at[0]) / span if len(at) > 1 else 0.5) for value in at]
    column = list(METRICS).index(metric)
    label = names.AXES[one.kind].label
    return Panel(
        title=f"{names.METRICS[metric]}, {label}",
        x_label=label,
        queries=one.queries,
        x_ticks=[Tick(place, names.factor_name(factor)) for place, factor in zip(x, one.factors, strict=True)],
        y_ticks=[Tick(FRAME.y(value), f"{value:.1f}") for value in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)],
        lines=[
            Line(stroke, [(px, FRAME.y(value)) for px, value in zip(x, one.scores[name][:, column], strict=True)])
            for name, stroke in reversed(strokes(labels).items())  # the tokenizer last, on top
            if name in one.scores
        ],
    )


@dataclass(frozen=True)
class Usage:
    """The share of each token, commonest first: ``steps`` end at x and are y high; ``even`` is uniform use."""

    count: int
    used: int
    steps: list[tuple[float, float]]
    even: float
    y_ticks: list[Tick]


def usage(counts: np.ndarray) -> Usage:
    """Share of the strings by token, compared with uniform use. counts: int [K]."""
    shares = np.sort(counts)[::-1] / max(counts.sum(), 1)
    top = max(float(shares[0]), 1 / len(shares)) * 1.05
    return Usage(
        count=len(counts),
        used=int((counts > 0).sum()),
        steps=[(FRAME.x((i + 1) / len(shares)), FRAME.y(share / top)) for i, share in enumerate(shares)],
        even=FRAME.y(1 / len(shares) / top),
        y_ticks=[Tick(FRAME.y(tick), f"{100 * tick * top:.1f}") for tick in (0, 0.5, 1)],
    )


@dataclass(frozen=True)
class Shade:
    """A cell of the heat map: queries, their share of the row, CSS classes, tooltip."""

    count: int
    share: float
    classes: str
    title: str


@dataclass(frozen=True)
class HeatMap:
    """Which class the nearest answer has: one row per class of queries."""

    columns: tuple[str, ...]
    rows: list[tuple[str, list[Shade]]]


def heat_map(confusion: Confusion) -> HeatMap:
    """The counts of a confusion with the shade of each cell."""
    return HeatMap(
        confusion.columns,
        [
            (name, [_shade(confusion, i, j) for j in range(len(confusion.columns))])
            for i, name in enumerate(confusion.rows)
        ],
    )


def _shade(confusion: Confusion, row: int, column: int) -> Shade:
    count, share = int(confusion.counts[row, column]), float(confusion.shares[row, column])
    classes = " ".join((["full"] if share > 0.75 else []) + (["right"] if row == column else []))
    queries = int(confusion.counts[row].sum())
    title = f"{confusion.rows[row]}, answered with {confusion.columns[column]}: {count} of {queries}"
    return Shade(count, share, classes, title)
