"""A picture of a match: a query above, its answer below, each as a spectrogram with its tokens, and their alignment."""

import colorsys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wav2tok.audio import decode
from wav2tok.evaluation.retrieval import views
from wav2tok.evaluation.retrieval.result import Result
from wav2tok.evaluation.systems import Represent
from wav2tok.files import replacing
from wav2tok.matching import runs
from wav2tok.matching.edits import aligned
from wav2tok.report import gallery
from wav2tok.report.page import examples, sound
from wav2tok.report.templates import templates

_TEMPLATE = templates("wav2tok.report.page").get_template("match.svg")
_LEFT, _WIDTH = 20.0, 960.0
_DIGIT = 7.0
"""The width of a digit: a block has its token's number where there is room for it."""


@dataclass(frozen=True)
class _Side:
    """A recording: a caption, the address of its spectrogram, its width, and blocks of (x, width, token)."""

    caption: str
    picture: str
    width: float
    blocks: list[tuple[float, float, int]]


def write(result: Result, path: Path, sample_rate: int, frames: Represent) -> bool:
    """Draw the nearest pair of a query and a right answer; without one, a picture of before is deleted.

    Args:
        path: the SVG file, replaced as a whole.
        sample_rate: the rate at which recordings are read, Hz.
        frames: as for `wav2tok.report.page.page.write`.

    Returns:
        Whether there is such a pair.

    Raises:
        UserError: a recording can no longer be read.
    """
    answers = result.answers
    classes = answers.paths if answers.classes is None else answers.classes
    asking = [classes[i] for i in answers.query_index]
    lengths = np.array([len(string) for string in answers.asking])
    pairs = gallery.nearest_pairs(answers.order, answers.distances, answers.relevant, asking, lengths, 1)
    if not pairs:
        path.unlink(missing_ok=True)
        return False
    (pair,) = pairs
    index = int(answers.query_index[pair.query])
    asked = views.make(decode.read(answers.paths[index], sample_rate), result.setting.views[0], sample_rate)
    found = decode.read(answers.paths[pair.right], sample_rate)
    longest = max(len(sound.head(wave, sample_rate)) for wave in (asked, found))
    query = _side(asked, f"Query: {examples.name(answers, index)}", longest, sample_rate, frames)
    answer = _side(found, f"Nearest answer: {examples.name(answers, pair.right)}", longest, sample_rate, frames)
    same, other = _links(query, answer)
    shown = _TEMPLATE.render(
        query=query,
        answer=answer,
        left=_LEFT,
        same=same,
        other=other,
        distance=float(answers.distances[pair.query, pair.right]),
        digit=_DIGIT,
        colour=_colour,
    )
    with replacing(path) as temporary:
        temporary.write_text(shown, encoding="utf-8")
    return True


def _side(waveform: np.ndarray, caption: str, longest: int, sample_rate: int, frames: Represent) -> _Side:
    """One recording; only the part that the page plays is drawn. ``longest`` samples are as wide as the picture."""
    part = sound.head(waveform, sample_rate)
    tokens = frames([waveform])[0]
    shown = tokens[: max(1, round(len(part) / len(waveform) * len(tokens)))]
    width = _WIDTH * len(part) / longest
    blocks = [
        (_LEFT + width * start / len(shown), width * length / len(shown), int(shown[start]))
        for start, length in zip(*runs(shown), strict=True)
    ]
    return _Side(caption, sound.spectrogram(part, sample_rate), width, blocks)


def _links(query: _Side, answer: _Side) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The pairs of blocks that a cheapest alignment holds for the same token, and those that it substitutes."""
    same: list[dict[str, Any]] = []
    other: list[dict[str, Any]] = []
    above, below = (np.array([token for _, _, token in side.blocks]) for side in (query, answer))
    for i, j in aligned(above, below):
        if i is None or j is None:
            continue
        (x, width, token), (x2, width2, other_token) = query.blocks[i], answer.blocks[j]
        link = {"x": x + width / 2, "x2": x2 + width2 / 2, "token": token}
        (same if token == other_token else other).append(link)
    return same, other


def _colour(token: int) -> str:
    """A token's colour on the page, as #rrggbb."""
    red, green, blue = colorsys.hls_to_rgb(token * 137.508 % 360 / 360, 0.76, 0.62)
    return f"#{round(255 * red):02x}{round(255 * green):02x}{round(255 * blue):02x}"
