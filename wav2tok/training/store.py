"""Spectra of a whole part of the corpus in one flat tensor, so that a batch is an index and not a loop."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from wav2tok import audio
from wav2tok.features import FrontEnd

BATCH_SAMPLES = 1 << 21
"""Samples whose spectra are computed at once."""


@dataclass(frozen=True)
class SpectrumStore:
    """``flat`` [sum of frames, bands]; recording i is ``flat[offsets[i] : offsets[i] + frames[i]]``."""

    flat: Tensor
    offsets: Tensor
    frames: Tensor

    @classmethod
    def of(cls, spectra: Sequence[Tensor]) -> "SpectrumStore":
        """Store spectra, [T, bands] each."""
        frames = torch.tensor([len(s) for s in spectra], device=spectra[0].device)
        return cls(torch.cat(list(spectra)), frames.cumsum(0) - frames, frames)

    def __len__(self) -> int:
        return len(self.frames)

    def batch(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Recordings ``indices`` [B] -> ([B, T, bands], frames [B]), each end filled up with its last frame."""
        frames = self.frames[indices]
        steps = torch.arange(int(frames.max()), device=self.flat.device)[None, :]
        rows = self.offsets[indices][:, None] + torch.minimum(steps, frames[:, None] - 1)
        return self.flat[rows], frames

    def batches(self, indices: Tensor, frames_at_once: int = 40_000) -> list[Tensor]:
        """``indices`` cut into batches of similar length with bounded padding (positions into ``indices``)."""
        order = torch.argsort(self.frames[indices], stable=True)
        out: list[list[int]] = [[]]
        for position, length in zip(order.tolist(), self.frames[indices][order].tolist(), strict=True):
            if out[-1] and (len(out[-1]) + 1) * length > frames_at_once:
                out.append([])
            out[-1].append(position)
        return [torch.tensor(part, device=self.flat.device) for part in out if part]


def store_of(waveforms: Iterable[np.ndarray], front_end: FrontEnd, device: torch.device) -> SpectrumStore:
    """Spectra of waveforms, float32 [N] each at the front end's rate, computed in batches."""
    spectra: list[Tensor] = []
    waiting: list[np.ndarray] = []

    def flush() -> None:
        samples = torch.tensor([len(w) for w in waiting])
        batch = torch.zeros(len(waiting), int(samples.max()))
        for row, wave in zip(batch, waiting, strict=True):
            row[: len(wave)] = torch.from_numpy(wave)
        samples = samples.to(device)
        with torch.no_grad():
            out, frames = front_end.spectrum(batch.to(device), samples), front_end.frames(samples)
        spectra.extend(x[:n] for x, n in zip(out, frames.tolist(), strict=True))
        waiting.clear()

    for wave in waveforms:
        if waiting and (len(waiting) + 1) * max(len(wave), *map(len, waiting)) > BATCH_SAMPLES:
            flush()
        waiting.append(wave)
    flush()
    return SpectrumStore.of(spectra)


def build(paths: Sequence[str], front_end: FrontEnd, device: torch.device) -> SpectrumStore:
    """Decode recordings, in threads, and keep their spectra.

    Raises:
        UnreadableError: of the first recording that cannot be read.
    """
    with ThreadPoolExecutor(4) as pool:
        return store_of(pool.map(lambda path: audio.read(path, front_end.sample_rate), paths), front_end, device)
