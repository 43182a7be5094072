"""Cut a recording of any length into overlapping windows, in constant memory, also while it is still growing."""

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


class Cutter:
    """Cuts a recording that grows into windows of ``core`` frames, with more frames before and after them.

    Attributes:
        first: the first frame that belongs to the next window.
        samples: how many were given.
    """

    def __init__(self, hop: int, core: int, before: int, after: int) -> None:
        """The frames of windows; ``hop`` is the number of samples from one frame to the next."""
        self.hop, self.core, self.before, self.after = hop, core, before, after
        self.first = self.samples = 0
        self._buffer = np.empty(0, dtype=np.float32)

    def push(self, samples: np.ndarray) -> list[Window]:
        """The windows that more samples, float32 [n], complete; each keeps ``core`` frames."""
        self._buffer = np.concatenate([self._buffer, samples])
        self.samples += len(samples)
        out = []
        while self.samples >= (self.first + self.core + self.after) * self.hop:
            skip = min(self.first, self.before)
            out.append(Window(self._buffer[: (skip + self.core + self.after) * self.hop], skip, self.core))
            self.first += self.core
            # What the next window begins with is all that is still needed.
            begin = max(0, self.first - self.before) * self.hop
            self._buffer = self._buffer[len(self._buffer) - (self.samples - begin) :]
        return out

    def end(self) -> Window:
        """The last window, with the frames left: ``after + 1`` to ``core + after``, or all of a short recording."""
        return Window(self._buffer, min(self.first, self.before), self.samples // self.hop + 1 - self.first)


def windows(blocks: Iterable[np.ndarray], hop: int, core: int, margin: int) -> Iterator[Window]:
    """Windows of ``core`` frames with ``margin`` more frames on either side, as far as the recording goes.

    Args:
        blocks: the samples, float32 [n] each.
        hop: samples from one frame to the next.

    Yields:
        Windows that keep ``core`` frames each; the last one keeps ``margin + 1`` to ``core + margin`` frames, or all
        frames of a short recording.
    """
    cutter = Cutter(hop, core, margin, margin)
    for block in blocks:
        yield from cutter.push(block)
    yield cutter.end()
