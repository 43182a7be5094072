"""Where the page's drawings have their points and ticks, which ``drawings.html`` turns into SVG."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from wav2tok.evaluation.retrieval.curves import Curve
from wav2tok.evaluation.systems import FORMS
from wav2tok.report import names

_GREYS = 4
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


def strokes(labels: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """How the line of each system looks: its label, colour and dashes; ``ours`` are blue and solid, the others grey."""
    others = [name for name in labels if name not in FORMS]
    return {
        name: {
            "label": label,
            "ours": name in FORMS,
            "colour": f"o{FORMS.index(name)}" if name in FORMS else f"g{others.index(name) % _GREYS}",
            "dash": "" if name in FORMS else _DASHES[others.index(name) % len(_DASHES)],
        }
        for name, label in labels.items()
    }


def curve(one: Curve, metric: str) -> dict[str, Any]:
    """One metric of every system along one axis; a query without noise is drawn beyond the last decibel."""
    finite = [factor for factor in one.factors if math.isfinite(factor)]
    step = (finite[-1] - finite[0]) / max(len(finite) - 1, 1) or 1.0
    at = [factor if math.isfinite(factor) else finite[-1] + step for factor in one.factors]
    span = (at[-1] - at[0]) or 1.0
    x = [FRAME.x((value - at[0]) / span if len(at) > 1 else 0.5) for value in at]
    label = names.AXES[one.kind].label
    return {
        "title": f"{names.METRICS[metric]}, {label}",
        "x_label": label,
        "queries": one.queries,
        "x_ticks": list(zip(x, map(names.factor_name, one.factors), strict=True)),
        "points": {name: list(zip(x, map(FRAME.y, one.values(name, metric)), strict=True)) for name in one.scores},
    }


def usage(counts: np.ndarray) -> dict[str, Any]:
    """Share of the strings by token, commonest first: ``steps`` end at x and are y high; ``even`` is uniform use.

    Args:
        counts: int [K].
    """
    shares = np.sort(counts)[::-1] / max(counts.sum(), 1)
    top = max(float(shares[0]), 1 / len(shares)) * 1.05
    return {
        "top": top,
        "steps": [(FRAME.x((i + 1) / len(shares)), FRAME.y(share / top)) for i, share in enumerate(shares)],
        "even": FRAME.y(1 / len(shares) / top),
    }
