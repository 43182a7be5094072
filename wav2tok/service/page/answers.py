"""What the page is sent: strings with their times, and matches with the place and the alignment of each."""

from dataclasses import asdict
from typing import Any

import numpy as np

from wav2tok.matching import Tokenized
from wav2tok.matching.edits import aligned
from wav2tok.search.index import Hit, Match
from wav2tok.service.page.collection import Collection, Ready


def string(entry: Tokenized, frame_seconds: float) -> dict[str, Any]:
    """A token string, with the second where each token begins."""
    return {
        "duration_s": entry.seconds,
        "tokens": entry.tokens.tolist(),
        "times_s": (entry.starts * frame_seconds).round(3).tolist(),
    }


def columns(ours: np.ndarray, theirs: np.ndarray) -> list[tuple[int | None, int | None]]:
    """The tokens of two strings in the columns of their alignment; None is a gap."""
    return [
        (None if i is None else int(ours[i]), None if j is None else int(theirs[j])) for i, j in aligned(ours, theirs)
    ]


def match(query: np.ndarray, found: Match | Hit, collection: Collection, ready: Ready) -> dict[str, Any]:
    """A match: all that the index says of it, but its path; its recording by number; place and alignment.

    Where the index names no place, it begins at the first token that both strings share.
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
        shared = [j for i, j in aligned(query, entry.tokens) if _same(query, entry.tokens, i, j)]
        start = float(entry.starts[shared[0]] * step) if shared else 0.0
        end = entry.seconds
    if "distance" in said:
        said["similarity"] = round(100 * (1 - said["distance"]), 1)
    return (
        {"number": number, "start_s": round(start, 3), "end_s": round(min(end, entry.seconds), 3)}
        | collection.about(entry)
        | string(entry, step)
        | said
        | {"columns": columns(query, entry.tokens[first:last])}
    )


def _same(ours: np.ndarray, theirs: np.ndarray, i: int | None, j: int | None) -> bool:
    return i is not None and j is not None and bool(ours[i] == theirs[j])
