"""The plots of an evaluation: retrieval by system and view, robustness by factor, use of the tokens."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wav2tok.evaluation.evaluate import Result
from wav2tok.evaluation.metrics import METRICS
from wav2tok.files import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLOURS = {"V": "#1f5fa8", "TS": "#e08214", "PS": "#3a9d5d"}
_VIEWS = {"V": "as it is (V)", "TS": "time-stretched (TS)", "PS": "pitch-shifted (PS)"}
_STYLE: dict[Any, Any] = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "grid.color": "#dddddd",
    "legend.frameon": False,
}


def write(result: Result, folder: Path) -> list[str]:
    """Write the plots that apply and return their file names; curves only where queries were changed."""
    import matplotlib

    drawn = {"retrieval.png": retrieval, "tokens.png": tokens}
    if any(view.kind != "V" for view in result.views):
        drawn = {"retrieval.png": retrieval, "robustness.png": robustness, "tokens.png": tokens}
    # Figures are made without pyplot: no display is asked for and none is left open.
    with matplotlib.rc_context(_STYLE):
        for name, draw in drawn.items():
            with replacing(folder / name) as path:
                draw(result).savefig(path, dpi=130)
    return list(drawn)


def retrieval(result: Result) -> "Figure":
    """MRR and MAP, a bar a system and view with its 95 % interval, and its value at the right."""
    from matplotlib.figure import Figure

    names, kinds = list(result.scores), result.kinds
    height = 0.8 / len(kinds)
    size = max(2.8, 1.4 + len(names) * (0.22 + 0.2 * len(kinds)))
    figure = Figure(figsize=(11, size), layout="constrained")
    for axes, metric in zip(figure.subplots(1, 2, sharey=True), ("mrr", "map"), strict=True):
        for place, kind in enumerate(kinds):
            found = [result.scores[name][kind][metric] for name in names]
            value = np.array([one.value for one in found])
            whiskers = np.array([[one.value - one.low, one.high - one.value] for one in found]).T
            y = np.arange(len(names)) + (place - (len(kinds) - 1) / 2) * height
            axes.barh(
                y,
                value,
                height * 0.9,
                xerr=whiskers,
                color=_COLOURS[kind],
                label=_VIEWS[kind],
                error_kw={"ecolor": "#333333", "elinewidth": 1, "capsize": 2},
            )
            for one, at in zip(found, y, strict=True):
                axes.text(one.high + 0.015, at, f"{one.value:.2f}", va="center", fontsize=8, color="#333333")
        axes.set(title=f"{metric.upper()}, 95 % interval", xlim=(0, 1.1), xticks=np.linspace(0, 1, 6))
        axes.set_yticks(np.arange(len(names)), [result.labels[name] for name in names])
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x")
    figure.axes[0].invert_yaxis()  # shared: the first system is on top in both
    if len(kinds) > 1:
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(kinds))
    return figure


def robustness(result: Result) -> "Figure":
    """MRR and MAP of each system against tempo and semitones; the untouched query, where asked, in between."""
    from matplotlib.figure import Figure

    kinds = [kind for kind in ("TS", "PS") if kind in result.kinds]
    figure = Figure(figsize=(1.5 + 4.6 * len(kinds), 7.5), layout="constrained")
    grid = figure.subplots(2, len(kinds), squeeze=False, sharex="col", sharey="row")
    untouched = [i for i, view in enumerate(result.views) if view.kind == "V"]
    for row, metric in enumerate(("mrr", "map")):
        for axes, kind in zip(grid[row], kinds, strict=True):
            neutral = 1.0 if kind == "TS" else 0.0
            points = [(view.factor, i) for i, view in enumerate(result.views) if view.kind == kind]
            points = sorted(points + [(neutral, i) for i in untouched])
            for number, name in enumerate(result.scores):
                values = result.factors[name][[i for _, i in points], list(METRICS).index(metric)]
                ours = name.startswith("wav2tok")
                axes.plot(
                    [factor for factor, _ in points],
                    values,
                    "o-" if ours else "s--",
                    color=f"C{number}",
                    markersize=4,
                    linewidth=2 if ours else 1.3,
                    label=result.labels[name],
                )
            axes.set(ylim=(0, 1.03), ylabel=metric.upper() if axes is grid[row][0] else "")
            axes.set_xticks([factor for factor, _ in points], [f"{factor:g}" for factor, _ in points])
            axes.grid()
            if row:
                axes.set_xlabel("tempo of the query" if kind == "TS" else "semitones of the query's shift")
    handles, labels = grid[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return figure


def tokens(result: Result) -> "Figure":
    """How often each token occurs in the test recordings, the commonest first, beside an even use of them all."""
    from matplotlib.figure import Figure

    counts = np.sort(result.token_counts)[::-1]
    shares = 100 * counts / max(counts.sum(), 1)
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    axes = figure.subplots()
    axes.fill_between(np.arange(len(shares) + 1), np.append(shares, shares[-1:]), step="post", color=_COLOURS["V"])
    axes.axhline(100 / len(shares), color="#333333", linestyle="--", linewidth=1, label="all used alike")
    use = f"{(counts > 0).sum()} of {len(counts)} tokens in use"
    axes.set(
        title=f"{use}, perplexity {result.tokens['perplexity']:.1f}",
        xlim=(0, len(shares)),
        ylim=(0, None),
        xlabel="tokens, the commonest first",
        ylabel="share of the strings, %",
    )
    axes.grid(axis="y")
    axes.legend()
    return figure
