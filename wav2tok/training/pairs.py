"""Which recordings form a batch: pairs, singles or triplets, of all recordings or of a new subset for every epoch.

Everything random in an epoch follows from (seed, epoch), so a resumed run draws the same as an uninterrupted one.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from wav2tok.config.seeds import Stream, rng
from wav2tok.corpus.recordings import Recordings
from wav2tok.errors import UserError

Mode = Literal["pairs", "singles", "triplets"]


class Pairs(NamedTuple):
    """A batch of pairs, [B] each, on the CPU.

    ``places`` in [0, 1) say where the clip of a recording longer than a clip is: at the same place in both, so that two
    takes of the same thing are cut at the same part of it. ``negatives`` are recordings of other classes, [B] in
    triplets and [0] otherwise.
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
    """Draws (anchor, partner): another recording of the class, or the recording itself for lists and classes of one.

    ``mode``: ``singles`` pairs every recording with itself (two augmentations of it, or the same with two draws of
    dropout), ``triplets`` adds a recording of another class, each equally likely.

    ``members[starts[c] : starts[c] + sizes[c]]`` are the recordings of class c, ``labels[i]`` the class of the i-th
    recording, ``places[i]`` its position among the members of its class and ``numbers[i]`` its index in the full set.
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
                "train.mode is triplets, but the data is a list, which has no classes; use pairs or singles, or split "
                "the recordings by class."
            )
        classes = recordings.classes or tuple(map(str, range(len(recordings))))
        _, labels = np.unique(np.array(classes), return_inverse=True)
        return cls._over(mode, np.arange(len(labels)), labels)

    @classmethod
    def _over(cls, mode: Mode, numbers: np.ndarray, labels: np.ndarray) -> "PairSampler":
        members = np.argsort(labels, kind="stable")
        sizes = np.bincount(labels)
        if mode == "triplets" and sizes.max() == len(labels):
            raise UserError("train.mode is triplets, but all recordings are of one class; use pairs or singles.")
        starts = np.cumsum(sizes) - sizes
        places = np.empty(len(labels), dtype=np.int64)
        places[members] = np.arange(len(labels)) - np.repeat(starts, sizes)
        return cls(mode, numbers, labels, members, starts, sizes, places)

    def subset(self, share: float, seed: int, epoch: int) -> "PairSampler":
        """A sampler over ``share`` of the recordings, drawn again for every epoch; itself if that is all of them.

        Recordings of a class are drawn in twos, so that they can still be paired, and never all from one class if there
        are others.
        """
        n = len(self.labels)
        count = max(2, round(share * n))
        if count >= n:
            return self
        draw = rng(seed, Stream.SUBSET, epoch)
        order = draw.permutation(n)
        order = order[np.argsort(self.labels[order], kind="stable")]  # by class, in random order within
        place = np.arange(n) - self.starts[self.labels[order]]
        two = np.cumsum((place % 2 == 0) & (place + 1 < np.maximum(self.sizes[self.labels[order]], 2))) - 1
        rank = draw.permutation(two[-1] + 1)[two]
        order = order[np.argsort(rank, kind="stable")]
        other = np.flatnonzero(self.labels[order] != self.labels[order[0]])
        if len(other) and other[0] >= count:
            order[count - 1] = order[other[0]]
        chosen = np.sort(order[:count])
        return self._over(self.mode, self.numbers[chosen], np.unique(self.labels[chosen], return_inverse=True)[1])

    def epoch(self, seed: int, epoch: int, batch_size: int, steps: int | None) -> list[Pairs]:
        """The batches of one epoch.

        Args:
            steps: number of batches, in as many passes over the data as they need; None means one pass. An incomplete
                last batch is kept if it has at least two pairs.
        """
        draw = rng(seed, Stream.PAIRS, epoch)
        n = len(self.labels)
        wanted = n if steps is None else steps * batch_size
        order = np.concatenate([draw.permutation(n) for _ in range(-(-wanted // n))])[:wanted]
        label = self.labels[order]
        size = self.sizes[label]
        # Uniform over the other members: a step of 1 to size - 1 around the class; 0 if there is no other.
        step = 1 + np.floor(draw.random(wanted) * np.maximum(size - 1, 1)).astype(np.int64)
        step = np.where((size > 1) & (self.mode != "singles"), step, 0)
        partner = self.members[self.starts[label] + (self.places[order] + step) % size]
        place = draw.random(wanted)
        negative = np.empty(0, dtype=np.int64)
        if self.mode == "triplets":
            # Counted from the end of the class around to its beginning: every recording of another class, uniformly.
            skip = np.floor(draw.random(wanted) * (n - size)).astype(np.int64)
            negative = self.numbers[self.members[(self.starts[label] + size + skip) % n]]
        columns = self.numbers[order], self.numbers[partner], label, place, negative
        cuts = range(0, wanted, batch_size)
        batches = [Pairs(*(torch.from_numpy(x[i : i + batch_size]) for x in columns)) for i in cuts]
        return [b for b in batches if len(b.anchors) > 1 or len(batches) == 1]


def pairs_per_batch(batch_size: int, max_batch_seconds: float, pair_seconds: float) -> int:
    """``batch_size`` pairs of ``pair_seconds`` each, fewer if they exceed ``max_batch_seconds``, at least two."""
    return max(2, min(batch_size, int(max_batch_seconds / max(pair_seconds, 1e-3))))
