"""The bytes of a request to samples, as the command line decodes files, and no more seconds of them than allowed."""

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus

import numpy as np

from wav2tok.audio import decode, foreign
from wav2tok.audio.ahead import LONG_SAMPLES
from wav2tok.audio.decode import Content
from wav2tok.service.refusals import Refused


class Allowance:
    """The seconds of audio that one request may still bring; its recordings are decoded in several threads."""

    def __init__(self, seconds: float) -> None:
        self.seconds = self._left = seconds
        self._lock = threading.Lock()

    def require(self, seconds: float) -> None:
        """Check that so much is left, without taking it; raises `Refused`."""
        if seconds > self._left:
            raise Refused(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                f"the request holds more than {self.seconds:g} s of audio, which is the limit of this service; "
                "send less at once.",
            )

    def take(self, seconds: float) -> None:
        """Take so much, or raise `Refused`."""
        with self._lock:
            self.require(seconds)
            self._left -= seconds


@dataclass(frozen=True)
class Recording:
    """A decoded recording.

    Attributes:
        seconds: its length.
        samples: float32 [N] at the model's rate, or a function that reads a long recording from the beginning, block by
            block.
    """

    seconds: float
    samples: np.ndarray | Callable[[], Iterable[np.ndarray]]


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
    seconds = decode.seconds(content)
    allowance.require(seconds)
    if seconds * sample_rate > LONG_SAMPLES:
        allowance.take(seconds)
        return Recording(seconds, partial(_again, content, sample_rate, allowance.seconds))
    parts = list(_counted(decode.blocks(content, sample_rate), sample_rate, allowance))
    waveform = parts[0] if len(parts) == 1 else np.concatenate(parts)
    return Recording(len(waveform) / sample_rate, waveform)


def _counted(blocks: Iterator[np.ndarray], sample_rate: int, allowance: Allowance) -> Iterator[np.ndarray]:
    """The blocks, each taken from the allowance: a header may say less than there is."""
    for block in blocks:
        allowance.take(len(block) / sample_rate)
        yield block


def _again(content: Content, sample_rate: int, seconds: float) -> Iterator[np.ndarray]:
    """The blocks of a long recording, read once more."""
    return _counted(decode.blocks(content, sample_rate), sample_rate, Allowance(seconds))
