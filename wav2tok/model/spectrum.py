"""The short-time power spectrum as three small matrix products, the same graph in torch and in ONNX.

A discrete Fourier transform of n = n1 * n2 samples is n2 transforms of n1 samples, a rotation of phases, and n1
transforms of n2 samples (Cooley and Tukey). For a window of 1024 samples that is 104 thousand multiplications per
frame; a convolution with all 513 pairs of rows takes a million. On two cores it runs at 5,900 times real time in ONNX
Runtime (convolution: 1,780) and at 4,400 in torch (1,230). torch's own STFT cannot be exported to ONNX, and ONNX
Runtime's STFT is slower than this.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def factors(n: int) -> tuple[int, int]:
    """The two factors of ``n`` that are closest to each other, the smaller one first."""
    small = next(k for k in range(math.isqrt(n), 0, -1) if n % k == 0)
    return small, n // small


def cut_frames(waveform: Tensor, n_fft: int, hop: int) -> Tensor:
    """``n_fft`` samples around every ``hop``-th one: [B, N] -> [B * T, n_fft], T = N // hop + 1."""
    # Blocks of the greatest common divisor: a frame is a few whole blocks instead of n_fft gathered samples.
    block = math.gcd(n_fft, hop)
    # Zeros instead of reflection at the ends: a recording has the same frames in a padded batch as alone.
    padded = F.pad(waveform, (n_fft // 2, n_fft // 2))
    count = waveform.shape[1] // hop + 1
    blocks = padded[:, : padded.shape[1] // block * block].reshape(waveform.shape[0], -1, block)
    steps = torch.arange(count, device=waveform.device)[:, None] * (hop // block)
    index = (steps + torch.arange(n_fft // block, device=waveform.device)[None, :]).flatten()
    return blocks[:, index].reshape(-1, n_fft)


class PowerSpectrum(nn.Module):
    """Waveform [B, N] -> power [R, B, T, C] of Hann windows centred on every ``hop``-th sample, T = N // hop + 1.

    The R * C values of a frame are the bins of the spectrum in the order of ``bins``, some of them twice. A filterbank
    needs its rows in that order, each once: see `arrange`.
    """

    window: Tensor
    first: Tensor
    second: Tensor
    bins: Tensor

    def __init__(self, n_fft: int, hop: int, window: Tensor | None = None) -> None:
        """``window`` [n_fft], float64, replaces the Hann window."""
        super().__init__()
        self.n_fft, self.hop = n_fft, hop
        n1, n2 = factors(n_fft)
        # The input is real: the other outputs of the first step mirror these, and so do their bins.
        rows = n1 // 2 + 1
        a, b = torch.arange(n1, dtype=torch.float64), torch.arange(n2, dtype=torch.float64)
        k1, k2 = torch.arange(rows, dtype=torch.float64), torch.arange(n2, dtype=torch.float64)
        phase = 2 * math.pi / n1 * torch.outer(k1, a)
        first = torch.cat([torch.cos(phase), -torch.sin(phase)])
        phase = 2 * math.pi * b[None, :, None] * (k1[:, None, None] / n_fft + k2[None, None, :] / n2)
        cos, sin = torch.cos(phase), torch.sin(phase)
        # (re + i im)(cos - i sin), as one real matrix per row.
        second = torch.cat([torch.cat([cos, -sin], dim=2), torch.cat([sin, cos], dim=2)], dim=1)
        bins = (torch.arange(rows)[:, None] + n1 * torch.arange(n2)[None, :]).flatten()
        if window is None:
            window = torch.hann_window(n_fft, periodic=True, dtype=torch.float64)
        for name, value in (("window", window.float()), ("first", first.float()), ("second", second.float())):
            self.register_buffer(name, value, persistent=False)
        self.register_buffer("bins", torch.where(bins > n_fft // 2, n_fft - bins, bins), persistent=False)

    def places(self) -> Tensor:
        """Position in ``bins`` where each bin 0 .. n_fft // 2 first occurs, [n_fft // 2 + 1]."""
        known = self.bins.tolist()
        return torch.tensor([known.index(k) for k in range(self.n_fft // 2 + 1)])

    def arrange(self, bank: Tensor) -> Tensor:
        """A filterbank [n_fft // 2 + 1, M] in the order of the outputs: [R, C, M], 0 where a bin is repeated."""
        out = bank.new_zeros(len(self.bins), bank.shape[1])
        out[self.places()] = bank
        return out.reshape(len(self.second), -1, bank.shape[1])

    def forward(self, waveform: Tensor) -> Tensor:
        n_fft, n2 = self.n_fft, self.second.shape[1] // 2
        windowed = cut_frames(waveform, n_fft, self.hop) * self.window
        rows = len(self.second)
        inner = self.first @ windowed.reshape(-1, n_fft // n2, n2)
        inner = inner.reshape(-1, 2, rows, n2).permute(2, 0, 1, 3).reshape(rows, -1, 2 * n2)
        squares = (inner @ self.second).square()
        power = squares[:, :, :n2] + squares[:, :, n2:]
        return power.reshape(rows, waveform.shape[0], -1, n2)
