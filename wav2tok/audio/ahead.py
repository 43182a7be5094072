"""Decode many recordings ahead of their use: in threads, in order, in bounded memory."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from wav2tok.audio import decode
from wav2tok.audio.doubts import Doubts, say

LONG_SAMPLES = 1 << 20
"""A recording of more samples (65 s at 16 kHz) is not kept whole but read in blocks."""
THREADS = 2
"""More of them wait for Python's lock: four took 474 us of CPU time for a file of 1 s, and two 376."""
FILES_AHEAD = 32
SHORT_FILES_AHEAD, SAMPLES_AHEAD = 128, 1 << 21
"""Of files of 1 s more are decoded ahead: all that one batch takes, while the batch before it is encoded."""


@dataclass(frozen=True)
class LongRecording:
    """A recording that is read in blocks, as often as necessary."""

    path: decode.Source
    sample_rate: int
    _doubts: list[Doubts] = field(default_factory=list, compare=False)

    def blocks(self) -> Iterator[np.ndarray]:
        """Its samples from the beginning, float32 [n] each (`wav2tok.audio.decode.blocks`); the first time it warns."""
        if self._doubts:
            yield from decode.blocks(self.path, self.sample_rate)
            return
        self._doubts.append(Doubts())
        yield from decode.blocks(self.path, self.sample_rate, self._doubts[0])
        say(self.path, self._doubts[0].phrases)


Decoded = np.ndarray | LongRecording | decode.UnreadableError


def _decode(path: decode.Source, sample_rate: int) -> tuple[Decoded, Doubts]:
    doubts = Doubts()
    try:
        wave = decode.read_short(path, sample_rate, LONG_SAMPLES, doubts)
        return LongRecording(path, sample_rate) if wave is None else wave, doubts
    except decode.UnreadableError as error:
        return error, Doubts()


def read_ahead(paths: Sequence[decode.Source], sample_rate: int) -> Iterator[Decoded]:
    """Recordings in order: a waveform, float32 [N], a `LongRecording`, or the error of a file that cannot be read.

    What is doubtful about one is warned of (`wav2tok.audio.doubts`). At most `FILES_AHEAD` of them are in memory, for
    any number of files; after a short one as many as have `SAMPLES_AHEAD` if they are like it, up to
    `SHORT_FILES_AHEAD`.
    """
    most = FILES_AHEAD

    def heeded(path: decode.Source, coming: Future[tuple[Decoded, Doubts]]) -> Decoded:
        decoded, doubts = coming.result()
        say(path, doubts.phrases)
        return decoded

    with ThreadPoolExecutor(THREADS) as pool:
        coming: deque[tuple[decode.Source, Future[tuple[Decoded, Doubts]]]] = deque()
        try:
            for path in paths:
                coming.append((path, pool.submit(_decode, path, sample_rate)))
                while len(coming) >= most:
                    decoded = heeded(*coming.popleft())
                    if isinstance(decoded, np.ndarray):
                        most = max(FILES_AHEAD, min(SHORT_FILES_AHEAD, SAMPLES_AHEAD // len(decoded)))
                    yield decoded
            while coming:
                yield heeded(*coming.popleft())
        finally:  # a caller that stops early waits only for the files being decoded
            for _, future in coming:
                future.cancel()
