"""How one token string becomes another: what an edit distance counts, column by column."""

import numpy as np
from rapidfuzz.distance import Levenshtein

from wav2tok.matching.strings import as_text


def aligned(ours: np.ndarray, theirs: np.ndarray) -> list[tuple[int | None, int | None]]:
    """A cheapest alignment of two strings, int [L] and [M].

    Returns:
        Columns of positions in both, in order; None is a gap. The columns with a gap or with two different tokens are
        as many as the edit distance.

    >>> aligned(np.array([5, 1, 2]), np.array([1, 2, 7]))
    [(0, None), (1, 0), (2, 1), (None, 2)]
    """
    columns: list[tuple[int | None, int | None]] = []
    for op in Levenshtein.opcodes(as_text(ours), as_text(theirs)):
        for i in range(max(op.src_end - op.src_start, op.dest_end - op.dest_start)):
            our, their = op.src_start + i, op.dest_start + i
            columns.append((our if our < op.src_end else None, their if their < op.dest_end else None))
    return columns
