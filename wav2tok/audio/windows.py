"""Cut a recording of any length into overlapping windows, in constant memory."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Window:
    """Part of a recording whose first sample is the centre of a frame.

    Attributes:
        waveform: float32 [N], of N // hop + 1 frames.
        skip: frames at its beginning that belong to an earlier window.
        keep: the frames after those, which belong to this window; the ``keep`` frames of all windows are the recording.
    """

    waveform: np.ndarray
    skip: int
    keep: int


def windows(blocks: Iterable[np.ndarray], hop: int, core: int, margin: int) -> Iterator[Window]:
    """Windows of ``core`` frames with ``margin`` more frames on either side, as far as the recording goes.

    Args:
        blocks: the samples, float32 [n] each.
        hop: samples from one frame to the next.

    Yields:
        Windows that keep ``core`` frames each; the last one keeps ``margin + 1`` to ``core + margin`` frames, or all
        frames of a short recording.
    """
    buffer = np.empty(0, dtype=np.float32)
    begin = first = 0  # the sample that `buffer` begins with, the first frame of the next window
    for block in blocks:
        buffer = np.concatenate([buffer, block])
        while begin + len(buffer) >= (first + core + margin) * hop:
            skip = first - begin // hop
            yield Window(buffer[: (skip + core + margin) * hop], skip, core)
            first += core
            buffer = buffer[max(0, first - margin) * hop - begin :]
            begin = max(0, first - margin) * hop
    yield Window(buffer, first - begin // hop, (begin + len(buffer)) // hop + 1 - first)
