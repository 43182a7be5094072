"""The segments of an index, without what was removed: what is counted and sampled over all of them."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from wav2tok.matching.candidates import WHOLE
from wav2tok.matching.chance import Source
from wav2tok.search.segment import Segment, Text, text

_SAMPLE = 500
_SAMPLE_TOKENS = 20_000


class Collection:
    """Segments, without their dead recordings.

    Attributes:
        segments: in the order of the index.
        dead: the removed recordings of each, int64, ascending.
        num_tokens: size of the codebook.
        recordings, tokens: how many there are, without (recordings) and with (tokens) the dead.
    """

    def __init__(self, segments: Sequence[Segment], dead: Sequence[np.ndarray], num_tokens: int) -> None:
        self.segments, self.dead, self.num_tokens = list(segments), list(dead), num_tokens
        self.recordings = sum(one.documents for one in segments) - sum(map(len, dead))
        self.tokens = sum(len(one.tokens) for one in segments)

    @cached_property
    def counts(self) -> np.ndarray:
        """How often each token occurs, int64 [K]."""
        counts = np.zeros(self.num_tokens, dtype=np.int64)
        for one in self.segments:
            counts += one.counts
        return counts

    @cached_property
    def source(self) -> Source:
        """How tokens follow each other here."""
        return Source.of(self.counts, *self.stretches)

    def alive(self, segment: int) -> np.ndarray:
        """The recordings of a segment that were not removed, int64."""
        every = np.arange(self.segments[segment].documents)
        return np.delete(every, self.dead[segment]) if len(self.dead[segment]) else every

    @cached_property
    def sample(self) -> list[np.ndarray]:
        """Recordings from all over the collection, int64 [L] each."""
        step = max(1, -(-sum(one.documents for one in self.segments) // _SAMPLE))
        every = [one.string(document) for one in self.segments for document in range(0, one.documents, step)]
        return [string for string in every if len(string)]

    @cached_property
    def sample_texts(self) -> list[Text]:
        """`sample` as texts."""
        return [text(string, self.num_tokens) for string in self.sample]

    @cached_property
    def stretches(self) -> tuple[np.ndarray, np.ndarray]:
        """Stretches of at most `WHOLE` tokens from all over the collection: end to end, and their lengths."""
        share = max(1, -(-self.tokens // _SAMPLE_TOKENS))
        pieces = []
        for one in self.segments:
            for begin in range(0, len(one.tokens), share * WHOLE):
                document = int(np.searchsorted(one.ends, begin, side="right")) - 1
                pieces.append(one.tokens[begin : min(begin + WHOLE, int(one.ends[document + 1]))])
        lengths = np.array([len(piece) for piece in pieces], dtype=np.int64)
        return np.concatenate([np.zeros(0, np.int64), *pieces]), lengths
