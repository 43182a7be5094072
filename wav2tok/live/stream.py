"""Tokens of a recording that is still growing, with a bounded delay.

stream = TokenStream(tokenizer, sample_rate=44100)
for samples in microphone:
    for token in stream.push(samples):
        print(token)
print(stream.close())

A model normalises a recording by its loudest band and the mean of its features, which nobody knows of a recording that
goes on. So every window of the stream is normalised by itself: its tokens are those of the same window cut from a file.
"""

import math
from dataclasses import dataclass

import numpy as np
import soxr

from wav2tok.audio.windows import Cutter, Window
from wav2tok.errors import UserError
from wav2tok.tokenizer.tokenizer import Tokenizer

WINDOW_SECONDS = 4.0
"""Sound that a window is normalised by. A model that reads tiles has windows of one tile, as in its training."""
CORE_SECONDS = 0.25
"""From one window to the next."""
AFTER_SECONDS = 0.6
"""Sound after a token that is waited for at most. Linear encoders need no more; recurrent ones read on without end."""


@dataclass(frozen=True)
class Token:
    """A token that has ended.

    Attributes:
        token: its number in the codebook.
        start, end: seconds from the beginning of the stream.
    """

    token: int
    start: float
    end: float


class StepStream:
    """One token per step of a growing recording.

    How the samples are cut into pieces changes nothing. The tokens of a window are those that
    `Tokenizer.encode_frames` gives for the same samples.

    Attributes:
        before, core, after: steps of a window: those that it shares with earlier ones, its own, and those after them.
        delay: seconds between a sound and its token at most, without the time to compute it.
        steps: how many were returned.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        sample_rate: int | None = None,
        window: float = WINDOW_SECONDS,
        statistics: np.ndarray | None = None,
    ) -> None:
        """Begin a stream.

        Args:
            sample_rate: Hz, of the samples; by default the tokenizer's.
            window: seconds that are normalised together. To look for something, the length of that is best.
            statistics: `Tokenizer.statistics` of a recording, in place of each window's own. The tokens of that
                recording are then those of `Tokenizer.encode_frames`, if the encoder depends on no more than
                ``after`` steps, as a linear one does.

        Raises:
            UserError: ``sample_rate`` or ``window`` is not positive.
        """
        rate = tokenizer.sample_rate if sample_rate is None else sample_rate
        for name, value in (("rate", rate), ("window", window)):
            if not value > 0:
                raise UserError(f"{name} is {value:g}; it must be greater than 0.", name)
        self.tokenizer, self._statistics = tokenizer, statistics
        about, seconds = tokenizer.metadata, tokenizer.frame_seconds
        self.core = max(1, round(CORE_SECONDS / seconds))
        self.after = min(tokenizer.margin, math.ceil(AFTER_SECONDS / seconds))
        whole = round(window / seconds) if about.tile is None else about.tile // about.stack
        self.before = max(self.after, whole - self.core - self.after)
        self.delay = (self.core + self.after) * seconds
        self.steps = 0
        self._cutter = Cutter(tokenizer.step, self.core, self.before, self.after)
        self._resampler = None
        if rate != tokenizer.sample_rate:
            self._resampler = soxr.ResampleStream(rate, tokenizer.sample_rate, 1, dtype="float32")

    def push(self, samples: np.ndarray) -> np.ndarray:
        """Hear more samples, float [n] of any length: the tokens of the steps that are now certain, int64 [T].

        Raises:
            UserError: a sample is not a finite number.
        """
        return self._encoded(self._cutter.push(self._converted(samples)))

    def close(self) -> np.ndarray:
        """End the stream: the tokens that are left, int64 [T]; none of a stream without sound."""
        rest = self._encoded(self._cutter.push(self._converted(np.zeros(0, dtype=np.float32), last=True)))
        if not self._cutter.samples:
            return rest
        return np.concatenate([rest, self._encoded([self._cutter.end()])])

    def _converted(self, samples: np.ndarray, last: bool = False) -> np.ndarray:
        samples = np.asarray(samples, dtype=np.float32)
        if not np.isfinite(samples).all():
            raise UserError("the sound holds samples that are not finite numbers; check its encoding.")
        return samples if self._resampler is None else self._resampler.resample_chunk(samples, last=last)

    def _encoded(self, windows: list[Window]) -> np.ndarray:
        found = [np.zeros(0, dtype=np.int64)]
        for window in windows:
            tokens = self.tokenizer.encode_window(window.waveform, self._statistics)
            found.append(tokens[window.skip : window.skip + window.keep])
            self.steps += window.keep
        return np.concatenate(found)


class TokenStream:
    """The token string of a growing recording, without repeats.

    Attributes:
        steps: what hears the sound; its ``delay`` is how long after its end a token is returned at most.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        sample_rate: int | None = None,
        window: float = WINDOW_SECONDS,
        statistics: np.ndarray | None = None,
    ) -> None:
        """Begin a stream; the arguments are those of `StepStream`."""
        self.steps = StepStream(tokenizer, sample_rate, window, statistics)
        self._token, self._start = -1, 0

    def push(self, samples: np.ndarray) -> list[Token]:
        """Hear more samples, float [n] of any length: the tokens that have ended."""
        begin = self.steps.steps
        return self._ended(begin, self.steps.push(samples))

    def close(self) -> list[Token]:
        """End the stream: the tokens that are left."""
        begin = self.steps.steps
        out = self._ended(begin, self.steps.close())
        return [*out, self._until(self.steps.steps)] if self._token >= 0 else out

    def _ended(self, begin: int, tokens: np.ndarray) -> list[Token]:
        out = []
        for step, token in enumerate(tokens.tolist(), begin):
            if token != self._token:
                if self._token >= 0:
                    out.append(self._until(step))
                self._token, self._start = token, step
        return out

    def _until(self, step: int) -> Token:
        """The present token, if it ends before a step."""
        seconds = self.steps.tokenizer.frame_seconds
        return Token(self._token, round(self._start * seconds, 3), round(step * seconds, 3))
