"""The constant-Q power spectrum: bins evenly spaced in pitch, each with a window of its own length.

With b bins an octave a bin's window holds Q = 1 / (2^(1/b) - 1) periods of its frequency (Brown, "Calculation of a
constant Q spectral transform", JASA 89, 1991): of a sine one bin above it sees half the amplitude. A tone that is
transposed is the same spectrum some bins further.

No window is longer than ``n_fft``: below Q * sample_rate / n_fft Hz (with 12 bins an octave 263 Hz for windows of 1024
at 16 kHz, 66 Hz for 4096) bins keep their places but are all equally wide, as in a variable-Q transform.

A frame is multiplied with the windowed waves of its bins as it is, short windows by octaves in its middle: exact, with
no resampling between octaves, and with 12 bins an octave faster than the Fourier transform of the same ``n_fft``.
"""

import math

import torch
from torch import Tensor, nn

from wav2tok.errors import UserError
from wav2tok.model.spectrum import frames


def frequencies(sample_rate: int, bins_per_octave: int, min_hz: float) -> Tensor:
    """Frequencies in Hz from ``min_hz``, as many as lie a step of the scale or more under the Nyquist frequency.

    Returns:
        [bins], float64.

    Raises:
        UserError: there is no such frequency.
    """
    if bins_per_octave < 1:
        raise UserError(f"features.bins_per_octave is {bins_per_octave}; it must be at least 1, such as 12.")
    if not min_hz > 0:
        raise UserError(f"features.min_hz is {min_hz}; it must be a positive frequency, such as 65.4.")
    top = sample_rate / 2
    bins = math.floor(bins_per_octave * math.log2(top / min_hz)) if min_hz < top else 0
    if bins < 1:
        raise UserError(
            f"features.min_hz is {min_hz}, which leaves no bin under half the sampling rate of {sample_rate} Hz; "
            f"it must be at most {math.floor(top / 2 ** (1 / bins_per_octave))}, or features.bins_per_octave higher."
        )
    return min_hz * 2 ** (torch.arange(bins, dtype=torch.float64) / bins_per_octave)


def waves(hertz: Tensor, lengths: Tensor, size: int, sample_rate: int) -> Tensor:
    """Windowed cosines, then sines, about the middle sample: hertz and lengths [K] -> float64 [size, 2 * K].

    Each window is a Hann window of ``lengths`` samples (no whole number, so that bins differ by their scale alone)
    whose sum is 1: a sine of amplitude A has a power of A^2 / 4 in its bin.
    """
    n = torch.arange(-(size // 2), size // 2, dtype=torch.float64)[:, None]
    window = torch.where(n.abs() < lengths / 2, 0.5 + 0.5 * torch.cos(2 * math.pi * n / lengths), 0.0)
    turn = 2 * math.pi * n * hertz / sample_rate
    return torch.cat([torch.cos(turn), torch.sin(turn)], dim=1) * (window / window.sum(0)).repeat(1, 2)


class ConstantQ(nn.Module):
    """Waveform [B, N] -> power [B, T, bins] about every ``hop``-th sample, T = N // hop + 1, zeros beyond the ends."""

    def __init__(self, n_fft: int, hop: int, sample_rate: int, bins_per_octave: int, min_hz: float) -> None:
        """Raises `UserError` where there is no such scale (`frequencies`)."""
        super().__init__()
        self.n_fft, self.hop = n_fft, hop
        hertz = frequencies(sample_rate, bins_per_octave, min_hz)
        self.bins = len(hertz)
        lengths = (sample_rate / (2 ** (1 / bins_per_octave) - 1) / hertz).clamp_max(n_fft)
        # As many samples from the middle of a frame: the next power of two, so the bins of an octave are one product.
        sizes = (2 ** lengths.log2().ceil()).long().clamp_max(n_fft)
        self.sizes: list[int] = sorted(set(sizes.tolist()), reverse=True)
        for size in self.sizes:
            octave = sizes == size
            kernel = waves(hertz[octave], lengths[octave], size, sample_rate)
            self.register_buffer(f"waves_{size}", kernel.float(), persistent=False)

    def kernels(self) -> list[Tensor]:
        """The matrices that the middles of a frame are multiplied with, from low bins to high ones, [size, 2 * K]."""
        return [self.get_buffer(f"waves_{size}") for size in self.sizes]

    def forward(self, waveform: Tensor) -> Tensor:
        x = frames(waveform, self.n_fft, self.hop)
        parts = []
        for size, kernel in zip(self.sizes, self.kernels(), strict=True):
            first = (self.n_fft - size) // 2
            real, imaginary = (x[:, first : first + size] @ kernel).square().tensor_split(2, dim=1)
            parts.append(real + imaginary)
        return torch.cat(parts, dim=1).reshape(waveform.shape[0], -1, self.bins)
