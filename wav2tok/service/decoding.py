"""The bytes of a request to samples, as the command line decodes files, and no more seconds of them than allowed."""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus

import numpy as np

from wav2tok.audio import decode, foreign
from wav2tok.audio.ahead import LONG_SAMPLES
from wav2tok.audio.source import Content
from wav2tok.service.refusals import Refused


class Allowance:
    """The seconds of audio that one request may still bring; its recordings are decoded in several threads."""

    def __init__(self, seconds: float) -> None:
        self.seconds = self._left = seconds
        self._lock = threading.Lock()

    def take(self, seconds: float) -> None:
        """Take so much.

        Raises:
            Refused: less is left.
        """
        with self._lock:
            if seconds > self._left:
                raise Refused(
                    HTTPStatus.UNPROCESSABLE_ENTITY,
                    f"the request holds more than {self.seconds:g} s of audio, which is the limit of this service; "
                    "send less at once.",
                )
            self._left -= seconds


@dataclass(frozen=True)
class Recording:
    """A decoded recording.

    Attributes:
        seconds: its length.
        samples: float32 [N] at the model's rate, or a function that reads a long recording from the beginning, block by
            block.
        before: seconds of it before the samples: silence that was cut off.
    """

    seconds: float
    samples: np.ndarray | Callable[[], Iterable[np.ndarray]]
    before: float = 0.0


def decoded(content: Content, sample_rate: int, allowance: Allowance) -> Recording:
    """Decode one recording.

    Raises:
        UnreadableError: it is not audio, damaged or empty.
        Refused: it is longer than allowed.
    """
    form = foreign.container(content.data)
    if form is not None:
        # A little more than allowed, so that a longer recording is refused and not cut.
        content = foreign.to_wav(content, form, allowance.seconds + 1)
    # No more is ever decoded than that.
    seconds = decode.seconds(content, allowance.seconds)
    allowance.take(seconds)
    if seconds * sample_rate > LONG_SAMPLES:
        return Recording(seconds, partial(decode.blocks, content, sample_rate))
    waveform = decode.read(content, sample_rate)
    return Recording(len(waveform) / sample_rate, waveform)
