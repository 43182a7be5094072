"""How much of retrieval is left in noise and in a room: the same few queries, clean, in babble, in a room, in both."""

import math

from wav2tok.evaluation.retrieval.curves import Curve
from wav2tok.evaluation.retrieval.result import Result
from wav2tok.report import names
from wav2tok.report.table import Cell, Table


def places(result: Result) -> dict[str, tuple[Curve, int]]:
    """Each condition with its curve and its place on it, by its key in files; the least disturbed first.

    ``clean``, ``20db`` and so on, ``room``, ``5db_room`` and so on; without noise curves there are none.
    """
    found: dict[str, tuple[Curve, int]] = {}
    for kind, suffix in (("SNR", ""), ("ROOM", "_room")):
        curve = result.curves.get(kind)
        if curve is None:
            continue
        for place, factor in reversed(list(enumerate(curve.factors))):
            clean = "room" if suffix else "clean"
            found[clean if math.isinf(factor) else f"{factor:g}db{suffix}"] = (curve, place)
    return found


def lost(result: Result, system: str) -> tuple[str, float] | None:
    """The share of MAP that is lost from clean to the loudest babble in a room, and the name of that condition."""
    measured = places(result)
    worst = [name for name in measured if name.endswith("db_room")]
    if "clean" not in measured or not worst:
        return None
    clean, left = (_value(measured[name], system, "map") for name in ("clean", worst[-1]))
    return (worst[-1], 1 - left / clean) if clean > 0 else None


def figures(result: Result, system: str) -> dict[str, float]:
    """MAP of a system in the loudest babble in a room, and what is lost: ``map_5db_room``, ``map_lost_5db_room``."""
    share = lost(result, system)
    if share is None:
        return {}
    name = share[0]
    return {f"map_{name}": _value(places(result)[name], system, "map"), f"map_lost_{name}": share[1]}


def table(result: Result, metric: str) -> Table:
    """One metric of every system in every condition, and for MAP the share that is lost."""
    measured = places(result)
    rows: list[list[str | Cell]] = []
    for system, label in result.setting.labels.items():
        row: list[str | Cell] = [label, *(f"{_value(place, system, metric):.3f}" for place in measured.values())]
        share = lost(result, system) if metric == "map" else None
        rows.append(row if share is None else [*row, f"{100 * share[1]:.0f} %"])
    longest = max(map(len, rows), default=0)
    headings = [names.METRICS[metric], *map(condition, measured)]
    return Table(
        [*headings, *["lost"] * (longest - len(headings))], [row + ["-"] * (longest - len(row)) for row in rows]
    )


def condition(name: str) -> str:
    """A condition in words: "5 dB, room"."""
    return name.replace("db", " dB").replace("_", ", ")


def _value(place: tuple[Curve, int], system: str, metric: str) -> float:
    curve, at = place
    return curve.values(system, metric)[at]
