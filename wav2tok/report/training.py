"""Figures of a training run: its curves, the use of the tokens, and a recording with its tokens."""

import contextlib
import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wav2tok.audio import decode
from wav2tok.corpus.recordings import TrainingSplits
from wav2tok.matching import runs
from wav2tok.report import names, style
from wav2tok.tokenizer.tokenizer import Tokenizer

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHOWN_SECONDS = 4.0
_PARTS = ("#b06a10", "#8b929b", "#a33b33", "#4d7f57", "#7d679b", "#8a7348")
"""The colours of the losses that the whole loss is made of."""
_NOT_LOSSES = ("epoch", "seconds", "audio_per_second")


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A temporary folder for figures."""
    with tempfile.TemporaryDirectory(prefix="wav2tok-figures-") as name:
        yield Path(name)


def losses(history: list[dict[str, float | None]]) -> list[str]:
    """The columns of a history that hold losses, in order."""
    columns = dict.fromkeys(name for row in history for name in row)
    return [name for name in columns if name not in _NOT_LOSSES and not name.startswith("valid_")]


def training(history: list[dict[str, float | None]], out: Path) -> Path:
    """All losses and the validation retrieval by epoch, side by side: ``out/training.png``.

    Args:
        history: the rows of ``history.json``, one per epoch.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    with style.drawing():
        figure = Figure(figsize=(10, 3.8), layout="constrained")
        left, right = figure.subplots(1, 2)
        parts = itertools.cycle(_PARTS)
        for name in losses(history):
            whole: dict[str, Any] = {"color": style.BLUE, "linewidth": 2.8, "zorder": 3}
            look = whole if name == "loss" else {"color": next(parts), "linewidth": 1.2}
            _line(left, history, name, label=name.replace("_", " "), **look)
        left.set(title="Training losses", xlabel="epoch", ylim=(0, None))
        for metric, color in (("mrr", style.BLUE), ("map", style.ORANGE)):
            label = names.METRICS[metric]
            _line(right, history, f"valid_{metric}", label=label, color=color)
            _line(right, history, f"valid_{metric}_augmented", label=f"{label}, augmented", color=color, linestyle=":")
            _line(right, history, f"valid_{metric}_unheard", label=f"{label}, unheard", color=color, linestyle="--")
        right.set(title="Validation retrieval, edit distance on tokens", xlabel="epoch", ylim=(0, 1))
        for axes in (left, right):
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.grid()
            if axes.get_legend_handles_labels()[0]:  # a training of no epochs has no losses
                axes.legend()
        return _save(figure, out / "training.png")


def _line(axes: "Axes", history: list[dict[str, float | None]], name: str, **look: Any) -> None:
    """Draw a column of the history where it has values."""
    points = [(row["epoch"], row[name]) for row in history if row.get(name) is not None]
    if points:
        axes.plot(*zip(*points, strict=True), marker="o", markersize=3, **look)


def _save(figure: "Figure", path: Path) -> Path:
    figure.savefig(path, dpi=style.DPI)
    return path


def tokens(model: Path, parts: TrainingSplits, out: Path) -> None:
    """Histogram of the tokens over validation recordings, and one spectrogram with its tokens."""
    tokenizer = Tokenizer.from_pretrained(model, device="cpu")
    waves = [decode.read(path, tokenizer.sample_rate) for path in parts.valid.paths[:200]]
    framewise = tokenizer.encode_frames(waves, tokenizer.sample_rate)
    histogram(np.bincount(np.concatenate(framewise), minlength=tokenizer.num_tokens), out)
    middle = len(waves) // 2
    spectrogram(waves[middle], tokenizer, framewise[middle], Path(parts.valid.paths[middle]).name, out)


def histogram(counts: np.ndarray, out: Path) -> Path:
    """Share of frames by token, most frequent first: ``out/tokens.png``. counts: int [K]."""
    from matplotlib.figure import Figure

    with style.drawing():
        figure = Figure(figsize=(8, 3), layout="constrained")
        axes = figure.subplots()
        share = np.sort(counts)[::-1] / max(1, counts.sum())
        axes.bar(np.arange(len(share)), share, color=style.BLUE, width=0.85)
        axes.axhline(1 / len(share), color=style.DARK, linestyle="--", linewidth=1, label="all used equally often")
        axes.set(
            title=f"Tokens over validation frames: {np.count_nonzero(counts)} of {len(counts)} in use",
            xlabel="token, by frequency",
            ylabel="share of frames",
        )
        axes.grid(axis="y")
        axes.legend()
        return _save(figure, out / "tokens.png")


def spectrogram(wave: np.ndarray, tokenizer: Tokenizer, frames: np.ndarray, title: str, out: Path) -> Path:
    """A recording's spectrogram with its tokens on top: ``out/spectrogram.png``.

    Args:
        wave: float32 [N] at the tokenizer's rate.
        frames: int [T], one token per frame.
    """
    from matplotlib.figure import Figure

    rate = tokenizer.sample_rate
    wave = wave[: int(SHOWN_SECONDS * rate)]
    with style.drawing():
        figure = Figure(figsize=(11, 3.8), layout="constrained")
        axes = figure.subplots()
        axes.specgram(
            wave + 1e-6 * np.random.default_rng(0).standard_normal(len(wave)),
            NFFT=1024,
            noverlap=768,
            Fs=rate,
            cmap="magma",
            vmin=-130,
            vmax=-30,
        )
        axes.set(ylim=(0, min(4000, rate / 2)), xlim=(0, len(wave) / rate), xlabel="s", ylabel="Hz", title=title)
        shown = frames[: int(len(wave) / rate / tokenizer.frame_seconds) + 1]
        for start, length in zip(*runs(shown), strict=True):
            end = start + length
            if start:
                axes.axvline(start * tokenizer.frame_seconds, color="white", alpha=0.35, linewidth=0.6)
            if length >= 4:  # shorter runs have no room for their number
                axes.text(
                    (start + end) / 2 * tokenizer.frame_seconds,
                    0.95,
                    str(shown[start]),
                    color="white",
                    fontsize=7,
                    ha="center",
                    va="top",
                    transform=axes.get_xaxis_transform(),
                )
        return _save(figure, out / "spectrogram.png")
