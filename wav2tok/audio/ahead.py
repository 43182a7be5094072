"""Decode many recordings ahead of their use: in threads, in order, in bounded memory."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from wav2tok.audio import decode

LONG_SAMPLES = 1 << 20
"""A recording of more samples (65 s at 16 kHz) is not kept whole but read in blocks."""
THREADS = 4
FILES_AHEAD = 32


@dataclass(frozen=True)
class LongRecording:
    """A recording that is read in blocks, as often as necessary."""

    path: decode.Source
    sample_rate: int

    def blocks(self) -> Iterator[np.ndarray]:
        """Its samples from the beginning, float32 [n] each (`wav2tok.audio.decode.blocks`)."""
        return decode.blocks(self.path, self.sample_rate)


Decoded = np.ndarray | LongRecording | decode.UnreadableError


def _decode(path: decode.Source, sample_rate: int) -> Decoded:
    try:
        if decode.seconds(path) * sample_rate > LONG_SAMPLES:
            return LongRecording(path, sample_rate)
        return decode.read(path, sample_rate)
    except decode.UnreadableError as error:
        return error


def read_ahead(paths: Sequence[decode.Source], sample_rate: int) -> Iterator[Decoded]:
    """Recordings in order: a waveform, float32 [N], a `LongRecording`, or the error of a file that cannot be read.

    At most `FILES_AHEAD` of them are in memory, for any number of files.
    """
    with ThreadPoolExecutor(THREADS) as pool:
        coming: deque[Future[Decoded]] = deque()
        try:
            for path in paths:
                coming.append(pool.submit(_decode, path, sample_rate))
                if len(coming) == FILES_AHEAD:
                    yield coming.popleft().result()
            while coming:
                yield coming.popleft().result()
        finally:  # a caller that stops early waits only for the files being decoded
            for future in coming:
                future.cancel()
