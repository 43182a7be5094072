"""Where a query occurs within longer strings: the edit distance to the nearest substring that ends at each token.

Sellers, The Theory and Computation of Evolutionary Distances, 1980, in the bit-parallel form of Myers, A Fast
Bit-Vector Algorithm for Approximate String Matching, 1999: a column of the table is a few machine words. numpy goes
through many stretches of the database side by side, so it needs no compiler. The distances are those of
`wav2tok.evaluation.spotting.kernels.infix_edit`, by which the report spots.
"""

import numpy as np

_WORD = 64
_ONE = np.uint64(1)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
# Stretches side by side: enough to hide the cost of a call of numpy, few enough to stay in the cache.
_LANES = 4096


def distances_to_ends(query: np.ndarray, flat: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The edits from a query to the nearest substring that ends after each token.

    Args:
        query: int [Q].
        flat: int [T], strings end to end; a substring lies within one of them.
        lengths: int [D], of the strings.

    Returns:
        int16 or int32 [T], 0 to Q; a substring may be empty, which costs Q.
    """
    size, total = len(query), len(flat)
    kind = np.int16 if size < 32_000 else np.int32
    if not size or not total:
        return np.zeros(total, dtype=kind)
    # A nearest substring costs at most Q, so it has at most 2 Q tokens: a stretch starts that far before its own.
    margin = 2 * size
    own = max(4 * size, -(-total // _LANES))
    lanes = -(-total // own)
    place = np.arange(lanes)[:, None] * own + np.arange(-margin, own)[None, :]
    inside = (place >= 0) & (place < total)
    text = np.where(inside, flat[np.clip(place, 0, total - 1)], 0)
    begins = np.zeros(total + 1, dtype=bool)
    begins[(np.cumsum(lengths) - lengths)[lengths > 0]] = True
    resets = begins[np.clip(place, 0, total)] | ~inside
    out = _columns(query, np.ascontiguousarray(text.T), np.ascontiguousarray(resets.T), kind)
    return out[margin:].T.reshape(-1)[:total]


def _columns(query: np.ndarray, text: np.ndarray, resets: np.ndarray, kind: type) -> np.ndarray:
    """The last row of Sellers' table for texts side by side.

    Args:
        query: int [Q].
        text: int [C, lanes], column by column.
        resets: bool [C, lanes], where a text begins again.
        kind: of the result.

    Returns:
        [C, lanes].
    """
    size, words = len(query), -(-len(query) // _WORD)
    used, renumbered = np.unique(query, return_inverse=True)
    # Which places of the query hold a token, bit by bit; the last row is of all other tokens.
    equal = np.zeros((words, len(used) + 1), dtype=np.uint64)
    for place, token in enumerate(renumbered):
        equal[place // _WORD, token] |= _ONE << np.uint64(place % _WORD)
    rows = np.searchsorted(used, text)
    rows[rows == len(used)] = 0
    rows = np.where(used[rows] == text, rows, len(used))
    lanes = text.shape[1]
    plus, minus = np.full((words, lanes), _ALL), np.zeros((words, lanes), dtype=np.uint64)
    score: np.ndarray = np.full(lanes, size, dtype=kind)
    last = np.uint64((size - 1) % _WORD)
    top = np.uint64(_WORD - 1)
    out: np.ndarray = np.empty(text.shape, dtype=kind)
    any_reset = np.any(resets, axis=1).tolist()
    for column in range(len(text)):
        if any_reset[column]:
            reset = resets[column]
            plus[:, reset], minus[:, reset], score[reset] = _ALL, 0, size
        up = down = np.uint64(0)  # what the word above hands down: +1 or -1
        for word in range(words):
            eq, p, m = equal[word][rows[column]], plus[word], minus[word]
            vertical = eq | m
            eq = eq | down
            across = (((eq & p) + p) ^ p) | eq
            more, less = m | ~(across | p), p & across
            if word == words - 1:
                score = score + ((more >> last) & _ONE).astype(kind) - ((less >> last) & _ONE).astype(kind)
            higher, lower = more >> top, less >> top
            more, less = more << _ONE | up, less << _ONE | down
            plus[word] = less | ~(vertical | more)
            minus[word] = more & vertical
            up, down = higher, lower
        out[column] = score
    return out


class Growing:
    """The edits from a query to the nearest substring of a growing string that ends with its newest token.

    Token by token the numbers of `distances_to_ends`, for one string.
    """

    def __init__(self, query: np.ndarray) -> None:
        """For a query, int [Q]."""
        self._query, self._ramp = query, np.arange(len(query) + 1)
        self._row = self._ramp

    def push(self, token: int) -> int:
        """The edits once the string has one more token: 0 to Q."""
        self._row = _next_row(self._row, self._query != token, 0, self._ramp)
        return int(self._row[-1])


def _next_row(row: np.ndarray, differs: np.ndarray, first: int, ramp: np.ndarray) -> np.ndarray:
    """A row of Sellers' table, int [Q + 1], for a text that is one token longer.

    Args:
        row: of the text before.
        differs: bool [Q], which tokens of the query are not the new one.
        first: what an empty query costs: 0 if a substring may begin anywhere.
        ramp: 0 to Q.
    """
    following = row + 1
    following[0] = first
    following[1:] = np.minimum(following[1:], row[:-1] + differs)
    return np.minimum.accumulate(following - ramp) + ramp


def begin_of(query: np.ndarray, before: np.ndarray, edits: int) -> int:
    """Where a nearest substring begins: how many of the last tokens of ``before`` [N] it has.

    Among the substrings that end there and cost ``edits``, the one whose length is nearest to the query's; of two, the
    shorter.
    """
    size = len(query)
    text = before[::-1][: size + edits]
    # Of the mirrored strings, all of the query against each beginning of the text.
    row = ramp = np.arange(size + 1)
    best, length = size + edits + 1, 0
    mirrored = query[::-1]
    for used, token in enumerate(text, 1):
        row = _next_row(row, mirrored != token, used, ramp)
        if row[size] == edits and abs(used - size) < best:
            best, length = abs(used - size), used
    return length


def occurrences(edits: np.ndarray, query: np.ndarray, tokens: np.ndarray, most: int) -> list[tuple[int, int, int]]:
    """The occurrences of a query in one string that do not overlap, nearest first.

    The nearest is taken, then the nearest of those that share no token with it, and so on.

    Args:
        edits: int [T], as `distances_to_ends` gives them for the string.
        query: int [Q].
        tokens: int [T], the string.
        most: occurrences with more edits do not count, but for the nearest.

    Returns:
        (first token, the one after the last, edits) of each.
    """
    size = len(query)
    found: list[tuple[int, int, int]] = []
    free = np.ones(len(tokens), dtype=bool)
    order = np.argsort(edits, kind="stable")
    for first in order[: max(1, int(np.count_nonzero(edits <= most)))].tolist():
        count = int(edits[first])
        if not free[first] or count >= size:
            continue
        # Of neighbouring ends of equal cost, the one whose substring's length is nearest to the query's.
        ends = [first]
        while len(ends) <= count and ends[-1] + 1 < len(tokens) and edits[ends[-1] + 1] == count:
            ends.append(ends[-1] + 1)
        spans = [(end + 1 - begin_of(query, tokens[: end + 1], count), end + 1) for end in ends]
        begin, after = min(spans, key=lambda span: abs(span[1] - span[0] - size))
        if begin < after and free[begin:after].all():
            free[begin:after] = False
            found.append((begin, after, count))
    return found
