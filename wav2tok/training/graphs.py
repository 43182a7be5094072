"""The embeddings of training batches by CUDA graphs: the kernels of a batch of some shape are recorded, then replayed.

A network of a few small layers is over before Python has launched its kernels one by one. A graph needs the same shape
each time, so batches are padded to one of a few lengths. No GPU was available to measure what it gains.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from wav2tok.device import bucket
from wav2tok.model.wav2tok import Wav2Tok

MOST = 24
"""Shapes that are recorded, at most. Batches of further ones are computed as without graphs."""

Record = Callable[..., Callable[[Tensor, Tensor], Tensor]]


class _Embedding(nn.Module):
    """`Wav2Tok.embed` as a module of its own, because a recording replaces the forward pass of a module."""

    def __init__(self, model: Wav2Tok, precision: str) -> None:
        super().__init__()
        self.model, self.precision = model, precision

    def forward(self, spectrum: Tensor, frames: Tensor) -> Tensor:
        return self.model.embed(spectrum, frames, self.precision)


class Graphs:
    """Embeds training batches as `Wav2Tok.embed` does; what is past a recording's end may be more.

    Args:
        precision: ``train.precision``.
        record: makes a graph of a module and an example of what it is called with.
    """

    def __init__(self, model: Wav2Tok, precision: str, record: Record | None = None) -> None:
        self.model, self.precision, self.record = model, precision, record or _recorded
        self._graphs: dict[tuple[int, ...], Callable[[Tensor, Tensor], Tensor]] = {}

    def __call__(self, spectrum: Tensor, frames: Tensor) -> Tensor:
        """Spectrum [B, T, bands], frames [B] -> unit embeddings [B, T', d], T' of a length up to an eighth above T."""
        more = bucket(spectrum.shape[1]) - spectrum.shape[1]
        # Frames past the end repeat the last one, as front ends expect.
        spectrum = torch.cat([spectrum, spectrum[:, -1:].expand(-1, more, -1)], dim=1)
        shape = tuple(spectrum.shape)
        if shape not in self._graphs:
            if len(self._graphs) == MOST:
                return self.model.embed(spectrum, frames, self.precision)
            # Warming up draws random numbers, which would otherwise be missing after a training has been resumed.
            devices = [spectrum.device] if spectrum.device.type == "cuda" else []
            with torch.random.fork_rng(devices):
                self._graphs[shape] = self.record(_Embedding(self.model, self.precision), (spectrum, frames))
        return self._graphs[shape](spectrum, frames)


def _recorded(module: nn.Module, example: tuple[Tensor, Tensor]) -> Any:
    # A model may have weights that embeddings do not need, such as those of a parameterised similarity.
    return torch.cuda.make_graphed_callables(module, tuple(x.clone() for x in example), allow_unused_input=True)
