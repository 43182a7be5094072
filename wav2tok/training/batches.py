"""Batches of spectra for training: the next one is read from the disk while one is in use."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch

from wav2tok.spectra.store import SpectrumStore
from wav2tok.training.pairs import Pairs


@dataclass(frozen=True)
class LoadedBatch:
    """A batch of pairs ready for a step: spectrum [2 B, T, bands] on the device; frames [2 B], labels [B] on the CPU.

    For triplets 3 B instead of 2 B; ``members`` is 2 or 3.
    """

    spectrum: torch.Tensor
    frames: torch.Tensor
    labels: torch.Tensor
    members: int

    def first(self, pairs: int) -> "LoadedBatch":
        """The batch without all but its first ``pairs``."""
        if pairs >= len(self.labels):
            return self
        spectrum, frames = (
            torch.cat([view[:pairs] for view in views.chunk(self.members)]) for views in (self.spectrum, self.frames)
        )
        return LoadedBatch(spectrum, frames, self.labels[:pairs], self.members)


@dataclass(frozen=True)
class Batches:
    """Reads pairs from a store, at most ``clip_frames`` of each recording, and sends them to ``device``."""

    store: SpectrumStore
    clip_frames: int
    device: torch.device

    def load(self, pairs: Pairs) -> LoadedBatch:
        """The spectra of a batch of pairs: all first views, then all second ones."""
        views = pairs.members
        segments = self.store.clips(torch.cat(views), pairs.places.repeat(len(views)), self.clip_frames)
        spectrum, frames = self.store.batch(segments, pinned=self.device.type == "cuda")
        return LoadedBatch(spectrum.to(self.device, non_blocking=True), frames, pairs.labels, len(views))

    def ahead(self, batches: Sequence[Pairs]) -> Iterator[LoadedBatch]:
        """The batches in their order, each read while the one before it is in use."""
        if not batches:
            return
        with ThreadPoolExecutor(1) as pool:
            coming = pool.submit(self.load, batches[0])
            for following in [*batches[1:], None]:
                batch = coming.result()
                if following is not None:
                    coming = pool.submit(self.load, following)
                yield batch
