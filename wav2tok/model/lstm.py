"""The recurrent encoder: bidirectional LSTMs over ragged batches."""

from typing import Any

import torch
from torch import Tensor, nn

from wav2tok.config.schema import Encoder
from wav2tok.model.encoder import Dropout, FrameEncoder, UnitProjection
from wav2tok.model.frames import take_rows
from wav2tok.model.layout import Layout, layout


class Reversal(torch.autograd.Function):
    """Reorder rows by a permutation that is its own inverse, so the backward pass is the same copy of rows."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, permutation: Tensor) -> Tensor:
        ctx.save_for_backward(permutation)
        return x.index_select(0, permutation)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0].index_select(0, *ctx.saved_tensors), None


def reverse_time(x: Tensor, plan: Layout) -> Tensor:
    """Reverse each recording in time: [F, D] -> [F, D]. Without gradients it is a plain operation, which exports."""
    return Reversal.apply(x, plan.reversal) if x.requires_grad else x.index_select(0, plan.reversal)


class BiLSTM(nn.Module):
    """A stack of bidirectional LSTM layers, exact for every length.

    Each direction is a separate LSTM; the backward one reads the recordings reversed in time. Compared with packed
    sequences this trains three times as fast on a CPU (101 instead of 305 ms at 64 x 63 frames on two cores: oneDNN's
    kernels take only padded input), nine times at 16 x 375, and it can be exported to ONNX.
    """

    def __init__(self, width: int, hidden: int, layers: int, dropout: float) -> None:
        super().__init__()
        widths = [width] + [2 * hidden] * (layers - 1)
        self.forwards = nn.ModuleList(nn.LSTM(w, hidden) for w in widths)
        self.backwards = nn.ModuleList(nn.LSTM(w, hidden) for w in widths)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, plan: Layout) -> Tensor:
        """x [F, width] in the layout ``plan`` -> [F, 2 * hidden]."""
        for i, (ahead, back) in enumerate(zip(self.forwards, self.backwards, strict=True)):
            if i:
                x = self.dropout(x)
            backward = reverse_time(over_blocks(back, reverse_time(x, plan), plan), plan)
            x = torch.cat([over_blocks(ahead, x, plan), backward], dim=1)
        return x


def over_blocks(lstm: nn.Module, x: Tensor, plan: Layout) -> Tensor:
    """Run one LSTM over the blocks of a layout, passing on its state: x [F, D] -> [F, hidden]."""
    outputs: list[Tensor] = []
    state: tuple[Tensor, ...] | None = None
    parts = x.split([steps * count for steps, count in plan.blocks]) if len(plan.blocks) > 1 else [x]
    for part, (steps, count) in zip(parts, plan.blocks, strict=True):
        if state is not None:
            state = tuple(s[:, :count].contiguous() for s in state)
        # Not in bfloat16 on a CPU: oneDNN has no such LSTM for older ones.
        with torch.autocast("cpu", enabled=False):
            y, state = lstm(part.reshape(steps, count, -1), state)
        outputs.append(y.flatten(0, 1))
    return torch.cat(outputs) if len(outputs) > 1 else outputs[0]


class RecurrentEncoder(FrameEncoder):
    """BiLSTM, unit length, linear projection, unit length."""

    def __init__(self, config: Encoder, width: int) -> None:
        super().__init__(config.stack)
        self.lstm = BiLSTM(width * config.stack, config.hidden, config.layers, config.dropout)
        self.projection = UnitProjection(2 * config.hidden, config.dim)

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Features [B, T, width], zero past each recording's end, lengths [B] -> [B, T', dim]."""
        x, steps = self.stacked(features, lengths)
        plan = layout(steps, x.shape[1])
        return take_rows(self.projection(self.lstm(x.flatten(0, 1).index_select(0, plan.into), plan)), plan.out)
