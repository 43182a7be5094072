"""The span of a sentence that matches a query best: dynamic programmes that may begin and end anywhere.

Over strings: `edit_spans` (Sellers, The Theory and Computation of Evolutionary Distances, 1980) and
`centroid_warped_spans`; over vectors: `warped_spans`. All read **one value per frame**: they de-duplicate tokens
themselves, so that a span of tokens can be returned as a span of frames.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numba
import numpy as np

from wav2tok.evaluation.baselines.frames import chunks, each, unit_length
from wav2tok.matching.distances import token_costs
from wav2tok.matching.strings import runs

# Local costs of warping are multiples of 1 / 16,384. Sums of up to 500 of them are exact in float32, so spans of equal
# cost compare as equal on every processor, and the first one is taken.
_QUANTA = np.float32(16_384)


@dataclass(frozen=True)
class Spans:
    """The best span of each query in each sentence.

    Attributes:
        distances: float64 [Q, D], divided by the query's length; ``inf`` where there is no span.
        frames: int64 [Q, D, 2], the span's first frame and the one after its last.
    """

    distances: np.ndarray
    frames: np.ndarray


@numba.njit(cache=True, nogil=True)
def infix_edit(query: np.ndarray, items: np.ndarray, ends: np.ndarray, costs: np.ndarray, out: np.ndarray) -> None:
    """Edit distance of a string to the nearest substring of each item; an insertion or deletion costs 1.

    Args:
        query: int [L], rows of ``costs``.
        items: int [N], D strings end to end, columns of ``costs``; ``ends`` [D + 1], from 0.
        costs: float64 [U, V], of substitutions.
        out: float64 [D, 3], filled with the distance, the substring's first token and the one after its last. Among
            equally near substrings, the length nearest to the query's wins, then the first.
    """
    for d in range(len(ends) - 1):
        item = items[ends[d] : ends[d + 1]]
        row = np.zeros(len(item) + 1)
        start = np.arange(len(item) + 1)
        for i in range(len(query)):
            diagonal, from_diagonal = row[0], start[0]
            row[0] = i + 1.0
            for j in range(len(item)):
                # A substitution wins a tie, so that the span keeps the query's length.
                best, begin = diagonal + costs[query[i], item[j]], from_diagonal
                if row[j + 1] + 1.0 < best:
                    best, begin = row[j + 1] + 1.0, start[j + 1]
                if row[j] + 1.0 < best:
                    best, begin = row[j] + 1.0, start[j]
                diagonal, from_diagonal = row[j + 1], start[j + 1]
                row[j + 1], start[j + 1] = best, begin
        last = 0
        for j in range(1, len(item) + 1):
            closer = abs(j - start[j] - len(query)) < abs(last - start[last] - len(query))
            if row[j] < row[last] or (row[j] == row[last] and closer):
                last = j
        out[d, 0], out[d, 1], out[d, 2] = row[last], start[last], last


@numba.njit(cache=True, nogil=True)
def infix_warp(local: np.ndarray, ends: np.ndarray, out: np.ndarray) -> None:
    """Time warping of a query onto the best stretch of each item, between half and twice the query's speed.

    Steps (1, 1), (1, 2) and (2, 1); the last adds the local costs of both of its rows. Every row of the query thus
    counts exactly once, and the sum over the query's length is a mean on any path (Itakura's slopes, 1975).

    Args:
        local: float32 [L, N], the costs of the query's L rows against D items side by side; ``ends`` [D + 1], from 0.
        out: float64 [D, 3], filled with the sum (``inf`` if the item is too short), the first column and the one after
            the last.
    """
    rows = len(local)
    for d in range(len(ends) - 1):
        first, length = ends[d], ends[d + 1] - ends[d]
        if length == 0:
            out[d, 0] = np.inf
            continue
        # Two columns before the first that no path may use: steps look up to two columns back.
        cost = np.full((3, length + 2), np.float32(np.inf), dtype=np.float32)
        start = np.zeros((3, length + 2), dtype=np.int32)
        for j in range(length + 1):
            cost[2, j + 1], start[2, j + 1] = np.float32(0.0), j
        for i in range(rows):
            now, before, two_before = i % 3, (i + 2) % 3, (i + 1) % 3
            here, above = local[i, first : first + length], local[max(i - 1, 0), first : first + length]
            # Paths only begin in the first row. Views of equal length let the compiler vectorize over columns.
            reach = np.float32(0.0) if i > 0 else np.float32(np.inf)
            next_, next_from = cost[before, 1 : length + 1], start[before, 1 : length + 1]
            skip, skip_from = cost[before, :length], start[before, :length]
            stay, stay_from = cost[two_before, 1 : length + 1], start[two_before, 1 : length + 1]
            to, to_from = cost[now, 2 : length + 2], start[now, 2 : length + 2]
            for j in range(length):
                skipped, stayed = skip[j] + reach, stay[j] + above[j] + reach
                best = min(next_[j], min(skipped, stayed))
                begin = skip_from[j] if skipped < stayed else stay_from[j]
                to_from[j] = next_from[j] if next_[j] <= best else begin
                to[j] = best + here[j]
            cost[now, 1] = np.float32(np.inf)
        last = 0
        final = (rows - 1) % 3
        for j in range(1, length):
            if cost[final, j + 2] < cost[final, last + 2]:
                last = j
        out[d, 0], out[d, 1], out[d, 2] = cost[final, last + 2], start[final, last + 2], last + 1


def edit_spans(
    queries: Sequence[np.ndarray], database: Sequence[np.ndarray], codebook: np.ndarray | None = None
) -> Spans:
    """The spans of the least edit distance, which is divided by the query's length: in [0, 1].

    Args:
        queries, database: Q and D sequences of tokens, one per frame, int [T].
        codebook: [K, d]; rows need not be of unit length. Given these, a substitution costs ``min(1, 1 - cos)`` of the
            two centroids, else 1.
    """
    ours, theirs = [_runs(tokens) for tokens in queries], [_runs(tokens) for tokens in database]
    strings = [tokens for tokens, _ in theirs]
    items = np.concatenate([np.zeros(0, np.int64), *strings])
    ends = np.concatenate(([0], np.cumsum([len(tokens) for tokens in strings]))).astype(np.int64)
    # Only tokens that occur are numbered, so that the table stays small for a codebook of any size.
    used, columns = np.unique(items, return_inverse=True)
    out = np.full((len(queries), len(database), 3), np.inf)

    def match(row: int) -> None:
        query = ours[row][0]
        if codebook is None:
            costs = (query[:, None] != used[None, :]).astype(np.float64)
        else:
            costs = token_costs(codebook, query, used, 1.0)
        infix_edit(np.arange(len(query)), columns, ends, costs, out[row])

    each(match, [row for row, (query, _) in enumerate(ours) if len(query)])
    out[:, [len(tokens) == 0 for tokens in strings], 0] = np.inf
    spans = _normalized(out, [query for query, _ in ours])
    return _to_frames(spans, [starts for _, starts in theirs])


def centroid_warped_spans(queries: Sequence[np.ndarray], database: Sequence[np.ndarray], codebook: np.ndarray) -> Spans:
    """`warped_spans` over the centroids of the de-duplicated tokens; arguments as for `edit_spans`."""
    ours, theirs = [_runs(tokens) for tokens in queries], [_runs(tokens) for tokens in database]
    spans = warped_spans([codebook[tokens] for tokens, _ in ours], [codebook[tokens] for tokens, _ in theirs])
    return _to_frames(spans, [starts for _, starts in theirs])


def warped_spans(queries: Sequence[np.ndarray], database: Sequence[np.ndarray]) -> Spans:
    """The spans of the least time warping cost, which is divided by the query's length: in [0, 2].

    The local cost is ``1 - cos``.

    Args:
        queries, database: Q and D sequences, float [T, F] each.
    """
    out = np.full((len(queries), len(database), 3), np.inf)
    for first, last in chunks([len(item) for item in database]):
        block = np.ascontiguousarray(np.concatenate([unit_length(item) for item in database[first:last]]).T)
        ends = np.concatenate(([0], np.cumsum([len(item) for item in database[first:last]])))

        def match(row: int) -> None:
            if len(queries[row]):
                # All end before the next chunk.
                local = np.maximum(np.float32(1.0) - unit_length(queries[row]) @ block, np.float32(0.0))  # noqa: B023
                np.rint(local * _QUANTA, out=local)
                local /= _QUANTA
                infix_warp(local, ends, out[row, first:last])  # noqa: B023

        each(match, range(len(queries)))
    return _normalized(out, queries)


def _runs(tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Tokens per frame [T] -> de-duplicated [L], and the frames where each begins and the last ends [L + 1]."""
    tokens = np.asarray(tokens, dtype=np.int64)
    starts, _ = runs(tokens)
    return tokens[starts], np.append(starts, len(tokens))


def _normalized(out: np.ndarray, queries: Sequence[np.ndarray]) -> Spans:
    """The kernels' [Q, D, 3] -> spans, with distances divided by the queries' lengths."""
    lengths = np.array([max(len(query), 1) for query in queries])
    finite = np.isfinite(out[..., 0])
    return Spans(out[..., 0] / lengths[:, None], np.where(finite[..., None], out[..., 1:], 0).astype(np.int64))


def _to_frames(spans: Spans, starts: Sequence[np.ndarray]) -> Spans:
    """Spans of tokens -> spans of frames, by the ``starts`` [L + 1] of each sentence's tokens."""
    frames = np.zeros_like(spans.frames)
    for d, places in enumerate(starts):
        frames[:, d] = places[spans.frames[:, d]]
    return Spans(spans.distances, frames)
