"""The plots of an evaluation: retrieval by system and view, robustness to noise, tempo and key, and token use."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from wav2tok.evaluation.retrieval.result import Result
from wav2tok.evaluation.retrieval.significance import TESTED
from wav2tok.evaluation.systems import FORMS
from wav2tok.files import replacing
from wav2tok.report import names, style

_MARKERS = "sD^vXP<>"
_DASHES: tuple[tuple[int, tuple[float, ...]], ...] = ((0, (4, 1.5)), (0, (1, 1.2)), (0, (6, 1.5, 1, 1.5)))


def write(result: Result, folder: Path) -> list[Path]:
    """Write the plots and return their paths; robustness only if curves were measured."""
    drawn = {"retrieval.png": retrieval, "robustness.png": robustness, "tokens.png": tokens}
    if not set(result.curves) - {"ROOM"}:
        del drawn["robustness.png"]
    with style.drawing():
        for name, draw in drawn.items():
            with replacing(folder / name) as path:
                draw(result).savefig(path, dpi=style.DPI)
    return [folder / name for name in drawn]


def retrieval(result: Result) -> Figure:
    """MRR and MAP: one bar per system and view, with its 95 % interval and its value to the right.

    Our tokens are blue, the baselines grey, each in one shade per view.
    """
    setting = result.setting
    systems, kinds = list(result.scores), setting.kinds
    height = 0.8 / len(kinds)
    size = max(2.8, 1.4 + len(systems) * (0.22 + 0.2 * len(kinds)))
    figure = Figure(figsize=(11, size), layout="constrained")
    for axes, metric in zip(figure.subplots(1, 2, sharey=True), TESTED, strict=True):
        for place, kind in enumerate(kinds):
            estimates = [result.scores[name][kind][metric] for name in systems]
            value = np.array([one.value for one in estimates])
            whiskers = np.array([[one.value - one.low, one.high - one.value] for one in estimates]).T
            y = np.arange(len(systems)) + (place - (len(kinds) - 1) / 2) * height
            axes.barh(
                y,
                value,
                height * 0.9,
                xerr=whiskers,
                color=[(style.OURS if name in FORMS else style.GRAYS)[place] for name in systems],
                error_kw={"ecolor": style.DARK, "elinewidth": 1, "capsize": 2},
            )
            for one, at in zip(estimates, y, strict=True):
                axes.text(one.high + 0.015, at, f"{one.value:.2f}", va="center", fontsize=8, color=style.DARK)
        axes.set(title=f"{names.METRICS[metric]}, 95 % interval", xlim=(0, 1.1), xticks=np.linspace(0, 1, 6))
        axes.set_yticks(np.arange(len(systems)), [setting.labels[name] for name in systems])
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x")
    figure.axes[0].invert_yaxis()  # shared: the first system is on top in both
    for name, label in zip(systems, figure.axes[0].get_yticklabels(), strict=True):
        if name in FORMS:
            label.set(color=style.OURS[0], fontweight="bold")
    if len(kinds) > 1:
        handles = [
            Patch(color=shades[place], label=f"{who}, {names.VIEWS[kind]}")
            for place, kind in enumerate(kinds)
            for who, shades in (("our tokens", style.OURS), ("baselines", style.GRAYS))
            if who == "our tokens" or set(systems) - set(FORMS)
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=len(kinds))
    return figure


def robustness(result: Result) -> Figure:
    """MRR and MAP of each system against noise, tempo and semitones, with the unchanged query where it was measured."""
    setting = result.setting
    drawn = [curve for kind, curve in result.curves.items() if kind != "ROOM"]  # two points: a table has them
    systems = list(setting.labels)
    figure = Figure(figsize=(1.2 + 3.3 * len(drawn), 6.2 + 0.22 * ((len(systems) + 2) // 3)), layout="constrained")
    grid = figure.subplots(2, len(drawn), squeeze=False, sharex="col", sharey="row")
    for column, curve in enumerate(drawn):
        finite = [factor for factor in curve.factors if np.isfinite(factor)]
        places = [factor if np.isfinite(factor) else max(finite) + 5 for factor in curve.factors]
        for axes, metric in zip(grid[:, column], TESTED, strict=True):
            # The tokenizer is drawn last, over the others.
            for number, name in reversed(list(enumerate(systems))):
                axes.plot(places, curve.values(name, metric), label=setting.labels[name], **_line(name, number))
            axes.set(ylim=(0, 1.03), ylabel=names.METRICS[metric] if column == 0 else "")
            axes.set_xticks(places, [names.factor_name(factor) for factor in curve.factors])
            axes.grid()
        if curve.kind == "SNR":
            grid[0][column].invert_xaxis()  # noise grows to the right; both rows share the axis
        axis = names.AXES[curve.kind]
        grid[0][column].set_title(f"{axis.name.capitalize()} ({curve.queries} queries)")
        grid[1][column].set_xlabel(axis.label)
    handles, labels = grid[0][0].get_legend_handles_labels()
    legend = figure.legend(handles[::-1], labels[::-1], loc="outside lower center", ncols=3)
    for name, text in zip(systems, legend.get_texts(), strict=True):
        if name in FORMS:
            text.set(color=style.OURS[0], fontweight="bold")
    return figure


def _line(name: str, number: int) -> dict[str, Any]:
    """The line style of a system: the tokenizer's forms bluish, solid and thick, baselines grey, thin and dashed."""
    if name in FORMS:
        return {
            "color": style.OURS[FORMS.index(name)],
            "zorder": 3,
            "linestyle": "-",
            "linewidth": 2.8,
            "marker": "o",
            "markersize": 5,
        }
    other = number - len(FORMS)
    return {
        "color": style.GRAYS[other % len(style.GRAYS)],
        "linestyle": _DASHES[other // len(style.GRAYS) % len(_DASHES)],
        "linewidth": 1.2,
        "marker": _MARKERS[other % len(_MARKERS)],
        "markersize": 4,
    }


def tokens(result: Result) -> Figure:
    """How often each token occurs in the test recordings, commonest first, compared with uniform use."""
    counts = np.sort(result.tokens.counts)[::-1]
    shares = 100 * counts / max(counts.sum(), 1)
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    axes = figure.subplots()
    axes.fill_between(np.arange(len(shares) + 1), np.append(shares, shares[-1:]), step="post", color=style.OURS[0])
    axes.axhline(100 / len(shares), color=style.DARK, linestyle="--", linewidth=1, label="all used alike")
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
