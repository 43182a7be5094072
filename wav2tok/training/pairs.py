"""Which recordings meet in a batch.

Everything random in an epoch follows from (seed, epoch), so that a resumed run draws what an uninterrupted one does.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from wav2tok.corpus.splits import Recordings


class Pairs(NamedTuple):
    """A batch of pairs, [B] each, on the CPU.

    ``places`` in [0, 1) say where in a recording too long to be heard whole its clip lies: at the same place in both,
    so that two takes of one thing are heard at the same stretch of it.
    """

    anchors: Tensor
    partners: Tensor
    labels: Tensor
    places: Tensor


@dataclass(frozen=True)
class PairSampler:
    """Draws (anchor, partner): another recording of the class, or the recording itself for lists and lone classes.

    ``members[starts[c] : starts[c] + sizes[c]]`` are the recordings of class c, ``labels[i]`` the class of
    recording i and ``places[i]`` where it stands among its class's members.
    """

    labels: np.ndarray
    members: np.ndarray
    starts: np.ndarray
    sizes: np.ndarray
    places: np.ndarray

    @classmethod
    def of(cls, recordings: Recordings) -> "PairSampler":
        """Sampler over ``recordings``; in list data each recording is a class of its own."""
        classes = recordings.classes or tuple(map(str, range(len(recordings))))
        _, labels = np.unique(np.array(classes), return_inverse=True)
        members = np.argsort(labels, kind="stable")
        sizes = np.bincount(labels)
        starts = np.cumsum(sizes) - sizes
        places = np.empty(len(labels), dtype=np.int64)
        places[members] = np.arange(len(labels)) - np.repeat(starts, sizes)
        return cls(labels, members, starts, sizes, places)

    def epoch(self, seed: int, epoch: int, batch_size: int, steps: int | None) -> list[Pairs]:
        """The batches of one epoch.

        Args:
            steps: so many batches, in as many passes over the data as that takes; None is one pass. A last batch
                that a pass does not fill is kept if it has at least two pairs.
        """
        rng = np.random.default_rng([seed, epoch, 1])
        n = len(self.labels)
        wanted = n if steps is None else steps * batch_size
        order = np.concatenate([rng.permutation(n) for _ in range(-(-wanted // n))])[:wanted]
        label = self.labels[order]
        size = self.sizes[label]
        # Uniform over the other members: a step of 1 to size - 1 around the class; 0 where there is no other.
        step = 1 + np.floor(rng.random(wanted) * np.maximum(size - 1, 1)).astype(np.int64)
        step = np.where(size > 1, step, 0)
        partner = self.members[self.starts[label] + (self.places[order] + step) % size]
        drawn = order, partner, label, rng.random(wanted)
        cuts = range(0, wanted, batch_size)
        batches = [Pairs(*(torch.from_numpy(x[i : i + batch_size]) for x in drawn)) for i in cuts]
        return [b for b in batches if len(b.anchors) > 1 or len(batches) == 1]


def pairs_per_batch(batch_size: int, max_batch_seconds: float, mean_seconds: float) -> int:
    """``batch_size`` pairs, fewer where they would exceed ``max_batch_seconds`` of audio, at least two."""
    return max(2, min(batch_size, int(max_batch_seconds / (2 * max(mean_seconds, 1e-3)))))
