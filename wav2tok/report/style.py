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
}
DPI = 130
BLUE, ORANGE, GREEN, GRAY, DARK = "#1f5fa8", "#e08214", "#3a9d5d", "#777777", "#333333"


def drawing(**changes: Any) -> AbstractContextManager[None]:
    """Draw and save figures in `STYLE` within the block.

    Figures are made as ``matplotlib.figure.Figure``, not by pyplot: none needs a display and none stays open.

    Args:
        changes: settings that differ, with ``__`` for the dot: ``font__size=12``.
    """
    import matplotlib

    return matplotlib.rc_context(STYLE | {key.replace("__", "."): value for key, value in changes.items()})
