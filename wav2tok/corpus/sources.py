"""Which recordings contain the same audio: copies, and windows that overlap. They are of one source.

A model that heard one of them in training has heard a part of the other, so a split keeps a source in one part.

Candidates are recordings with several landmarks (`wav2tok.corpus.landmarks`) in common at one distance in time. A
landmark is compared with the next few of its kind, so the work grows with the number of recordings and not with its
square. Then the waveforms decide: at one shift, almost all of the shared stretch must agree, a quarter of a second at a
time. The level does not matter, and noise does not if it is some 10 dB below the recording. Of those, copies are as
long and begin at the same time: the same recording, perhaps in another encoding.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from wav2tok.audio import decode
from wav2tok.corpus.landmarks import HOP, RATE, Landmarks, landmarks
from wav2tok.progress import track

_NEXT = 8
"""With how many of its kind a landmark is compared: a kind that occurs more often says little."""
_VOTES = 3
"""Landmarks in common that make two recordings candidates."""
_ROUGH = 4
"""Frames within which distances in time count as equal."""
_SHIFTS = 1 << 22
"""More than there are rough distances in time: 74 hours of them."""
_TRIES = 4
"""Candidates that are refused for every recording before the search ends, on average."""
_CHECK_RATE = 16000
"""Hz at which waveforms are compared."""
_STRETCH, _PIECE = 4.0, 0.25
"""Seconds of the shared stretch that are compared at most, and of a piece of it."""
_LEAST = 0.5
"""Seconds that must be the same, or four fifths of a shorter recording."""
_WHOLE = 0.93
"""The least correlation of the whole stretch: noise 8 dB below. Two takes of a short word by one voice reach .9."""
_AGREE, _SHARE = 0.5, 0.75
"""The least correlation of two pieces that are the same, and the least share of such pieces: no common signal."""
_COPY = 0.15
"""Seconds by which a copy may begin or end earlier or later: encoders add some."""
_QUIET = 1e-4
"""Pieces of less than this share of the loudest piece's power are not compared: 40 dB."""


class Candidate(NamedTuple):
    """Two recordings (by number) that may share audio: at ``frame`` of the first and ``frame - shift`` of the second.

    ``votes`` landmarks say so.
    """

    first: int
    second: int
    frame: int
    shift: float
    votes: int


class Components:
    """Which of n items hang together."""

    def __init__(self, count: int) -> None:
        self._parents = list(range(count))

    def of(self, item: int) -> int:
        """The first item of the component of ``item``."""
        while self._parents[item] != item:
            self._parents[item] = self._parents[self._parents[item]]
            item = self._parents[item]
        return item

    def join(self, one: int, other: int) -> None:
        """Put two items, and all that hang together with them, into one component."""
        first, second = sorted((self.of(one), self.of(other)))
        self._parents[second] = first

    def first(self) -> list[int | None]:
        """The first of what each item hangs together with; None for an item that is alone."""
        owners = [self.of(number) for number in range(len(self._parents))]
        sizes = np.bincount(owners, minlength=1)
        return [owner if sizes[owner] > 1 else None for owner in owners]


class Shared(NamedTuple):
    """Which recordings hang together: for each the number of the first of them, None for one that is alone."""

    sources: list[int | None]
    """Those that share audio."""
    copies: list[int | None]
    """Those that are the same recording, byte for byte or in another encoding."""


def find(paths: Sequence[Path], seconds: Sequence[float], digests: Sequence[str]) -> Shared:
    """Which recordings share audio, and which of these are copies.

    Args:
        paths: readable recordings.
        seconds: their lengths.
        digests: of their contents; equal files are of one source, however short.
    """
    together, copies = Components(len(paths)), Components(len(paths))
    first_of: dict[str, int] = {}
    for number, digest in enumerate(digests):
        together.join(first_of.setdefault(digest, number), number)
        copies.join(first_of[digest], number)
    with ThreadPoolExecutor(4) as pool:
        marks = list(track(pool.map(_landmarks, paths), "looking for shared audio", len(paths)))
    refused = 0
    for candidate in candidates(marks):
        one, other = candidate.first, candidate.second
        copy = _as_long(seconds, candidate)
        if (copies if copy else together).of(one) == (copies if copy else together).of(other):
            continue
        if same(paths, seconds, candidate):
            together.join(one, other)
            if copy:
                copies.join(one, other)
        elif (refused := refused + 1) > _TRIES * len(paths):
            break
    return Shared(together.first(), copies.first())


def _as_long(seconds: Sequence[float], candidate: Candidate) -> bool:
    """Whether two recordings would begin and end at the same time."""
    longer = abs(seconds[candidate.first] - seconds[candidate.second])
    return longer <= 2 * _COPY and abs(candidate.shift) * HOP / RATE <= _COPY


def _landmarks(path: Path) -> Landmarks:
    return landmarks(decode.blocks(path, RATE))


def candidates(marks: Sequence[Landmarks]) -> Iterator[Candidate]:
    """Pairs of recordings with landmarks in common, those with the most first."""
    kinds = np.concatenate([np.zeros(0, np.uint32), *(one.kinds for one in marks)])
    frames = np.concatenate([np.zeros(0, np.int32), *(one.frames for one in marks)])
    owners = np.repeat(np.arange(len(marks), dtype=np.int32), [len(one.kinds) for one in marks])
    order = np.argsort(kinds, kind="stable")  # within a kind, by recording
    kinds, frames, owners = kinds[order], frames[order], owners[order]
    # A key says which two recordings match and roughly at which distance in time.
    keys, firsts, steps = [np.zeros(0, np.int64)], [np.zeros(0, np.int32)], [np.zeros(0, np.int8)]
    for step in range(1, _NEXT + 1):
        match = np.flatnonzero((kinds[step:] == kinds[:-step]) & (owners[step:] != owners[:-step]))
        key = (owners[match].astype(np.int64) * len(marks) + owners[match + step]) * _SHIFTS
        keys.append(key + (frames[match] - frames[match + step]) // _ROUGH % _SHIFTS)
        firsts.append(match.astype(np.int32))
        steps.append(np.full(len(match), step, np.int8))
    key = np.concatenate(keys)
    # Almost all keys are chance and occur once. Only the others are looked at.
    ordered = np.sort(key)
    frequent = np.unique(ordered[_VOTES - 1 :][ordered[_VOTES - 1 :] == ordered[: 1 - _VOTES]])
    if not len(frequent):
        return
    known = frequent[np.minimum(np.searchsorted(frequent, key), len(frequent) - 1)] == key
    key, first = key[known], np.concatenate(firsts)[known]
    second = first + np.concatenate(steps)[known]
    order = np.lexsort((frames[first], key))
    first, second = first[order], second[order]
    starts = np.searchsorted(key[order], frequent)
    votes = np.diff(starts, append=len(order))
    for group in np.argsort(-votes, kind="stable"):
        one, other = (side[starts[group] : starts[group] + votes[group]] for side in (first, second))
        shift = float(np.mean(frames[one] - frames[other]))
        middle = int(frames[one[len(one) // 2]])
        yield Candidate(int(owners[one[0]]), int(owners[other[0]]), middle, shift, int(votes[group]))


def same(paths: Sequence[Path], seconds: Sequence[float], candidate: Candidate) -> bool:
    """Whether two recordings do share audio where a candidate says so, by their waveforms."""
    one, other = candidate.first, candidate.second
    shift, middle = candidate.shift * HOP / RATE, candidate.frame * HOP / RATE
    slack = _ROUGH * HOP / RATE
    # In seconds of the first recording: where both have sound, and at most `_STRETCH` of it around the landmarks.
    start, stop = max(0.0, shift), min(seconds[one], seconds[other] + shift)
    length = min(_STRETCH, stop - start)
    start = min(max(start, middle - length / 2), stop - length)
    if length < min(_LEAST, 0.8 * min(seconds[one], seconds[other])):
        return False
    a = _part(paths[one], start, start + length)
    b = _part(paths[other], start - shift - slack, start - shift + length + slack)
    return agree(a, b, round(_CHECK_RATE * _PIECE))


def _part(path: Path, start: float, stop: float) -> np.ndarray:
    """A part of a recording, float32 [n] at `_CHECK_RATE`; outside the recording there is silence."""
    low, high = round(start * _CHECK_RATE), round(stop * _CHECK_RATE)
    part, at = np.zeros(max(0, high - low), np.float32), 0
    for block in decode.blocks(path, _CHECK_RATE):
        first, last = max(low, at), min(high, at + len(block))
        if first < last:
            part[first - low : last - low] = block[first - at : last - at]
        at += len(block)
        if at >= high:
            break
    return part


def agree(wave: np.ndarray, around: np.ndarray, piece: int) -> bool:
    """Whether ``wave`` (float32 [n]) is in ``around`` (float32 [m], m >= n) at one place, whatever the levels are.

    Args:
        piece: the samples of a piece. The whole must correlate, and so must three of four pieces that are not silent.
    """
    from scipy import fft

    count = max(1, len(wave) // piece)
    wave = wave[: count * piece]
    # What wraps around is outside of the places that are compared. float32 is enough to find the place.
    size = fft.next_fast_len(len(around), real=True)
    products = fft.irfft(fft.rfft(around, size) * fft.rfft(wave, size).conj(), size)
    products = products[: len(around) - len(wave) + 1]
    sums = np.concatenate([[0.0], np.cumsum(np.square(around, dtype=np.float64))])
    power = sums[len(wave) :] - sums[: -len(wave)]
    place = int(np.argmax(np.abs(products) / np.sqrt(np.maximum(power, 1e-12))))
    wave, there = (x.astype(np.float64) for x in (wave, around[place : place + len(wave)]))
    a, b = (np.array_split(x, count) for x in (wave, there))
    own, theirs, shared = (
        np.array([(x * y).sum() for x, y in zip(p, q, strict=True)]) for p, q in ((a, a), (b, b), (a, b))
    )
    sounding = (own > _QUIET * own.max()) | (theirs > _QUIET * theirs.max())
    if not sounding.any() or not own.max() or not theirs.max():
        return False
    if abs(shared.sum()) < _WHOLE * np.sqrt(own.sum() * theirs.sum()):
        return False
    correlation = np.abs(shared) / np.sqrt(np.maximum(own * theirs, 1e-30))
    return float(np.mean(correlation[sounding] >= _AGREE)) >= _SHARE


def joined(groups: Sequence[str], sources: Sequence[str], named: Sequence[bool]) -> tuple[str, ...]:
    """The groups of recordings, those that share a source joined into one.

    Args:
        groups: the group of each recording.
        sources: its source; empty where it shares audio with none.
        named: whether its group was really named. Where not (a file name without ``_``), the source is its group.
    """
    keys = [
        (f"group {group}" if name or not source else f"source {source}", f"source {source}" if source else "")
        for group, source, name in zip(groups, sources, named, strict=True)
    ]
    numbers = {key: number for number, key in enumerate(sorted({key for pair in keys for key in pair if key}))}
    together = Components(len(numbers))
    for one, other in keys:
        if other:
            together.join(numbers[one], numbers[other])
    members: dict[int, list[str]] = {}
    for key, number in numbers.items():
        members.setdefault(together.of(number), []).append(key)
    names = {number: _name(keys) for number, keys in members.items()}
    return tuple(names[together.of(numbers[one])] for one, _ in keys)


def _name(keys: Sequence[str]) -> str:
    """The name of a joined group: those of its groups, and without any the name of its first source."""
    groups = [key.removeprefix("group ") for key in keys if key.startswith("group ")]
    if not groups:
        return min(keys).removeprefix("source ")
    return "+".join(groups[:3]) + (f"+{len(groups) - 3} more" if len(groups) > 3 else "")
