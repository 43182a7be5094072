"""Recordings cut into tiles of one length and put together again, in torch and in the exported graph alike.

An encoder that is to hear no more than a clip at a time (``encoder.tiled``) reads a longer recording tile by tile, each
as if it were a recording of its own; the last one is as short as what remains.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from wav2tok.model.frames import repeat_last


def cut_tiles(x: Tensor, frames: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Frames [B, T, W] of recordings of ``frames`` [B] -> tiles [B * n, size, W] and their lengths [B * n].

    The tiles of a recording, n = ceil(T / size) of them, follow each other. Where it has ended they repeat its last
    frame; tiles past its end have length 1.
    """
    _, t, width = x.shape
    count = (t + size - 1) // size
    x = F.pad(x, (0, 0, 0, count * size - t))
    tiles = repeat_last(x, frames).reshape(-1, size, width)
    begin = torch.arange(count, device=frames.device) * size
    lengths = (frames[:, None] - begin[None, :]).clamp(1, size).reshape(-1)
    return tiles, lengths


def join_tiles(z: Tensor, recordings: int, steps: int, lengths: Tensor) -> Tensor:
    """What an encoder made of the tiles of ``recordings``, [B * n, S, d] -> [B, steps, d], ends repeated.

    Args:
        lengths: [B], how many of the steps are the recording's.
    """
    return repeat_last(z.reshape(recordings, -1, z.shape[2])[:, :steps], lengths)
