"""Mix several channels down to one."""

import numpy as np

_LEAST = 0.01
"""The power of the mean, as a share of the channels' mean power, below which they cancel each other: 20 dB."""


class Downmix:
    """Makes one channel of blocks of several: their mean, or one of them where they cancel each other.

    A microphone that is wired the wrong way round gives a channel that is the other one turned over, and their mean is
    silence. The first block with sound decides for the whole recording.

    Attributes:
        used: the number of the only channel that is used, from 0; None for the mean.
    """

    def __init__(self) -> None:
        self.used: int | None = None
        self._decided = False

    def __call__(self, block: np.ndarray) -> np.ndarray:
        """Float [N] of float [N, C]."""
        if block.shape[1] == 1:
            return block[:, 0]
        mean = block.mean(axis=1)
        if not self._decided and len(block):
            powers = np.var(block, axis=0, dtype=np.float64)
            self._decided = bool(powers.max() > 0)
            if self._decided and np.var(mean, dtype=np.float64) < _LEAST * powers.mean():
                self.used = int(powers.argmax())
        return mean if self.used is None else block[:, self.used]
