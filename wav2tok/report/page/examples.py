"""What the page shows of a query and its answers: pictures, players, tokens along time and alignments."""

from dataclasses import dataclass

import numpy as np
from rapidfuzz.distance import Levenshtein

from wav2tok.matching import as_text, runs
from wav2tok.report.page import sound

_SHOWN = 240
"""Maximum number of columns of an alignment. Only the page is cut, not the matching."""
_NUMBERED = 0.055
"""A block has its token's number if it takes at least this share of the picture: else it would be cut off."""

_MARKS = {"equal": ("=", ""), "replace": ("≠", "sub"), "delete": ("−", "del"), "insert": ("+", "ins")}


@dataclass(frozen=True)
class Example:
    """One recording of a case.

    Attributes:
        role: what it is in the case.
        name: the recording and its class.
        waveform: float32 [N].
        tokens: int [L], its string.
        frames: int [T], one token per frame, or None where only the string is known.
    """

    role: str
    name: str
    waveform: np.ndarray
    tokens: np.ndarray
    frames: np.ndarray | None = None


@dataclass(frozen=True)
class Block:
    """A run of one token along time, ``frames`` long."""

    token: int
    frames: int
    text: str
    title: str


@dataclass(frozen=True)
class Figure:
    """An example as it is shown: ``width`` in percent; ``picture`` and ``sound`` are data addresses."""

    role: str
    name: str
    length: str
    tokens: int
    width: float
    picture: str
    sound: str
    blocks: list[Block]


@dataclass(frozen=True)
class Column:
    """One step of an alignment; None is a gap."""

    kind: str
    mark: str
    above: int | None
    below: int | None


@dataclass(frozen=True)
class Alignment:
    """A cheapest way to turn the query's string into the answer's.

    Attributes:
        equal, substituted, deleted, inserted: numbers of tokens.
        longer: the length of the longer string.
        columns: at most as many as the page shows; ``hidden`` more are not shown.
    """

    role: str
    equal: int
    substituted: int
    deleted: int
    inserted: int
    longer: int
    matched: bool
    columns: list[Column]
    hidden: int

    @property
    def edits(self) -> int:
        """The edit distance."""
        return self.substituted + self.deleted + self.inserted

    @property
    def distance(self) -> float | None:
        """Edits over the longer string's length; None if a string is empty."""
        return self.edits / self.longer if self.matched else None


@dataclass(frozen=True)
class Case:
    """A query, its answers, and the alignment of each answer with the query."""

    title: str
    recordings: list[Figure]
    alignments: list[Alignment]


def case(title: str, recordings: list[Example], sample_rate: int) -> Case:
    """The query comes first. Pictures of a case share one time scale."""
    query, *answers = recordings
    longest = max(len(sound.head(one.waveform, sample_rate)) for one in recordings)
    return Case(
        title,
        [_figure(one, longest, sample_rate) for one in recordings],
        [alignment(query.tokens, one.tokens, one.role) for one in answers],
    )


def _figure(one: Example, longest: int, sample_rate: int) -> Figure:
    part = sound.head(one.waveform, sample_rate)
    seconds = len(one.waveform) / sample_rate
    cut = f", the first {sound.SECONDS:g} s shown" if len(part) < len(one.waveform) else ""
    return Figure(
        role=one.role,
        name=one.name,
        length=f"{seconds:.1f} s{cut}",
        tokens=len(one.tokens),
        width=100 * len(part) / longest,
        picture=sound.spectrogram(part, sample_rate),
        sound=sound.flac(part, sample_rate),
        blocks=[] if one.frames is None else _blocks(one.frames, len(part) / len(one.waveform), seconds),
    )


def _blocks(frames: np.ndarray, share: float, seconds: float) -> list[Block]:
    """The tokens in the first ``share`` of ``frames`` [T]."""
    whole, frames = len(frames), frames[: max(1, round(share * len(frames)))]
    return [
        Block(
            token=int(frames[start]),
            frames=int(length),
            text=str(frames[start]) if length >= _NUMBERED * len(frames) else "",
            title=f"token {frames[start]}, {start / whole * seconds:.2f} to {(start + length) / whole * seconds:.2f} s",
        )
        for start, length in zip(*runs(frames), strict=True)
    ]


def alignment(query: np.ndarray, answer: np.ndarray, role: str) -> Alignment:
    """Align two strings, int [L] each; ``role`` is what the answer is."""
    columns = []
    counts = {"equal": 0, "replace": 0, "delete": 0, "insert": 0}
    for op in Levenshtein.opcodes(as_text(query), as_text(answer)):
        length = max(op.src_end - op.src_start, op.dest_end - op.dest_start)
        counts[op.tag] += length
        mark, kind = _MARKS[op.tag]
        for i in range(length):
            above = int(query[op.src_start + i]) if op.src_start + i < op.src_end else None
            below = int(answer[op.dest_start + i]) if op.dest_start + i < op.dest_end else None
            columns.append(Column(kind, mark, above, below))
    return Alignment(
        role=role,
        equal=counts["equal"],
        substituted=counts["replace"],
        deleted=counts["delete"],
        inserted=counts["insert"],
        longer=max(len(query), len(answer)),
        matched=bool(len(query) and len(answer)),
        columns=columns[:_SHOWN],
        hidden=max(0, len(columns) - _SHOWN),
    )
