"""What people read of a comparison with a model's profile: a line, a table, and a page with figures."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

from wav2tok.evaluation.drift import DISTANCE, MEASURES, Result, token_counts
from wav2tok.evaluation.profile import DISTANCE_BIN, Profile, Traits
from wav2tok.files import replacing, write_json
from wav2tok.report import style
from wav2tok.report.table import Cell, Table
from wav2tok.report.templates import templates

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAMES = {
    "tokens": "Tokens",
    "token_pairs": "Pairs of successive tokens",
    DISTANCE: "Distance to the nearest codeword",
    "seconds": "Length, s",
    "tokens_per_second": "Tokens per second",
    "level_dbfs": "Level, dBFS",
    "snr_db": "Signal above noise, dB",
}
"""What figures are called."""
EXPLAINED = {
    "tokens": "Jensen-Shannon divergence, bits",
    "token_pairs": "Jensen-Shannon divergence, bits",
    DISTANCE: "Jensen-Shannon divergence, bits",
} | dict.fromkeys(MEASURES, "population stability index")
PAGE, FIGURE, TEXT, FIGURES = "drift.html", "drift.svg", "drift.md", "drift.json"
NO_DISTANCES = (
    "The distance to the nearest codeword was not compared: the profile or the graph is of an earlier release; export "
    "the model again."
)
TEMPLATE = templates("wav2tok.report.page").get_template("drift.html")
_OLD, _NEW = "#b9bec5", style.BLUE


def write(profile: Profile, new: Sequence[Traits], result: Result, model: str, folder: Path) -> None:
    """Write ``drift.json``, ``drift.md``, ``drift.html`` and the figure in it, ``drift.svg``, into a folder.

    Args:
        model: what the model is called.
    """
    about, drawn = sentence(result, model), figure(profile, new, result)
    note = "" if result.has_distances else NO_DISTANCES
    page = TEMPLATE.render(
        about=about,
        drifted=bool(result.drifted),
        model=model,
        result=result,
        table=table(result),
        note=note,
        figure=Markup(drawn),
    )
    with replacing(folder / PAGE) as temporary:  # the first, because the others are known by it
        temporary.write_text(page, encoding="utf-8")
    with replacing(folder / FIGURE) as temporary:
        temporary.write_text(drawn, encoding="utf-8")
    with replacing(folder / TEXT) as temporary:
        parts = [about, table(result).markdown(), note]
        temporary.write_text("\n\n".join(filter(None, parts)) + "\n", encoding="utf-8")
    write_json(folder / FIGURES, values(result, model))


def values(result: Result, model: str) -> dict[str, Any]:
    """The result as JSON values."""
    return {
        "model": model,
        "sentence": sentence(result, model),
        "drifted": list(result.drifted),
        "recordings": {"profile": result.recordings[0], "new": result.recordings[1]},
        "groups": {"profile": result.groups[0], "new": result.groups[1]},
        "figures": {one.name: {"value": one.value, "bound": one.bound} for one in result.figures},
    }


def sentence(result: Result, model: str) -> str:
    """The result in one sentence."""
    if not result.drifted:
        return (
            f"No drift: the {result.recordings[1]} new recordings are as close to the profile of {model} as parts of "
            "its own corpus are to each other."
        )
    names = ", ".join(NAMES[name].split(",")[0].lower() for name in result.drifted)
    return f"Drift: the {result.recordings[1]} new recordings are unlike those that {model} was made with, in {names}."


def table(result: Result) -> Table:
    """A row for each figure; a value beyond its bound is bold."""
    rows: list[list[str | Cell]] = [
        [
            NAMES[one.name],
            EXPLAINED[one.name],
            Cell(f"{one.value:.3f}", bold=one.drifted),
            f"{one.bound:.3f}",
            Cell("drift" if one.drifted else "as expected", bold=one.drifted),
        ]
        for one in result.figures
    ]
    return Table(["", "measured by", "value", "bound", ""], rows)


def figure(profile: Profile, new: Sequence[Traits], result: Result) -> str:
    """All distributions, of the profile in gray and of the new recordings in blue, as SVG."""
    from matplotlib.figure import Figure

    with style.drawing(svg__hashsalt="drift", svg__fonttype="none"):
        picture = Figure(figsize=(14, 6.4), layout="constrained")
        grid = picture.subplots(2, 4).ravel()
        _against_bounds(grid[0], result)
        _tokens(grid[1], profile, new)
        for axes, name in zip(grid[2:6], MEASURES, strict=True):
            _histogram(axes, name, *([getattr(one, name) for one in some] for some in (profile.recordings, new)))
        if result.has_distances:
            _distances(grid[6], profile.recordings, new)
        for axes in grid[6 + result.has_distances :]:
            axes.set_axis_off()
        grid[1].legend(loc="upper right")
        drawn = io.StringIO()
        picture.savefig(drawn, format="svg", metadata={"Date": None})
    text = drawn.getvalue()
    return text[text.index("<svg") :]


def _against_bounds(axes: "Axes", result: Result) -> None:
    names = [NAMES[one.name] for one in result.figures][::-1]
    shares = [one.value / one.bound if one.bound else float(one.value > 0) for one in result.figures][::-1]
    colours = [style.ORANGE if one.drifted else style.BLUE for one in result.figures][::-1]
    axes.barh(names, shares, color=colours, height=0.6)
    axes.axvline(1, color=style.DARK, linestyle="--", linewidth=1)
    axes.set(title="Value, relative to its bound", xlim=(0, max(1.2, 1.05 * max(shares))))


def _tokens(axes: "Axes", profile: Profile, new: Sequence[Traits]) -> None:
    shares = []
    for some in (profile.recordings, new):
        counts = token_counts(some, profile.num_tokens)
        shares.append(counts / counts.sum())
    order = np.argsort(-shares[0], kind="stable")
    at = np.arange(profile.num_tokens)
    axes.fill_between(at, shares[0][order], step="mid", color=_OLD, label="profile")
    axes.plot(at, shares[1][order], ".", color=_NEW, markersize=4, label="new")
    axes.set(
        title="Share of the tokens", xlabel="token, by frequency in the profile", ylim=(0, None), xlim=(0, len(at))
    )


def _histogram(axes: "Axes", name: str, old: Sequence[float], new: Sequence[float]) -> None:
    edges = np.histogram_bin_edges([*old, *new], bins=20).tolist()
    axes.hist(old, bins=edges, weights=np.full(len(old), 1 / len(old)), color=_OLD)
    axes.hist(new, bins=edges, weights=np.full(len(new), 1 / len(new)), color=_NEW, histtype="step", linewidth=1.8)
    axes.set(title=NAMES[name], ylabel="share of the recordings")


def _distances(axes: "Axes", old: Sequence[Traits], new: Sequence[Traits]) -> None:
    counts = [np.sum([one.distances for one in some], axis=0) for some in (old, new)]
    last = int(np.flatnonzero(counts[0] + counts[1]).max()) + 1
    edges = (DISTANCE_BIN * np.arange(last + 1)).tolist()
    first, second = (some[:last] / some.sum() for some in counts)
    axes.stairs(first, edges, fill=True, color=_OLD)
    axes.stairs(second, edges, color=_NEW, linewidth=1.8)
    axes.set(title=NAMES[DISTANCE], ylabel="share of the steps", ylim=(0, None))
