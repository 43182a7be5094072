"""The encoder of simple recurrent units: a recurrence without matrix products, over the products of all steps at once.

What is new in a step, how much of the state it keeps and how much of it the layer gives depend on the step's input
alone (Lei et al., 2018, Simple Recurrent Units, without the weights from state to gate; Feng et al., 2024, Were RNNs
all we needed?). So the products of a layer are one, and what remains for each step is elementwise.
"""

import math

import torch
from torch import Tensor, nn

from wav2tok.config.schema import Encoder
from wav2tok.model.encoder import Dropout, FrameEncoder, UnitProjection
from wav2tok.model.frames import take_rows
from wav2tok.model.products import linear, unrounded
from wav2tok.model.recurrence import Rows, recurrent

LONGEST_MEMORY = 16.0
"""Steps over which the state lasts at first, at most: drawn for each number, evenly in their logarithm."""


class Layer(nn.Module):
    """One bidirectional layer: x [F, 2 * hidden] -> [F, 2 * hidden]."""

    def __init__(self, hidden: int, dropout: float) -> None:
        super().__init__()
        self.inputs = nn.Linear(2 * hidden, 6 * hidden)  # what is new, what is kept, what is given
        with torch.no_grad():
            self.inputs.bias[2 * hidden : 4 * hidden].uniform_(0, math.log(LONGEST_MEMORY))
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, rows: Rows) -> Tensor:
        """The steps of the recordings in ``rows``."""
        return recurrent(x, unrounded(linear(self.dropout(x), self.inputs.weight, self.inputs.bias)), rows)


class SRUEncoder(FrameEncoder):
    """Linear projection, bidirectional layers, unit length, linear projection, unit length."""

    def __init__(self, config: Encoder, width: int) -> None:
        super().__init__(config.stack)
        self.input = nn.Linear(width * config.stack, 2 * config.hidden)
        self.layers = nn.ModuleList(Layer(config.hidden, config.dropout if i else 0.0) for i in range(config.layers))
        self.projection = UnitProjection(2 * config.hidden, config.dim)

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Features [B, T, width], zero past each recording's end, lengths [B] -> [B, T', dim]."""
        x, steps = self.stacked(features, lengths)
        rows = Rows.of(steps, x.shape[1])
        x = unrounded(linear(x.flatten(0, 1).index_select(0, rows.into), self.input.weight, self.input.bias))
        for layer in self.layers:
            x = layer(x, rows)
        return take_rows(self.projection(x), rows.out)
