"""The plots of an evaluation: retrieval by system and view, robustness by noise, tempo and key, use of the tokens."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wav2tok.evaluation.retrieval.metrics import METRICS
from wav2tok.evaluation.retrieval.result import Result
from wav2tok.evaluation.retrieval.significance import TESTED
from wav2tok.evaluation.systems import FORMS
from wav2tok.files import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLOURS = {"V": "#1f5fa8", "TS": "#e08214", "PS": "#3a9d5d"}
_VIEWS = {"V": "as it is (V)", "TS": "time-stretched (TS)", "PS": "pitch-shifted (PS)"}
_OURS = ("#123f7c", "#2f86d6", "#63c1e8")
_OTHERS = ("#777777", "#e08214", "#c2302e", "#7a4fa3", "#3a9d5d", "#a0722a", "#d667a8", "#95a312")
_MARKERS = "sD^vXP<>"
_PANELS = {"SNR": "Noise", "TS": "Tempo", "PS": "Key"}
_UNITS = {
    "SNR": "dB of the query above babble",
    "TS": "tempo of the query",
    "PS": "semitones of the query's shift",
}
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
    """Write the plots that apply and return their file names; robustness only where curves were asked for."""
    import matplotlib

    drawn = {"retrieval.png": retrieval, "tokens.png": tokens}
    if result.curves:
        drawn = {"retrieval.png": retrieval, "robustness.png": robustness, "tokens.png": tokens}
    # Figures are made without pyplot: no display is asked for and none is left open.
    with matplotlib.rc_context(_STYLE):
        for name, draw in drawn.items():
            with replacing(folder / name) as path:
                draw(result).savefig(path, dpi=130)
    return list(drawn)


def retrieval(result: Result) -> "Figure":
    """MRR and MAP, a bar a system and view with its 95 % interval, and its value at the right."""
    setting = result.setting
    from matplotlib.figure import Figure

    names, kinds = list(result.scores), setting.kinds
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
        axes.set_yticks(np.arange(len(names)), [setting.labels[name] for name in names])
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x")
    figure.axes[0].invert_yaxis()  # shared: the first system is on top in both
    if len(kinds) > 1:
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(kinds))
    return figure


def robustness(result: Result) -> "Figure":
    """MRR and MAP of each system against noise, tempo and semitones; the untouched query, where asked, among them."""
    setting = result.setting
    from matplotlib.figure import Figure

    drawn = list(result.curves.values())
    names = list(setting.labels)
    figure = Figure(figsize=(1.2 + 4.1 * len(drawn), 6.6 + 0.22 * ((len(names) + 2) // 3)), layout="constrained")
    grid = figure.subplots(2, len(drawn), squeeze=False, sharex="col", sharey="row")
    for column, curve in enumerate(drawn):
        finite = [factor for factor in curve.factors if np.isfinite(factor)]
        places = [factor if np.isfinite(factor) else max(finite) + 5 for factor in curve.factors]
        for axes, metric in zip(grid[:, column], TESTED, strict=True):
            # The tokenizer is drawn last, over the others.
            for number, name in reversed(list(enumerate(names))):
                values = curve.scores[name][:, list(METRICS).index(metric)]
                axes.plot(places, values, label=setting.labels[name], **_line(name, number))
            axes.set(ylim=(0, 1.03), ylabel=metric.upper() if column == 0 else "")
            axes.set_xticks(places, [f"{factor:g}" if np.isfinite(factor) else "clean" for factor in curve.factors])
            axes.grid()
        if curve.kind == "SNR":
            grid[0][column].invert_xaxis()  # the noise grows to the right; both rows share the axis
        grid[0][column].set_title(f"{_PANELS[curve.kind]} ({curve.queries} queries)")
        grid[1][column].set_xlabel(_UNITS[curve.kind])
    handles, labels = grid[0][0].get_legend_handles_labels()
    figure.legend(handles[::-1], labels[::-1], loc="outside lower center", ncols=3)
    return figure


def _line(name: str, number: int) -> dict[str, Any]:
    """How a system's curve looks: the tokenizer's forms solid and thick, baselines thin and dashed."""
    if name in FORMS:
        return {
            "color": _OURS[FORMS.index(name)],
            "linestyle": "-",
            "linewidth": 2.8,
            "marker": "o",
            "markersize": 5,
        }
    other = number - len(FORMS)
    return {
        "color": _OTHERS[other % len(_OTHERS)],
        "linestyle": (0, (4, 1.5)),
        "linewidth": 1.2,
        "marker": _MARKERS[other % len(_MARKERS)],
        "markersize": 4,
    }


def tokens(result: Result) -> "Figure":
    """How often each token occurs in the test recordings, the commonest first, beside an even use of them all."""
    from matplotlib.figure import Figure

    counts = np.sort(result.tokens.counts)[::-1]
    shares = 100 * counts / max(counts.sum(), 1)
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    axes = figure.subplots()
    axes.fill_between(np.arange(len(shares) + 1), np.append(shares, shares[-1:]), step="post", color=_COLOURS["V"])
    axes.axhline(100 / len(shares), color="#333333", linestyle="--", linewidth=1, label="all used alike")
    use = f"{(counts > 0).sum()} of {len(counts)} tokens in use"
    axes.set(
        title=f"{use}, perplexity {result.tokens.figures['perplexity']:.1f}",
        xlim=(0, len(shares)),
        ylim=(0, None),
        xlabel="tokens, the commonest first",
        ylabel="share of the strings, %",
    )
    axes.grid(axis="y")
    axes.legend()
    return figure
