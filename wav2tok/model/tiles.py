"""Cut recordings into tiles of one length and join them again, in torch and in the exported graph alike.

With ``encoder.tiled`` the encoder's input is never longer than a clip: a longer recording is encoded tile by tile, each
as a separate recording; the last tile holds what remains.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from wav2tok.model.frames import repeat_last


def cut_tiles(x: Tensor, frames: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Frames [B, T, W] of recordings of ``frames`` [B] -> tiles [B * n, size, W] and their lengths [B * n].

    The n = ceil(T / size) tiles of a recording are consecutive. Past its end they repeat its last frame; tiles that lie
    entirely past its end have length 1.
    """
    _, t, width = x.shape
    count = (t + size - 1) // size
    x = F.pad(x, (0, 0, 0, count * size - t))
    tiles = repeat_last(x, frames).reshape(-1, size, width)
    begin = torch.arange(count, device=frames.device) * size
    lengths = (frames[:, None] - begin[None, :]).clamp(1, size).reshape(-1)
    return tiles, lengths


def join_tiles(z: Tensor, recordings: int, steps: int, lengths: Tensor) -> Tensor:
    """Join the embeddings of the tiles of ``recordings``: [B * n, S, d] -> [B, steps, d], ends repeated.

    Args:
        lengths: [B], how many of the steps are within each recording.
    """
    return repeat_last(z.reshape(recordings, -1, z.shape[2])[:, :steps], lengths)
