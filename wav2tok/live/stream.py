"""Tokens of a recording that is still growing, with a bounded delay.

stream = TokenStream(tokenizer, sample_rate=44100)
for samples in microphone:
    for token in stream.push(samples):
        print(token)
print(stream.close())

A model normalises a recording by its loudest band and the mean of its features, which nobody knows of a recording that
goes on. So every window of the stream is normalised by itself: its tokens are those of the same window cut from a file.
"""

from dataclasses import dataclass

import numpy as np
import soxr

from wav2tok.audio.windows import Cutter, Window
from wav2tok.errors import UserError
from wav2tok.tokenizer.tokenizer import Tokenizer

WINDOW_SECONDS = 6.0
"""Sound that a window is normalised by. A model that reads tiles has windows of one tile, as in its training."""
CORE_SECONDS = 0.25
"""From one window to the next."""
AFTER_SECONDS = 0.6
"""Sound after a token that is waited for at most. Encoders of pretrained features need no more; recurrent ones would."""


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
        self, tokenizer: Tokenizer, sample_rate: int | None = None, statistics: np.ndarray | None = None
    ) -> None:
        """Begin a stream.

        Args:
            sample_rate: Hz, of the samples; by default the tokenizer's.
            statistics: `Tokenizer.statistics` of a recording like the stream, in place of each window's own. Then the
                tokens are those of the whole recording with these statistics, `Tokenizer.margin` permitting.

        Raises:
            UserError: ``sample_rate`` is not positive.
        """
        if sample_rate is not None and sample_rate <= 0:
            raise UserError(f"sample_rate is {sample_rate}; it must be positive, in Hz.", "rate")
        self.tokenizer, self._statistics = tokenizer, statistics
        about, seconds = tokenizer.metadata, tokenizer.frame_seconds
        self.core = max(1, round(CORE_SECONDS / seconds))
        self.after = min(tokenizer.margin, max(1, -(-AFTER_SECONDS // seconds).__int__()))
        whole = round(WINDOW_SECONDS / seconds) if about.tile is None else about.tile // about.stack
        self.before = max(self.after, whole - self.core - self.after)
        self.delay = (self.core + self.after) * seconds
        self.steps = 0
        self._cutter = Cutter(tokenizer.step, self.core, self.before, self.after)
        self._resampler = None
        if sample_rate not in (None, tokenizer.sample_rate):
            self._resampler = soxr.ResampleStream(sample_rate, tokenizer.sample_rate, 1, dtype="float32")

    @property
    def seconds(self) -> float:
        """How long the returned steps are together."""
        return self.steps * self.tokenizer.frame_seconds

    def push(self, samples: np.ndarray) -> np.ndarray:
        """Hear more samples, float [n] of any length: the tokens of the steps that are now certain, int64 [T]."""
        return self._encoded(self._cutter.push(self._converted(samples)))

    def close(self) -> np.ndarray:
        """End the stream: the tokens that are left, int64 [T]; none of a stream without sound."""
        rest = self._encoded(self._cutter.push(self._converted(np.zeros(0, np.float32), last=True)))
        if not self._cutter.samples:
            return rest
        return np.concatenate([rest, self._encoded([self._cutter.end()])])

    def _converted(self, samples: np.ndarray, last: bool = False) -> np.ndarray:
        samples = np.asarray(samples, dtype=np.float32)
        if not np.isfinite(samples).all():
            raise UserError("the sound holds samples that are not finite numbers; check its sample format.", "format")
        return samples if self._resampler is None else self._resampler.resample_chunk(samples, last=last)

    def _encoded(self, windows: list[Window]) -> np.ndarray:
        found = [np.zeros(0, dtype=np.int64)]
        for window in windows:
            tokens = self.tokenizer.encode_window(window.waveform, self._statistics)
            found.append(tokens[window.skip : window.skip + window.keep])
            self.steps += window.keep
        return np.concatenate(found)
