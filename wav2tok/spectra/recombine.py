"""Recombined recordings: pieces of recordings, some of them reversed, joined into new sounds.

A codebook that is fitted to a few words has codewords for those words alone, so a new word is a lottery between
codewords that lie far from it. Pieces in another order cover more of the space. They are only clustered, never
contrasted, so the encoder never learns them.
"""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from wav2tok.model.front_end import FrontEnd
from wav2tok.spectra.store import SpectrumStore

PIECES = (1, 3)
PIECE_SECONDS = (0.1, 0.35)
TEMPO = (0.74, 1.35)
REVERSED_SHARE = 0.3
QUIET_SECONDS = 0.4
"""At most as much of the first recording's background comes before, and after."""
_LOUD_DB = 20.0
"""Pieces begin where the loudest band is within this many decibels of the recording's loudest."""
_AT_ONCE = 64


def recombined(
    store: SpectrumStore, front_end: FrontEnd, recordings: Tensor, count: int, most: int, generator: torch.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of ``count`` recombined recordings in all.

    Args:
        recordings: int64 [R], what the pieces are taken from.
        most: frames of a recording that are read.
        generator: CPU generator; the same state gives the same recordings.

    Yields:
        (spectra [B, T, bands], padded with the last frame of each; frames [B]), on the CPU.
    """
    for first in range(0, count, _AT_ONCE):
        joined = [_join(store, front_end, recordings, most, generator) for _ in range(min(_AT_ONCE, count - first))]
        frames = torch.tensor([len(one) for one in joined])
        longest = int(frames.max())
        yield torch.stack([torch.cat([x, x[-1:].expand(longest - len(x), -1)]) for x in joined]), frames


def _join(
    store: SpectrumStore, front_end: FrontEnd, recordings: Tensor, most: int, generator: torch.Generator
) -> Tensor:
    """One recombined recording, [T, bands]."""
    parts, bands = front_end.kind.parts, front_end.bands
    rate = front_end.sample_rate * parts / front_end.config.hop

    def draw(low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=generator))

    pieces: list[Tensor] = []
    background: Tensor | None = None
    for _ in range(int(draw(PIECES[0], PIECES[1] + 1))):
        number = recordings[int(draw(0, len(recordings)))].reshape(1)
        x, _ = store.batch(store.clips(number, torch.tensor([draw(0, 1)]), most))
        x = x[0].reshape(-1, bands // parts)
        level = x.amax(dim=1)
        if background is None:
            background = x[int(level.argmin())]
        loud = (level > level.max() - _LOUD_DB * 0.2303).nonzero()[:, 0]
        length = min(len(x), max(1, round(draw(*PIECE_SECONDS) * rate)))
        begin = min(int(loud[int(draw(0, len(loud)))]), len(x) - length)
        piece = x[begin : begin + length]
        if draw(0, 1) < REVERSED_SHARE:
            piece = piece.flip(0)
        size = max(1, round(length / draw(*TEMPO)))
        pieces.append(F.interpolate(piece.T[None], size=size, mode="linear", align_corners=False)[0].T)
    assert background is not None
    before, after = (round(draw(0, QUIET_SECONDS) * rate) for _ in range(2))
    x = torch.cat([background.expand(before, -1), *pieces, background.expand(after, -1)])
    whole = -(-len(x) // parts) * parts
    return torch.cat([x, background.expand(whole - len(x), -1)]).reshape(-1, bands)
