"""The linear encoder: feature frames as they are, or turned and scaled by one matrix. For pretrained features."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wav2tok.config.schema import Encoder
from wav2tok.errors import UserError
from wav2tok.model.encoder import FrameEncoder
from wav2tok.model.frames import frame_mask, row_numbers, take_rows
from wav2tok.model.products import unrounded


class LinearEncoder(FrameEncoder):
    """Frames with their context, one matrix, unit length.

    The matrix starts as the identity, or as the one that drops the context, so an untrained encoder keeps the geometry
    of its features. What a network has learned from thousands of speakers is kept that way: a recurrent encoder on the
    same features names the words of the training better, and forgets the others (benchmarks/recipe.md).

    The context of a frame is itself and ``context`` frames on either side, ``context_step`` apart. Beyond an end of
    the recording its frames are zero.

    Attributes:
        weight: [dim, width of a frame and its context]; ``dim`` is that width, or that of the frame alone.
    """

    def __init__(self, config: Encoder, width: int) -> None:
        super().__init__(config.stack)
        self.offsets = [i * config.context_step for i in range(-config.context, config.context + 1)]
        frame = width * config.stack
        wide = frame * len(self.offsets)
        if config.dim not in (frame, wide):
            sizes = f"{frame}" if frame == wide else f"{frame}, or with the context {wide},"
            raise UserError(
                f"encoder.dim is {config.dim}, and the linear encoder keeps all {sizes} numbers of a frame; set it to "
                f"{wide}."
            )
        before = (wide - frame) // 2 if config.dim == frame else 0
        # `Wav2Tok` counts the weights on the device "meta", where torch.eye and roll import torch's compiler: a second.
        weight = torch.zeros(config.dim, wide)
        weight.diagonal(before).fill_(1.0)
        self.weight = nn.Parameter(weight)

    def wide(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Frames with their context: features [B, T, width], zero past each end, lengths [B] -> [B, T', wide]."""
        x, steps = self.stacked(features, lengths)
        reach = self.offsets[-1]
        if not reach:
            return x
        count = x.shape[1]
        padded = F.pad(x * frame_mask(steps, count)[:, :, None].to(x.dtype), (0, 0, reach, reach))
        return torch.cat([padded[:, reach + offset : reach + offset + count] for offset in self.offsets], dim=2)

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Features [B, T, width], zero past each recording's end, lengths [B] -> [B, T', dim]."""
        x, steps = self.wide(features, lengths), self.steps(lengths)
        z = F.normalize(unrounded(F.normalize(x, dim=2) @ self.weight.T), dim=2)
        return take_rows(z.flatten(0, 1), row_numbers(steps, z.shape[1]))
