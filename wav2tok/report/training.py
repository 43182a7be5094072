"""Figures of a training, for the run: its curves, the use of the tokens, a recording with its tokens."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from wav2tok.audio import decode
from wav2tok.corpus.recordings import TrainingSplits
from wav2tok.matching import runs
from wav2tok.tokenizer.tokenizer import Tokenizer

BLUE, ORANGE, GRAY = "#2563eb", "#d97706", "#6b7280"
SHOWN_SECONDS = 4.0


def _pyplot() -> Any:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.rcParams.update(
        {
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "grid.alpha": 0.25,
            "font.size": 10,
            "figure.dpi": 130,
            "legend.frameon": False,
        }
    )
    return plt


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A temporary folder for figures."""
    with tempfile.TemporaryDirectory(prefix="wav2tok-figures-") as name:
        yield Path(name)


def training(history: list[dict[str, float | None]], out: Path) -> Path:
    """Losses and validation retrieval by epoch, side by side: ``out/training.png``."""
    plt = _pyplot()
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
    for name in ("loss", "sequence", "codeword", "frame", "matching", "likelihood", "aligned"):
        points = [(row["epoch"], row[name]) for row in history if row.get(name) is not None]
        if points:
            left.plot(*zip(*points, strict=True), marker="o", markersize=3, label=name)
    left.set(title="Training losses", xlabel="epoch", ylim=(0, None))
    left.legend()
    for name, color, style in (
        ("mrr", BLUE, "-"),
        ("map", ORANGE, "-"),
        ("mrr_augmented", BLUE, ":"),
        ("map_augmented", ORANGE, ":"),
    ):
        points = [(row["epoch"], row[f"valid_{name}"]) for row in history if f"valid_{name}" in row]
        if points:
            right.plot(
                *zip(*points, strict=True),
                style,
                color=color,
                marker="o",
                markersize=3,
                label=name.replace("_", ", ").upper().replace("AUGMENTED", "augmented"),
            )
    right.set(title="Validation retrieval, edit distance on tokens", xlabel="epoch", ylim=(0, 1))
    right.legend()
    figure.savefig(out / "training.png")
    plt.close(figure)
    return out / "training.png"


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
    plt = _pyplot()
    figure, axes = plt.subplots(figsize=(8, 3), layout="constrained")
    share = np.sort(counts)[::-1] / max(1, counts.sum())
    axes.bar(np.arange(len(share)), share, color=BLUE, width=0.85)
    axes.axhline(1 / len(share), color=GRAY, linestyle="--", linewidth=1, label="all equal")
    axes.set(
        title=f"Tokens over validation frames: {np.count_nonzero(counts)} of {len(counts)} in use",
        xlabel="token, by frequency",
        ylabel="share of frames",
    )
    axes.legend()
    figure.savefig(out / "tokens.png")
    plt.close(figure)
    return out / "tokens.png"


def spectrogram(wave: np.ndarray, tokenizer: Tokenizer, frames: np.ndarray, title: str, out: Path) -> Path:
    """A recording's spectrogram with its tokens on top: ``out/spectrogram.png``.

    Args:
        wave: float32 [N] at the tokenizer's rate; frames: int [T], one token a frame.
    """
    plt = _pyplot()
    rate = tokenizer.sample_rate
    wave = wave[: int(SHOWN_SECONDS * rate)]
    figure, axes = plt.subplots(figsize=(11, 3.8), layout="constrained")
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
    axes.grid(visible=False)
    shown = frames[: int(len(wave) / rate / tokenizer.frame_seconds) + 1]
    for start, length in zip(*runs(shown), strict=True):
        end = start + length
        if start:
            axes.axvline(start * tokenizer.frame_seconds, color="white", alpha=0.35, linewidth=0.6)
        if length >= 4:  # narrower ones would overlap
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
    figure.savefig(out / "spectrogram.png")
    plt.close(figure)
    return out / "spectrogram.png"
