"""The common look of matplotlib figures."""

from contextlib import AbstractContextManager
from typing import Any

STYLE: dict[Any, Any] = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "grid.color": "#dddddd",
    "legend.frameon": False,
    # Inches around a figure: a title must not touch the edge of its picture.
    "figure.constrained_layout.h_pad": 0.12,
    "figure.constrained_layout.w_pad": 0.12,
}
DPI = 110
"""Figures are at most 11.1 inches wide, so their pictures fit in a window of 1280 pixels."""
BLUE, ORANGE, DARK = "#1f5fa8", "#e08214", "#333333"
OURS = ("#0f4c9c", "#2f86d6", "#8cc4f2", "#12a3a3", "#5b4bc4")
"""Our tokens: three blues for the views, and two neighbours of blue for the other forms of matching."""
GRAYS = ("#5f6670", "#8b929b", "#b9bec5")
"""What our tokens are compared with, in three shades."""


def drawing(**changes: Any) -> AbstractContextManager[None]:
    """Draw and save figures in `STYLE` within the block.

    Figures are made as ``matplotlib.figure.Figure``, not by pyplot: none needs a display and none stays open.

    Args:
        changes: settings that differ, with ``__`` for the dot: ``font__size=12``.
    """
    import matplotlib

    return matplotlib.rc_context(STYLE | {key.replace("__", "."): value for key, value in changes.items()})
