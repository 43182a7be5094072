"""What the page is sent: strings with their times, and matches with the place and the alignment of each."""

from collections import Counter
from dataclasses import asdict
from typing import Any

import numpy as np

from wav2tok.matching import Tokenized, edit_distances
from wav2tok.matching.edits import aligned
from wav2tok.search.answers import Hit, Match
from wav2tok.service.page.collection import Collection, Ready

SHOWN = 1000
"""Tokens of a match, and columns of an alignment, that are sent: more cannot be told apart."""


def string(entry: Tokenized, frame_seconds: float) -> dict[str, Any]:
    """A token string, with the second of the recording where each token begins."""
    return {
        "duration_s": entry.seconds,
        "tokens": entry.tokens.tolist(),
        "times_s": (entry.before + entry.starts * frame_seconds).round(3).tolist(),
    }


def alignment(ours: np.ndarray, theirs: np.ndarray) -> dict[str, Any]:
    """The tokens of two strings, int [L] and [M], in the columns of their alignment, where None is a gap.

    Returns:
        At most `SHOWN` ``columns``, and the ``counts`` of all: ``same``, ``replaced``, only in ``ours`` or ``theirs``.
    """
    columns = [
        (None if i is None else int(ours[i]), None if j is None else int(theirs[j])) for i, j in aligned(ours, theirs)
    ]
    kinds = Counter(
        "theirs" if a is None else "ours" if b is None else "same" if a == b else "replaced" for a, b in columns
    )
    return {"columns": columns[:SHOWN], "counts": {k: kinds[k] for k in ("same", "replaced", "ours", "theirs")}}


def comparison(ours: np.ndarray, theirs: np.ndarray) -> dict[str, Any]:
    """Normalised edit distance of two strings, int [L] and [M], and their `alignment`; 1 if one of them is empty."""
    distance = float(edit_distances([ours], [theirs])[0, 0])
    return {"distance": round(min(distance, 1.0), 4), "alignment": alignment(ours, theirs)}


def match(query: np.ndarray, found: Match | Hit, collection: Collection, ready: Ready) -> dict[str, Any]:
    """A match: all that the index says of it, but its path; its recording by number; place and alignment.

    Where the index names no place, it begins at the first token that both strings share. Of a long recording, the
    `SHOWN` tokens around the place are sent, which are the seconds ``shown_s``.
    """
    number = ready.numbers[found.path]
    entry, step = ready.entries[number], ready.tokenizer.frame_seconds
    said = asdict(found)
    del said["path"]
    start, end = said.pop("start", None), said.pop("end", None)
    first, last = 0, len(entry.tokens)
    if start is not None and end is not None:
        times = entry.starts * step
        first = int(np.searchsorted(times, start - step / 2))
        last = max(int(np.searchsorted(times, end - step / 2)), first + 1)
    else:
        pairs = ((i, j) for i, j in aligned(query, entry.tokens) if i is not None and j is not None)
        start = next((float(entry.starts[j] * step) for i, j in pairs if query[i] == entry.tokens[j]), 0.0)
        end = entry.seconds
    begin = max(0, min(int(np.searchsorted(entry.starts * step, start)) - SHOWN // 4, len(entry.tokens) - SHOWN))
    part = string(entry, step)
    until = part["times_s"][begin + SHOWN] if begin + SHOWN < len(entry.tokens) else entry.seconds
    shown = {"shown_s": [part["times_s"][begin] if begin else 0.0, until]}
    shown |= {key: part[key][begin : begin + SHOWN] for key in ("tokens", "times_s")}
    if "distance" in said:
        said["similarity"] = round(100 * (1 - said["distance"]), 1)
    return (
        {"number": number, "start_s": round(start, 3), "end_s": round(min(end, entry.seconds), 3)}
        | collection.about(entry)
        | shown
        | said
        | {"alignment": alignment(query, entry.tokens[first:last])}
    )
