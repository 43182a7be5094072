"""The encoder of minimal gated units: a recurrence without matrix products, over the products of all steps at once.

What is new in a step and how much of the state it keeps depend on the step's input alone (Feng et al., 2024, Were RNNs
all we needed?; Lei et al., 2018, for such recurrences in general). So the products of a layer are one, and what remains
for each step is elementwise.
"""

import math

import torch
from torch import Tensor, nn

from wav2tok.config.schema import Encoder
from wav2tok.model.encoder import Dropout, FrameEncoder, UnitProjection, with_context
from wav2tok.model.frames import take_rows
from wav2tok.model.products import linear
from wav2tok.model.recurrence import Rows, recurrent

AROUND = 1
"""Steps on either side of one that the first layer reads with it, because its gates see no state."""
LONGEST_MEMORY = 16.0
"""Steps over which the state lasts at first, at most: drawn for each number, evenly in their logarithm."""


class Layer(nn.Module):
    """One bidirectional layer: x [F, width] -> [F, 2 * hidden]."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.inputs = nn.Linear(width, 4 * hidden)  # what is new, what is kept
        with torch.no_grad():
            self.inputs.bias[2 * hidden :].uniform_(0, math.log(LONGEST_MEMORY))

    def forward(self, x: Tensor, rows: Rows) -> Tensor:
        """The steps of the recordings in ``rows``."""
        return recurrent(linear(x, self.inputs.weight, self.inputs.bias), rows)


class MinGRUEncoder(FrameEncoder):
    """Bidirectional layers, unit length, linear projection, unit length."""

    def __init__(self, config: Encoder, width: int) -> None:
        super().__init__(config.stack)
        widths = [(2 * AROUND + 1) * width * config.stack] + [2 * config.hidden] * (config.layers - 1)
        self.layers = nn.ModuleList(Layer(w, config.hidden) for w in widths)
        self.dropout = Dropout(config.dropout)
        self.projection = UnitProjection(2 * config.hidden, config.dim)

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Features [B, T, width], zero past each recording's end, lengths [B] -> [B, T', dim]."""
        x, steps = self.stacked(features, lengths)
        rows = Rows.of(steps, x.shape[1])
        x = with_context(x, steps, AROUND).flatten(0, 1).index_select(0, rows.into)
        for i, layer in enumerate(self.layers):
            x = layer(self.dropout(x) if i else x, rows)
        return take_rows(self.projection(x), rows.out)
