"""Match the last seconds of a stream: every second, find the passages of an index that are like them.

recent = Recent(index, tokenizer, sample_rate=44100)
for samples in microphone:
    for answer in recent.push(samples):
        print(answer.end, answer.hits)
"""

from dataclasses import dataclass

import numpy as np

from wav2tok.errors import UserError
from wav2tok.search.answers import Hit
from wav2tok.search.index import Index
from wav2tok.search.query import sound
from wav2tok.tokenizer.tokenizer import Tokenizer

SECONDS = 5.0
"""Of sound that is looked for, by default."""
FIRST_SECONDS, EVERY_SECONDS = 3.0, 1.0
"""When the index is asked for the first time, and how often after that."""
EXPECTED = 0.1
"""Passages as near that chance may bring, by default."""


@dataclass(frozen=True)
class Answer:
    """The passages like a part of the stream.

    Attributes:
        start, end: of the part, in seconds from the beginning of the stream.
        hits: best first; at least one.
    """

    start: float
    end: float
    hits: list[Hit]


class Recent:
    """Asks an index for the last seconds of a growing recording, in constant memory.

    The answers are those that the index gives for a file of these seconds. How the samples are cut into pieces changes
    nothing.
    """

    def __init__(
        self,
        index: Index,
        tokenizer: Tokenizer,
        sample_rate: int,
        seconds: float = SECONDS,
        top: int = 1,
        expected: float = EXPECTED,
    ) -> None:
        """Begin to listen.

        Args:
            sample_rate: Hz, of the samples.
            seconds: of sound that is looked for: at first what there is.
            top: maximum number of passages in an answer.
            expected: passages as near that chance may bring; those of which it would bring more are left out.

        Raises:
            UserError: another tokenizer made the index, or a number is too small.
        """
        index.require(tokenizer)
        for name, value, least in (("seconds", seconds, FIRST_SECONDS), ("top", top, 1), ("expected", expected, 0)):
            if not value >= least:
                raise UserError(f"{name} is {value:g}; it must be at least {least:g}.", name)
        self._index, self._tokenizer, self._rate, self._top, self._expected = (
            index,
            tokenizer,
            sample_rate,
            top,
            expected,
        )
        self._heard, self._next = 0, round(FIRST_SECONDS * sample_rate)
        self._last: np.ndarray = np.zeros(round(seconds * sample_rate), dtype=np.float32)

    def push(self, samples: np.ndarray) -> list[Answer]:
        """Hear more samples, float32 [n]; the answers that are due. Silence has none, nor what is like nothing."""
        out = []
        while len(samples):
            part, samples = np.split(samples, [self._next - self._heard])
            self._last = np.concatenate([self._last, part])[-len(self._last) :]
            self._heard += len(part)
            if self._heard == self._next:
                self._next += round(EVERY_SECONDS * self._rate)
                out += self._ask(self._last[-min(self._heard, len(self._last)) :])
        return out

    def _ask(self, part: np.ndarray) -> list[Answer]:
        if not np.abs(part).max() > 0:
            return []
        query = part[sound(part, self._rate, "the sound")]
        (tokens,) = self._tokenizer.encode([query], self._rate)
        try:
            found = self._index.spot(tokens, self._top)
        except UserError:  # so few tokens that chance would bring them: no query yet
            return []
        hits = [hit for hit in found if hit.expected_by_chance <= self._expected]
        end = self._heard / self._rate
        return [Answer(round(end - len(part) / self._rate, 3), round(end, 3), hits)] if hits else []
