"""Candidates: the stretches of a large database that share telling seeds with a query.

An exact comparison with a million strings takes a second, one with a thousand of them a millisecond. `Postings` say
which thousand. The database is cut into units: a short string is one, a long one is several pieces of `PIECE` tokens. A
unit's votes are the weights of the seeds that it shares with the query, each seed once, ``ln((U + 1) / (n + .5))`` if
``n`` of the ``U`` units have it: what many share says little. That is BM25 with ``k1 = 0``.

A seed is a few tokens in a fixed pattern: neighbours, and the same with one token skipped, which an edit in between
leaves alone (Ma, Tromp and Li, PatternHunter, 2002). Among 200,000 strings of 20 to 80 Zipf tokens, each with nine
relatives at 60 % edits from each other, and queries with 30 % edits, the best 500 units hold this share of the ten
nearest strings: pairs of neighbours and pairs with a gap .994, pairs and triples of neighbours .992 (with a third more
postings), triples alone .965.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

PIECE = 64
"""Tokens in a unit of a long string."""
WHOLE = 2 * PIECE
"""The longest string that is one unit, in tokens."""
MAX_UNITS = 1 << 16
"""Units in one `Postings`, so that each is named by two bytes."""
# A seed that more than this share of the units has is not kept: it tells little, and such seeds would fill the disk.
# (In benchmarks/search.md 1 in 128 instead loses .005 of recall, and 1 in 64 needs .25 bytes a token more.)
_COMMON = 1 / 96
_ALWAYS_KEPT = 64
# Tokens for each bucket of the directory; fewer when each seed that is possible has its own.
_LOAD = 16
# A query reads its rarest seeds first, and stops before it has read more postings: the rest weigh little and cost most.
_READ = 50_000
# Weights are whole numbers, so that a unit and a weight are one number to sort by: of 32 bits in up to 64 parts.
WEIGHT_UNIT = 64.0
_WEIGHT_BITS = 10
_ODD = np.uint64(0x9E3779B97F4A7C15)


def shapes(num_tokens: int) -> tuple[tuple[int, ...], ...]:
    """The places of a seed's tokens, for a codebook of ``num_tokens``: the fewer tokens, the longer the seeds.

    >>> shapes(256), shapes(64)
    (((0, 1), (0, 2)), ((0, 1, 2), (0, 2, 3)))
    """
    length = max(2, math.ceil(13 / math.log2(max(num_tokens, 2))))
    return tuple(range(length)), (0, *range(2, length + 1))


def seeds(flat: np.ndarray, owner: np.ndarray, num_tokens: int) -> tuple[np.ndarray, np.ndarray]:
    """All seeds that lie within one owner.

    Args:
        flat: int [T], strings end to end.
        owner: int [T], ascending: the string that each token belongs to.

    Returns:
        (the number of each seed among all that are possible, uint64 [S]; the place of its first token, int64 [S]).
    """
    tokens = flat.astype(np.uint64)
    numbers, places = [], []
    for number, shape in enumerate(shapes(num_tokens)):
        count = max(len(flat) - shape[-1], 0)
        running = np.full(count, number, dtype=np.uint64)
        for offset in shape:
            running = running * np.uint64(num_tokens) + tokens[offset : offset + count]
        inside = np.flatnonzero(owner[:count] == owner[shape[-1] : shape[-1] + count])
        numbers.append(running[inside])
        places.append(inside)
    return np.concatenate(numbers), np.concatenate(places)


def buckets(numbers: np.ndarray, count: int, num_tokens: int) -> np.ndarray:
    """The bucket of each seed, uint64 [S] -> int64 [S] below ``count``: its own where there is one for each seed."""
    if count >= _possible(num_tokens):
        return numbers.astype(np.int64)
    hashes = (numbers + np.uint64(1)) * _ODD
    hashes = (hashes ^ (hashes >> np.uint64(29))) * _ODD
    return (hashes >> np.uint64(64 - (count - 1).bit_length())).astype(np.int64)


def _possible(num_tokens: int) -> int:
    every = shapes(num_tokens)
    return len(every) * num_tokens ** len(every[0])


def units_of(lengths: np.ndarray) -> np.ndarray:
    """How many units strings of these lengths are cut into, int64 [D], at least 1 each."""
    return np.where(lengths <= WHOLE, 1, -(-lengths // PIECE)).astype(np.int64)


def unit_of_tokens(lengths: np.ndarray) -> np.ndarray:
    """The unit of each token of strings of these lengths, int64 [sum of lengths]."""
    per_string = units_of(lengths)
    first = np.cumsum(per_string) - per_string
    within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return np.repeat(first, lengths) + np.where(np.repeat(per_string, lengths) > 1, within // PIECE, 0)


@dataclass(frozen=True)
class Postings:
    """Which units have which seeds.

    Attributes:
        directory: uint32 [B + 1]: where the units of each bucket (`buckets`) end in ``items``, from 0. B is the number
            of possible seeds, or a power of two below it.
        items: uint16 [P], the units of each bucket, ascending, each once.
        units: how many units there are.
    """

    directory: np.ndarray
    items: np.ndarray
    units: int

    @classmethod
    def build(cls, flat: np.ndarray, lengths: np.ndarray, num_tokens: int) -> "Postings":
        """Postings of strings of these lengths, which stand end to end in ``flat``; at most `MAX_UNITS` units."""
        count = min(1 << max(8, math.ceil(math.log2(max(len(flat), 1) / _LOAD + 1))), _possible(num_tokens))
        units = int(units_of(lengths).sum())
        unit = unit_of_tokens(lengths)
        # A seed across two pieces of a string belongs to the first.
        numbers, places = seeds(flat, np.repeat(np.arange(len(lengths)), lengths), num_tokens)
        keys = buckets(numbers, count, num_tokens).astype(np.uint64) << np.uint64(16) | unit[places].astype(np.uint64)
        keys.sort()
        new = np.ones(len(keys), dtype=bool)  # a bucket counts once in a unit
        new[1:] = keys[1:] != keys[:-1]
        keys = keys[new]
        bucket = (keys >> np.uint64(16)).astype(np.int64)
        counts = np.bincount(bucket, minlength=count)
        common = counts > max(_ALWAYS_KEPT, units * _COMMON)
        items = keys[~common[bucket]].astype(np.uint16)
        counts[common] = 0
        directory = np.concatenate(([0], np.cumsum(counts))).astype(np.uint32)
        return cls(directory, items, units)

    def spans(self, numbers: np.ndarray, num_tokens: int) -> tuple[np.ndarray, np.ndarray]:
        """Where the units of each seed, uint64 [S], begin in ``items``, and how many there are, int64 [S] each."""
        bucket = buckets(numbers, len(self.directory) - 1, num_tokens)
        start = self.directory[bucket].astype(np.int64)
        return start, self.directory[bucket + 1] - start


def vote(query: np.ndarray, parts: Sequence[Postings], num_tokens: int) -> tuple[np.ndarray, np.ndarray]:
    """The units that share a seed with a query.

    Args:
        query: int [L].
        parts: the postings of the database, part by part.

    Returns:
        (units, ascending, each ``part * MAX_UNITS + unit within the part``; their votes), int64 [C] each.
    """
    none = np.zeros(0, dtype=np.int64)
    numbers = np.unique(seeds(query, np.zeros(len(query), dtype=np.int64), num_tokens)[0])
    if not len(numbers) or not parts:
        return none, none
    starts, counts = np.array([part.spans(numbers, num_tokens) for part in parts]).transpose(1, 0, 2)  # [parts, S] each
    frequency = counts.sum(axis=0)
    order = np.argsort(frequency, kind="stable")
    order = order[frequency[order] > 0]
    kept = order[: max(1, int(np.searchsorted(np.cumsum(frequency[order]), _READ, side="right")))]
    if not len(kept):
        return none, none
    rarity = np.log((sum(part.units for part in parts) + 1) / (frequency[kept] + 0.5))
    weights = np.clip(np.rint(WEIGHT_UNIT * rarity), 1, (1 << _WEIGHT_BITS) - 1)
    # The places of all items to read, span after span.
    lengths = counts[:, kept].ravel()
    ends = np.cumsum(lengths)
    at = np.arange(ends[-1]) + np.repeat(starts[:, kept].ravel() - ends + lengths, lengths)
    kind: type = np.uint32 if len(parts) * MAX_UNITS << _WEIGHT_BITS <= 1 << 32 else np.uint64
    first = np.arange(len(parts), dtype=kind)[:, None] * kind(MAX_UNITS << _WEIGHT_BITS)
    keys = np.repeat((first + weights.astype(kind)).ravel(), lengths)
    bounds = [0, *ends[len(kept) - 1 :: len(kept)].tolist()]
    for part, (begin, end) in zip(parts, pairwise(bounds), strict=True):
        keys[begin:end] += part.items[at[begin:end]].astype(kind) << kind(_WEIGHT_BITS)
    keys.sort()
    units = keys >> kind(_WEIGHT_BITS)
    lasts = np.flatnonzero(np.append(units[1:] != units[:-1], True))
    totals = np.cumsum(keys & kind((1 << _WEIGHT_BITS) - 1), dtype=np.int64)[lasts]
    totals[1:] -= totals[:-1]
    return units[lasts].astype(np.int64), totals


def best(scores: np.ndarray, count: int) -> np.ndarray:
    """The places of the ``count`` greatest scores above 0, [D] -> int64 [C], ascending; of equal scores, the first."""
    if count >= len(scores):
        return np.flatnonzero(scores > 0)
    least = np.partition(scores, len(scores) - count)[len(scores) - count]
    if least <= 0:
        return np.flatnonzero(scores > 0)
    above, equal = np.flatnonzero(scores > least), np.flatnonzero(scores == least)
    return np.sort(np.concatenate([above, equal[: count - len(above)]]))
