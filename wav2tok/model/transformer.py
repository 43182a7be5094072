"""The transformer encoder, with convolutional position encoding.

It is that of the published code, which took it from wav2vec 2.0 (Baevski et al., 2020): two post-norm layers of two
heads, a feed-forward width of 2272, a convolution of 128 steps in 16 groups, dropout .1 (attention weights too),
layerdrop .05.
Padding is masked exactly: a recording's embeddings are the same alone and in any batch. ::

    wav2tok train --set encoder.kind=transformer --set encoder.dropout=0.1
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm

from wav2tok.config.schema import Encoder
from wav2tok.errors import UserError
from wav2tok.model.encoder import Dropout, FrameEncoder, UnitProjection
from wav2tok.model.frames import frame_mask, row_numbers, take_rows


class Positions(nn.Module):
    """Add the output of a convolution over neighbouring steps to each step: [B, T, D] -> [B, T, D].

    The kernel's weights are normalised per position (one norm per step of the kernel), as in wav2vec 2.0.
    """

    def __init__(self, width: int, kernel: int, groups: int) -> None:
        super().__init__()
        convolution = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=groups)
        nn.init.normal_(convolution.weight, std=math.sqrt(4 / (kernel * width)))
        nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]
        self.convolution = weight_norm(convolution, dim=2)

    def forward(self, x: Tensor) -> Tensor:
        """Steps past a recording's end must be zero, like the padding of the convolution."""
        # An even kernel returns one step more than its input has.
        around = self.convolution(x.transpose(1, 2))[:, :, : x.shape[1]]
        return x + F.gelu(around).transpose(1, 2)


class Attention(nn.Module):
    """Self-attention: x [B, T, D], mask [B, T], True within a recording -> [B, T, D]."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.inputs = nn.Linear(width, 3 * width)  # queries, keys, values
        self.output = nn.Linear(width, width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        shape = (x.shape[0], x.shape[1], 3, self.heads, self.output.in_features // self.heads)
        queries, keys, values = self.inputs(x).reshape(shape).permute(2, 0, 3, 1, 4).unbind(0)
        dropout = self.dropout if self.training else 0.0
        mixed = F.scaled_dot_product_attention(queries, keys, values, mask[:, None, None, :], dropout)
        return self.output(mixed.transpose(1, 2).flatten(2))


class Layer(nn.Module):
    """Self-attention, then a feed-forward network, each added to its input and normalised: [B, T, D] -> [B, T, D]."""

    def __init__(self, config: Encoder, width: int) -> None:
        super().__init__()
        self.attention = Attention(width, config.heads, config.dropout)
        self.attention_norm = nn.LayerNorm(width)
        self.feed = nn.Sequential(nn.Linear(width, config.ffn), nn.GELU(), nn.Linear(config.ffn, width))
        self.feed_norm = nn.LayerNorm(width)
        self.dropout = Dropout(config.dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x [B, T, D], mask [B, T], True within a recording."""
        x = self.attention_norm(x + self.dropout(self.attention(x, mask)))
        return self.feed_norm(x + self.dropout(self.feed(x)))


class TransformerEncoder(FrameEncoder):
    """Transformer of width ``2 * hidden``, unit length, linear projection, unit length.

    Raises:
        UserError: the heads or the groups of the convolution do not divide the width.
    """

    def __init__(self, config: Encoder, width: int) -> None:
        super().__init__(config.stack)
        inner = 2 * config.hidden
        for name, parts in (("heads", config.heads), ("position_groups", config.position_groups)):
            if parts < 1 or inner % parts:
                raise UserError(
                    f"encoder.hidden is {config.hidden} and encoder.{name} {parts}; "
                    "twice the first must be divisible by the second."
                )
        # Not in the published code, which therefore needs features as wide as the transformer.
        self.input = nn.Linear(width * config.stack, inner)
        self.positions = Positions(inner, config.position_kernel, config.position_groups)
        self.norm = nn.LayerNorm(inner)
        self.dropout = Dropout(config.dropout)
        self.layers = nn.ModuleList(Layer(config, inner) for _ in range(config.layers))
        self.layerdrop = config.layerdrop
        self.projection = UnitProjection(inner, config.dim)
        self.apply(init_linear)

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Features [B, T, width], zero past each recording's end, lengths [B] -> [B, T', dim]."""
        x, steps = self.stacked(features, lengths)
        mask = frame_mask(steps, x.shape[1])
        x = self.positions(self.input(x) * mask[:, :, None].to(x.dtype))
        x = self.dropout(self.norm(x))
        for layer in self.kept():
            x = layer(x, mask)
        return take_rows(self.projection(x.flatten(0, 1)), row_numbers(steps, x.shape[1]))

    def kept(self) -> list[nn.Module]:
        """The layers used in this pass: in training each is skipped with probability ``layerdrop``.

        Drawn on the CPU, so as not to wait for the device.
        """
        if not self.training:
            return list(self.layers)
        draws = torch.rand(len(self.layers), device="cpu").tolist()
        return [layer for layer, draw in zip(self.layers, draws, strict=True) if draw >= self.layerdrop]


def init_linear(module: nn.Module) -> None:
    """Initialise as in BERT: weights with standard deviation .02, biases 0."""
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)
