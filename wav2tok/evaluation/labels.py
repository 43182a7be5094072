"""Labels that a tokenizer finds improbable: the nearest recordings, by their tokens, are of other classes.

Each recording is asked about without its own label: its `NEIGHBOURS` nearest others vote for their classes, each by how
near it is (Cover and Hart 1967; to find wrong labels by leaving one out, Wilson 1972). A label that hardly any of them
has is improbable. If most of them are of one other class, that is the label to look at: a moved or swapped label. If
they are of many classes, the recording is like none of them: noise among words.

Nothing is decided by it: a rare way to say a word is as improbable as a wrong label.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wav2tok.matching.distances import edit_distances
from wav2tok.progress import track

NEIGHBOURS = 10
"""How many recordings vote; more where the last of them are equally near."""
IMPROBABLE = 0.1
"""The largest share of the votes that an improbable label has."""
LIKELY = 0.5
"""The least share of the votes that another label needs to be suggested."""
FEWEST = 5
"""The fewest recordings of a class that can be judged, and of the whole."""
_ROWS = 256
"""Recordings that are compared with all others at a time."""


@dataclass(frozen=True)
class Doubt:
    """A recording whose label is improbable.

    Attributes:
        recording: its number.
        share: of the votes that its own label has, 0 to 1.
        suggested: the label that most of the neighbours have; None if no label has `LIKELY` of the votes.
        suggested_share: of the votes, of the label with the most besides its own.
    """

    recording: int
    share: float
    suggested: str | None
    suggested_share: float


def doubts(
    strings: Sequence[np.ndarray],
    labels: Sequence[str],
    sources: Sequence[str] = (),
    asked: Sequence[int] | None = None,
) -> list[Doubt]:
    """The recordings whose label is improbable, the most improbable first.

    The work grows with the recordings that are asked about, times all recordings.

    Args:
        strings: their tokens, int [L] each. One without tokens is not judged.
        labels: their classes. A recording of a class with fewer than `FEWEST` is not judged.
        sources: what they share audio with; recordings of one source do not vote for each other. Empty: with none.
        asked: the recordings to ask about; by default all.
    """
    names, label = np.unique(np.array(labels, dtype=object).astype(str), return_inverse=True)
    source = np.array(sources or [""] * len(labels), dtype=str)
    enough = np.bincount(label, minlength=len(names)) >= FEWEST
    wanted = range(len(labels)) if asked is None else asked
    rows = np.array([i for i in wanted if enough[label[i]] and len(strings[i])], dtype=np.int64)
    if len(names) < 2:
        return []
    found: list[Doubt] = []
    blocks = [rows[start : start + _ROWS] for start in range(0, len(rows), _ROWS)]
    for block in track(blocks, "comparing labels", len(blocks)):
        distances = edit_distances([strings[i] for i in block], strings)
        alike = (source[block][:, None] == source) & (source[block] != "")[:, None]
        distances[alike | (block[:, None] == np.arange(len(labels)))] = np.inf
        for i, shares in zip(block.tolist(), _votes(distances, label, len(names)), strict=True):
            own = float(shares[label[i]])
            if own <= IMPROBABLE and shares.any():
                other = np.where(np.arange(len(names)) == label[i], -1.0, shares)
                best = int(other.argmax())
                suggested = str(names[best]) if other[best] >= LIKELY else None
                found.append(Doubt(i, own, suggested, float(other[best])))
    return sorted(found, key=lambda one: (one.share, -one.suggested_share, one.recording))


def _votes(distances: np.ndarray, label: np.ndarray, classes: int) -> np.ndarray:
    """The share of the votes of each class, float [Q, classes]; a row without a neighbour that is at all near is 0.

    Args:
        distances: float [Q, N], 0 to 1 or infinite.
        label: int [N].
    """
    last = min(NEIGHBOURS, distances.shape[1]) - 1
    # Short strings are often equally far: then all of them vote, so that the order of the recordings decides nothing.
    row, near = np.nonzero(distances <= np.partition(distances, last, axis=1)[:, last, None])
    votes = np.zeros((len(distances), classes))
    np.add.at(votes, (row, label[near]), np.maximum(0.0, 1.0 - distances[row, near]))
    total = votes.sum(axis=1, keepdims=True)
    return np.divide(votes, total, out=np.zeros_like(votes), where=total > 0)
