"""Which recordings meet in a batch: pairs, singles or triplets, of all recordings or of a subset for every epoch.

Everything random in an epoch follows from (seed, epoch), so that a resumed run draws what an uninterrupted one does.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from wav2tok.corpus.recordings import Recordings
from wav2tok.errors import UserError

Mode = Literal["pairs", "singles", "triplets"]


class Pairs(NamedTuple):
    """A batch of pairs, [B] each, on the CPU.

    ``places`` in [0, 1) say where in a recording too long to be heard whole its clip lies: at the same place in both,
    so that two takes of one thing are heard at the same stretch of it. ``negatives`` are recordings of other classes,
    [B] in triplets and [0] otherwise.
    """

    anchors: Tensor
    partners: Tensor
    labels: Tensor
    places: Tensor
    negatives: Tensor

    @property
    def members(self) -> tuple[Tensor, ...]:
        """The recordings of every pair (two of [B]) or triplet (three)."""
        return (self.anchors, self.partners, *((self.negatives,) if len(self.negatives) else ()))


@dataclass(frozen=True)
class PairSampler:
    """Draws (anchor, partner): another recording of the class, or the recording itself for lists and lone classes.

    As ``mode`` says: ``singles`` pairs every recording with itself (two augmentations of it, or the same under two
    draws of dropout), ``triplets`` adds a recording of another class, each as likely as any other.

    ``members[starts[c] : starts[c] + sizes[c]]`` are the recordings of class c, ``labels[i]`` the class of the i-th
    recording, ``places[i]`` where it stands among its class's members and ``numbers[i]`` what it is called outside.
    """

    mode: Mode
    numbers: np.ndarray
    labels: np.ndarray
    members: np.ndarray
    starts: np.ndarray
    sizes: np.ndarray
    places: np.ndarray

    @classmethod
    def of(cls, recordings: Recordings, mode: Mode = "pairs") -> "PairSampler":
        """Sampler over ``recordings``; in list data each recording is a class of its own.

        Raises:
            UserError: triplets of list data, or of one class.
        """
        if mode == "triplets" and recordings.classes is None:
            raise UserError(
                "train.mode is triplets and the data a list, which knows no other class; use pairs or singles, or "
                "split with --kind dict."
            )
        classes = recordings.classes or tuple(map(str, range(len(recordings))))
        _, labels = np.unique(np.array(classes), return_inverse=True)
        return cls._over(mode, np.arange(len(labels)), labels)

    @classmethod
    def _over(cls, mode: Mode, numbers: np.ndarray, labels: np.ndarray) -> "PairSampler":
        members = np.argsort(labels, kind="stable")
        sizes = np.bincount(labels)
        if mode == "triplets" and sizes.max() == len(labels):
            raise UserError("train.mode is triplets and all recordings are of one class; use pairs or singles.")
        starts = np.cumsum(sizes) - sizes
        places = np.empty(len(labels), dtype=np.int64)
        places[members] = np.arange(len(labels)) - np.repeat(starts, sizes)
        return cls(mode, numbers, labels, members, starts, sizes, places)

    def subset(self, share: float, seed: int, epoch: int) -> "PairSampler":
        """A sampler over ``share`` of the recordings, drawn anew for every epoch; itself where that is all.

        Recordings of a class are drawn by twos, so that what is drawn can still be paired, and never all of one class
        where there are others.
        """
        n = len(self.labels)
        count = max(2, round(share * n))
        if count >= n:
            return self
        rng = np.random.default_rng([seed, epoch, 6])
        order = rng.permutation(n)
        order = order[np.argsort(self.labels[order], kind="stable")]  # by class, in random order within
        place = np.arange(n) - self.starts[self.labels[order]]
        two = np.cumsum((place % 2 == 0) & (place + 1 < np.maximum(self.sizes[self.labels[order]], 2))) - 1
        turn = rng.permutation(two[-1] + 1)[two]
        order = order[np.argsort(turn, kind="stable")]
        other = np.flatnonzero(self.labels[order] != self.labels[order[0]])
        if len(other) and other[0] >= count:
            order[count - 1] = order[other[0]]
        chosen = np.sort(order[:count])
        return self._over(self.mode, self.numbers[chosen], np.unique(self.labels[chosen], return_inverse=True)[1])

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
        step = np.where((size > 1) & (self.mode != "singles"), step, 0)
        partner = self.members[self.starts[label] + (self.places[order] + step) % size]
        place = rng.random(wanted)
        negative = np.empty(0, dtype=np.int64)
        if self.mode == "triplets":
            # Counted from the end of the class around to its beginning: every recording of another class, uniformly.
            skip = np.floor(rng.random(wanted) * (n - size)).astype(np.int64)
            negative = self.numbers[self.members[(self.starts[label] + size + skip) % n]]
        drawn = self.numbers[order], self.numbers[partner], label, place, negative
        cuts = range(0, wanted, batch_size)
        batches = [Pairs(*(torch.from_numpy(x[i : i + batch_size]) for x in drawn)) for i in cuts]
        return [b for b in batches if len(b.anchors) > 1 or len(batches) == 1]


def pairs_per_batch(batch_size: int, max_batch_seconds: float, pair_seconds: float) -> int:
    """``batch_size`` pairs of ``pair_seconds``, fewer where those are over ``max_batch_seconds``, at least two."""
    return max(2, min(batch_size, int(max_batch_seconds / max(pair_seconds, 1e-3))))
