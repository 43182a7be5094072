"""Recordings of a case side by side: what they look and sound like, their tokens, and how the strings were matched."""

from dataclasses import dataclass

import numpy as np
from rapidfuzz.distance import Levenshtein

from wav2tok.matching import as_text, runs
from wav2tok.report.page import sound
from wav2tok.report.page.markup import text, token

_SHOWN = 240
"""Columns of an alignment at most; strings of long recordings are cut in the page, not in the matching."""
_NUMBERED = 0.055
"""A token's number stands in its block where that takes this share of the picture: else it would be cut."""

_MARKS = {"equal": ("=", ""), "replace": ("≠", "sub"), "delete": ("−", "del"), "insert": ("+", "ins")}


@dataclass(frozen=True)
class Heard:
    """One recording of a case.

    Attributes:
        role: what it is in the case.
        name: the recording and its class.
        waveform: float32 [N].
        tokens: int [L], its string.
        frames: int [T], one token a frame, or None where only the string is known.
    """

    role: str
    name: str
    waveform: np.ndarray
    tokens: np.ndarray
    frames: np.ndarray | None = None


def case(title: str, heard: list[Heard], sample_rate: int) -> str:
    """A query first, then its answers, each aligned with the query. Pictures are drawn to one scale of time."""
    longest = max(len(sound.head(one.waveform, sample_rate)) for one in heard)
    shown = "\n".join(_figure(one, longest, sample_rate) for one in heard)
    edits = "\n".join(alignment(heard[0].tokens, one.tokens, one.role) for one in heard[1:])
    return f'<article class="case"><h3>{text(title)}</h3>\n<div class="heard">\n{shown}\n</div>\n{edits}</article>'


def _figure(one: Heard, longest: int, sample_rate: int) -> str:
    part = sound.head(one.waveform, sample_rate)
    seconds = len(one.waveform) / sample_rate
    length = f"{seconds:.1f} s" + (f", the first {sound.SECONDS:g} s shown" if len(part) < len(one.waveform) else "")
    width = f"{100 * len(part) / longest:.2f}%"
    strip = "" if one.frames is None else _blocks(one.frames, len(part) / len(one.waveform), seconds)
    return (
        f"<figure><figcaption><strong>{text(one.role)}</strong><br>{text(one.name)}, {length}, {len(one.tokens)} tokens"
        f'</figcaption>\n<div style="width:{width}">{sound.spectrogram(part, sample_rate)}{strip}</div>\n'
        f"{sound.player(part, sample_rate)}</figure>"
    )


def _blocks(frames: np.ndarray, share: float, seconds: float) -> str:
    """The tokens of the first ``share`` of ``frames`` [T] along time, each as wide as it lasts."""
    whole, frames = len(frames), frames[: max(1, round(share * len(frames)))]
    blocks = []
    for start, length in zip(*runs(frames), strict=True):
        end = start + length
        number = str(frames[start]) if length >= _NUMBERED * len(frames) else ""
        told = f"token {frames[start]}, {start / whole * seconds:.2f} to {end / whole * seconds:.2f} s"
        blocks.append(f'<span class="t" style="--t:{frames[start]};--n:{length}" title="{told}">{number}</span>')
    return f'<div class="blocks">{"".join(blocks)}</div>'


def alignment(query: np.ndarray, answer: np.ndarray, role: str) -> str:
    """A cheapest way to turn one string, int [L], into the other: the query above, the answer below."""
    columns = []
    counts = {"equal": 0, "replace": 0, "delete": 0, "insert": 0}
    for op in Levenshtein.opcodes(as_text(query), as_text(answer)):
        length = max(op.src_end - op.src_start, op.dest_end - op.dest_start)
        counts[op.tag] += length
        mark, kind = _MARKS[op.tag]
        for i in range(length):
            above = _token_or_gap(query, op.src_start + i, op.src_end)
            below = _token_or_gap(answer, op.dest_start + i, op.dest_end)
            columns.append(f'<span class="{kind}">{above}<u>{mark}</u>{below}</span>')
    edits = counts["replace"] + counts["delete"] + counts["insert"]
    longer = max(len(query), len(answer))
    more = f" … and {len(columns) - _SHOWN} more" if len(columns) > _SHOWN else ""
    said = (
        f"{counts['equal']} the same (=), {counts['replace']} substituted (≠), {counts['delete']} only in the query "
        f"(−), {counts['insert']} only in the answer (+); "
    )
    said += f"distance {edits} / {longer} = {edits / longer:.3f}" if len(query) and len(answer) else "nothing to match"
    return (
        f'<p class="soft">Query (above) and {text(role.lower())}: {said}.</p>\n'
        f'<div class="edits">{"".join(columns[:_SHOWN])}{more}</div>'
    )


def _token_or_gap(string: np.ndarray, at: int, end: int) -> str:
    return token(int(string[at]), "i") if at < end else '<i class="gap"></i>'
