"""A recording as a ribbon of tokens: its waveform, and below it one coloured segment for each run of equal tokens."""

import colorsys
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from wav2tok.matching import runs
from wav2tok.report import style

COLUMNS = 2000
"""Columns of the waveform's envelope: more cannot be told apart."""
WIDTH, LABEL_SIZE = 10.0, 8
"""Width of the figure in inches, and size of the labels in points."""
GOLDEN = (5**0.5 - 1) / 2


def colour(token: int) -> tuple[float, float, float]:
    """The colour of a token, the same in every figure: light enough for dark text, unlike those of nearby numbers."""
    return colorsys.hls_to_rgb(token * GOLDEN % 1, (0.6, 0.7, 0.8)[token % 3], 0.65)


def draw(
    waveform: np.ndarray,
    sample_rate: int,
    frames: Sequence[int] | np.ndarray,
    frame_seconds: float,
    title: str = "",
) -> Figure:
    """Draw the waveform and, below it on the same axis of time, the tokens.

    A segment begins where `Index.spot` and `Tokenized.starts` put its token, and ends where the next one begins, the
    last with the recording. The number of the token is written on it where it fits.

    >>> waveform = np.sin(np.arange(8000) / 5).astype(np.float32)
    >>> (frames,) = tokenizer.encode_frames([waveform], 16000)
    >>> figure = draw(waveform, 16000, frames, tokenizer.frame_seconds)
    >>> figure.savefig("ribbon.png")

    Args:
        waveform: float [N].
        sample_rate: Hz.
        frames: int [T], one token per step, repeats included, as `Tokenizer.encode_frames` returns them.
        frame_seconds: `Tokenizer.frame_seconds`.
        title: stands above the waveform.
    """
    waveform, tokens = np.asarray(waveform, dtype=np.float64), np.asarray(frames)
    seconds = len(waveform) / sample_rate
    starts, _ = runs(tokens)
    edges = np.append(starts * frame_seconds, max(seconds, starts[-1:].max(initial=0) * frame_seconds))
    with style.drawing():
        figure = Figure(figsize=(WIDTH, 2.6), layout="constrained")
        wave, ribbon = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        wave.fill_between(*_envelope(waveform, sample_rate), color=style.BLUE, linewidth=0)
        wave.set_title(title)
        wave.set_axis_off()
        first = tokens[starts]
        ribbon.barh(
            np.zeros(len(first)),
            np.diff(edges),
            left=edges[:-1],
            height=1,
            color=[colour(int(token)) for token in first],
            edgecolor="white",
            linewidth=0.5,
        )
        for token, left, right in zip(first, edges[:-1], edges[1:], strict=True):
            # A digit is about 0.65 of its size wide; a point is 1/72 inch.
            if (right - left) / seconds * WIDTH * 72 * 0.95 > (len(str(token)) + 0.5) * 0.65 * LABEL_SIZE:
                ribbon.text((left + right) / 2, 0, str(token), ha="center", va="center", fontsize=LABEL_SIZE)
        ribbon.set(xlim=(0, seconds), ylim=(-0.5, 0.5), xlabel="seconds", yticks=[])
        ribbon.spines["left"].set_visible(False)
    return figure


def _envelope(waveform: np.ndarray, sample_rate: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Times in seconds, and the lowest and highest sample at each of them, for at most `COLUMNS` times."""
    firsts = np.unique(np.linspace(0, len(waveform), COLUMNS, endpoint=False).astype(int))
    return firsts / sample_rate, np.minimum.reduceat(waveform, firsts), np.maximum.reduceat(waveform, firsts)
