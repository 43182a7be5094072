"""The linear encoder: feature frames as they are, or turned and scaled by one matrix. For pretrained features."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wav2tok.config.schema import Encoder
from wav2tok.errors import UserError
from wav2tok.model.encoder import FrameEncoder, with_context
from wav2tok.model.frames import row_numbers, take_rows


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
        self.context, self.context_step = config.context, config.context_step
        frame = width * config.stack
        wide = frame * (2 * config.context + 1)
        if config.dim not in (frame, wide):
            sizes = f"{frame}" if frame == wide else f"{frame}, or with the context {wide},"
            raise UserError(
                f"encoder.dim is {config.dim}, and the linear encoder keeps all {sizes} numbers of a frame; set it to "
                f"{wide}."
            )
        before = (wide - frame) // 2 if config.dim == frame else 0
        self.weight = nn.Parameter(torch.eye(config.dim, wide).roll(before, 1))

    def wide(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Frames with their context: features [B, T, width], zero past each end, lengths [B] -> [B, T', wide]."""
        x, steps = self.stacked(features, lengths)
        return with_context(x, steps, self.context, self.context_step)

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Features [B, T, width], zero past each recording's end, lengths [B] -> [B, T', dim]."""
        x, steps = self.wide(features, lengths), self.steps(lengths)
        z = F.normalize(F.normalize(x, dim=2) @ self.weight.T, dim=2)
        return take_rows(z.flatten(0, 1), row_numbers(steps, z.shape[1]))
