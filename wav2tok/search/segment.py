"""A segment: an immutable part of an index that holds up to 65,536 recordings.

Besides their token strings it has the postings by which they are found, and when each token begins. On disk and in
memory it is one buffer of arrays (`wav2tok.search.container`), of D recordings with T tokens:

| array | | |
|---|---|---|
| tokens | U8, or U16 from 257 tokens on [T] | the token strings, end to end |
| ends | U32 [D + 1] | where each string ends, from 0 |
| holds | U8 [T] | frames from the beginning of the token before to that of each; 255: in ``long`` |
| long_at, long | U32 [E] | which tokens come after 255 frames or more, and after how many |
| seconds | U32 [D] | lengths, in tenths of milliseconds |
| keys, key_of | U64, U16 [D] | digests of the recordings' real paths, ascending, and whose each is |
| stamps | U32 [D] | digests of the files' sizes and times of change; 0: unknown |
| paths, path_ends | U8, U32 | the paths, ``PATHS`` at a time, each with a NUL after it, compressed by zlib |
| counts | U32 [K] | how often each token occurs |
| directory, items | U32, U16 | `wav2tok.matching.candidates.Postings` |
"""

import mmap
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from wav2tok.errors import UserError
from wav2tok.matching import Tokenized, as_text
from wav2tok.matching.candidates import MAX_UNITS, PIECE, Postings, units_of
from wav2tok.search import container

PATHS = 64
_FORMAT = "wav2tok segment 2"
_LONG = 255
_TICK = 1e-4
_ARRAYS = {
    *("tokens", "ends", "holds", "long_at", "long", "seconds", "keys", "key_of", "stamps", "paths", "path_ends"),
    *("counts", "directory", "items"),
}


Text = bytes | str
"""A token string as rapidfuzz takes it."""


def text(tokens: np.ndarray, num_tokens: int) -> Text:
    """A token string, int [L], as the texts of segments are: bytes where a token has one, which are there already."""
    return tokens.astype(np.uint8).tobytes() if num_tokens <= 256 else as_text(tokens)


@dataclass(frozen=True)
class Entry:
    """A recording to index.

    Attributes:
        recording: its token string, and its path as it is shown.
        key: a digest of its real path.
        stamp: a digest of the file's size and time of change; 0 if unknown.
    """

    recording: Tokenized
    key: int
    stamp: int = 0


@dataclass(frozen=True)
class Rows:
    """What a segment says of D recordings with T tokens; the rest follows from it.

    Attributes:
        tokens: int [T], the strings end to end.
        lengths: int64 [D], of the strings.
        held: int [T], frames from the beginning of the token before to that of each; of a first token, from 0.
        ticks: int [D], the lengths in tenths of milliseconds.
        keys, stamps: int [D].
        names: the D paths, as bytes with a NUL at the end.
    """

    tokens: np.ndarray
    lengths: np.ndarray
    held: np.ndarray
    ticks: np.ndarray
    keys: np.ndarray
    stamps: np.ndarray
    names: list[bytes]

    @classmethod
    def of(cls, entries: Sequence[Entry]) -> "Rows":
        """The rows of new recordings."""
        recordings = [entry.recording for entry in entries]
        lengths = np.array([len(one.tokens) for one in recordings], dtype=np.int64)
        starts = np.concatenate([np.zeros(0, np.int64), *[one.starts for one in recordings]])
        held = np.diff(starts, prepend=0)
        firsts = (np.cumsum(lengths) - lengths)[lengths > 0]
        held[firsts] = starts[firsts]
        return cls(
            np.concatenate([np.zeros(0, np.int64), *[one.tokens for one in recordings]]),
            lengths,
            held,
            np.rint(np.array([one.seconds for one in recordings]) / _TICK).astype(np.int64),
            np.array([entry.key for entry in entries], dtype=np.uint64),
            np.array([entry.stamp for entry in entries], dtype=np.int64),
            [one.path.encode("utf-8", "surrogateescape") + b"\0" for one in recordings],
        )

    @classmethod
    def joined(cls, parts: Sequence["Rows"]) -> "Rows":
        """The rows of several, one after the other."""
        columns = ("tokens", "lengths", "held", "ticks", "keys", "stamps")
        arrays = {name: np.concatenate([getattr(part, name) for part in parts]) for name in columns}
        return cls(**arrays, names=[name for part in parts for name in part.names])


def pack(rows: Rows, num_tokens: int) -> bytes:
    """The bytes of a segment.

    Args:
        rows: of at most `wav2tok.matching.candidates.MAX_UNITS` units.
        num_tokens: size of the codebook, which tokens must be below.
    """
    long_at = np.flatnonzero(rows.held >= _LONG)
    key_of = np.argsort(rows.keys, kind="stable")
    blocks = [zlib.compress(b"".join(rows.names[i : i + PATHS]), 6) for i in range(0, len(rows.names), PATHS)]
    postings = Postings.build(rows.tokens, rows.lengths, num_tokens)
    arrays = {
        "tokens": rows.tokens.astype(np.uint8 if num_tokens <= 256 else np.uint16),
        "ends": np.concatenate(([0], np.cumsum(rows.lengths))).astype(np.uint32),
        "holds": np.minimum(rows.held, _LONG).astype(np.uint8),
        "long_at": long_at.astype(np.uint32),
        "long": rows.held[long_at].astype(np.uint32),
        "seconds": rows.ticks.astype(np.uint32),
        "keys": rows.keys[key_of].astype(np.uint64),
        "key_of": key_of.astype(np.uint16),
        "stamps": rows.stamps.astype(np.uint32),
        "paths": np.frombuffer(b"".join(blocks), np.uint8),
        "path_ends": np.cumsum([0, *map(len, blocks)]).astype(np.uint32),
        "counts": np.bincount(rows.tokens, minlength=num_tokens).astype(np.uint32),
        "directory": postings.directory,
        "items": postings.items,
    }
    return container.pack(arrays, {"format": _FORMAT})


class Segment:
    """A segment that is read.

    Attributes:
        tokens, ends, counts, keys, stamps: as in the module's table.
        postings: its seeds.
        documents: number of recordings.
    """

    def __init__(self, buffer: bytes | mmap.mmap) -> None:
        """Read the header.

        Raises:
            ValueError: the buffer holds no segment, or part of one.
        """
        arrays, facts = container.unpack(buffer)
        if not arrays.keys() >= _ARRAYS or facts.get("format") != _FORMAT:
            raise ValueError("not a segment of this release")
        self._arrays = arrays
        self.tokens, self.ends = arrays["tokens"], arrays["ends"]
        self.counts, self.keys, self.stamps = arrays["counts"], arrays["keys"], arrays["stamps"]
        self.documents = len(self.ends) - 1
        # What is read by these places must lie within the arrays: the file may be a stranger's.
        for ends, last in ((self.ends, len(self.tokens)), (arrays["path_ends"], len(arrays["paths"]))):
            if not len(ends) or ends[0] or ends[-1] != last or (ends[1:] < ends[:-1]).any():
                raise ValueError("places out of order")
        each = (arrays["seconds"], self.keys, self.stamps, arrays["key_of"])
        if any(len(one) != self.documents for one in each) or len(arrays["holds"]) != len(self.tokens):
            raise ValueError("arrays of other lengths")
        if self.documents and int(arrays["key_of"].max()) >= self.documents:
            raise ValueError("a recording that is not there")
        if isinstance(buffer, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
            # What was checked leaves this process's memory, and stays in the system's cache until it is needed.
            buffer.madvise(mmap.MADV_DONTNEED)

    @cached_property
    def lengths(self) -> np.ndarray:
        """Tokens of each recording, int64 [D]."""
        return np.diff(self.ends).astype(np.int64)

    @cached_property
    def units(self) -> np.ndarray:
        """Where the units of each recording end, int64 [D + 1], from 0."""
        return np.concatenate(([0], np.cumsum(units_of(self.lengths))))

    @cached_property
    def postings(self) -> Postings:
        """Which units have which seeds."""
        return Postings(self._arrays["directory"], self._arrays["items"], int(self.units[-1]))

    @cached_property
    def strings(self) -> list[Text]:
        """All token strings as rapidfuzz takes them, for a scan; several times the memory of the tokens."""
        return self.texts(np.arange(self.documents))

    def texts(self, documents: np.ndarray) -> list[Text]:
        """The token strings of some recordings, int [C], as `text` writes them."""
        spans = zip(self.ends[documents].tolist(), self.ends[documents + 1].tolist(), strict=True)
        if self.tokens.dtype == np.uint8:
            view = self.tokens.data  # a slice of it is quicker than one of an array
            return [view[begin:end].tobytes() for begin, end in spans]
        return [as_text(self.tokens[begin:end]) for begin, end in spans]

    def string(self, document: int) -> np.ndarray:
        """The token string of a recording, int64 [L]."""
        return self.tokens[self.ends[document] : self.ends[document + 1]].astype(np.int64)

    def starts(self, document: int) -> np.ndarray:
        """The frame where each token of a recording begins, int64 [L]."""
        first, last = self.ends[document : document + 2]
        held = self._arrays["holds"][first:last].astype(np.int64)
        which = slice(*np.searchsorted(self._arrays["long_at"], [first, last]))
        held[self._arrays["long_at"][which].astype(np.int64) - int(first)] = self._arrays["long"][which]
        return np.cumsum(held)

    def seconds(self, document: int) -> float:
        """The length of a recording."""
        return round(int(self._arrays["seconds"][document]) * _TICK, 4)

    def path(self, document: int) -> str:
        """The path of a recording, as it was indexed."""
        return self._names(document // PATHS).split(b"\0")[document % PATHS].decode("utf-8", "surrogateescape")

    def names(self) -> list[bytes]:
        """The paths of all recordings, as bytes."""
        blocks = range(len(self._arrays["path_ends"]) - 1)
        return [name for block in blocks for name in self._names(block).split(b"\0")[:-1]]

    def _names(self, block: int) -> bytes:
        begin, end = self._arrays["path_ends"][block : block + 2]
        return zlib.decompress(self._arrays["paths"][begin:end].tobytes())

    def recording(self, document: int) -> Tokenized:
        """A recording as it was indexed."""
        return Tokenized(self.path(document), self.seconds(document), self.string(document), self.starts(document))

    def rows(self, dead: np.ndarray) -> Rows:
        """All rows but those of the ``dead`` recordings, int [N]."""
        alive = np.ones(self.documents, dtype=bool)
        alive[dead] = False
        mask = np.repeat(alive, self.lengths)
        held = self._arrays["holds"].astype(np.uint32)
        held[self._arrays["long_at"]] = self._arrays["long"]
        keys = np.empty(self.documents, dtype=np.uint64)
        keys[self._arrays["key_of"]] = self.keys
        return Rows(
            self.tokens[mask],
            self.lengths[alive],
            held[mask],
            self._arrays["seconds"][alive],
            keys[alive],
            self.stamps[alive],
            [name + b"\0" for name, lives in zip(self.names(), alive.tolist(), strict=True) if lives],
        )

    def find(self, keys: np.ndarray) -> np.ndarray:
        """Which recording has each key, uint64 [N] -> int64 [N], -1 for none."""
        at = np.minimum(np.searchsorted(self.keys, keys), max(self.documents - 1, 0))
        if not self.documents:
            return np.full(len(keys), -1, dtype=np.int64)
        return np.where(self.keys[at] == keys, self._arrays["key_of"][at].astype(np.int64), -1)

    def document_of(self, units: np.ndarray) -> np.ndarray:
        """The recording that each unit, int [N], is of."""
        return np.searchsorted(self.units, units, side="right") - 1


def cut(entries: Sequence[Entry]) -> list[Sequence[Entry]]:
    """Entries in parts that a segment has room for.

    Raises:
        UserError: a recording alone needs more room.
    """
    counts = units_of(np.array([len(entry.recording.tokens) for entry in entries], dtype=np.int64))
    if len(counts) and counts.max() > MAX_UNITS:
        longest = entries[int(counts.argmax())].recording
        raise UserError(
            f"{longest.path} has {len(longest.tokens)} tokens, more than the {MAX_UNITS * PIECE} that an index "
            "holds of one recording; cut it into parts."
        )
    units = np.cumsum(counts)
    parts: list[Sequence[Entry]] = []
    first = 0
    while first < len(entries):
        before = int(units[first - 1]) if first else 0
        last = int(np.searchsorted(units, before + MAX_UNITS, side="right"))
        parts.append(entries[first:last])
        first = last
    return parts
