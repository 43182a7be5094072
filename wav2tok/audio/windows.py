"""Cutting a recording of any length into overlapping windows, in constant memory."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Window:
    """Part of a recording whose first sample is the centre of a frame.

    Attributes:
        waveform: float32 [N], which gives N // hop + 1 frames.
        skip: frames at its beginning that an earlier window has.
        keep: frames after those that this window stands for; the windows' ``keep`` make up the recording.
    """

    waveform: np.ndarray
    skip: int
    keep: int


def windows(blocks: Iterable[np.ndarray], hop: int, core: int, margin: int) -> Iterator[Window]:
    """Windows of ``core`` frames with ``margin`` frames more on either side, as far as the recording goes.

    Args:
        blocks: the samples, float32 [n] each.
        hop: samples from frame to frame.

    Yields:
        The last window stands for ``margin + 1`` to ``core + margin`` frames, or for all of a short recording.
    """
    held = np.empty(0, dtype=np.float32)
    begin = first = 0  # the sample that `held` begins with, the first frame that no window stands for yet
    for block in blocks:
        held = np.concatenate([held, block])
        while begin + len(held) >= (first + core + margin) * hop:
            skip = first - begin // hop
            yield Window(held[: (skip + core + margin) * hop], skip, core)
            first += core
            held = held[max(0, first - margin) * hop - begin :]
            begin = max(0, first - margin) * hop
    yield Window(held, first - begin // hop, (begin + len(held)) // hop + 1 - first)
