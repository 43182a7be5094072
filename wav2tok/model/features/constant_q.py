"""``cqt``: log power of the constant-Q transform: bins evenly spaced in pitch, each with its own window length.

With b bins per octave the window of a bin holds Q = 1 / (2^(1/b) - 1) periods of its frequency (Brown, "Calculation of
a constant Q spectral transform", JASA 89, 1991): it sees a sine one bin higher at half the amplitude. Transposing a
tone shifts its spectrum by some bins.

No window is longer than ``n_fft``: below Q * sample_rate / n_fft Hz (with 12 bins per octave 263 Hz for windows of 1024
at 16 kHz, 66 Hz for 4096) bins keep their frequencies but all have the same bandwidth, as in a variable-Q transform.

Each frame is multiplied directly by the windowed waves of its bins; the short windows of the higher octaves multiply
only its middle. This is exact, needs no resampling between octaves, and with 12 bins per octave is faster than the
Fourier transform of the same ``n_fft``.
"""

import math

import torch
from torch import Tensor

from wav2tok.config.schema import Features
from wav2tok.errors import UserError
from wav2tok.model.features.kind import Kind
from wav2tok.model.spectrum import cut_frames


def frequencies(sample_rate: int, bins_per_octave: int, min_hz: float) -> Tensor:
    """Frequencies in Hz from ``min_hz`` up, all that lie at least one step of the scale below the Nyquist frequency.

    Returns:
        [bins], float64.

    Raises:
        UserError: no frequency from ``min_hz`` on lies below half the sample rate.
    """
    top = sample_rate / 2
    bins = math.floor(bins_per_octave * math.log2(top / min_hz)) if min_hz < top else 0
    if bins < 1:
        raise UserError(
            f"features.min_hz is {min_hz}, which leaves no bin below half the sampling rate of {sample_rate} Hz; "
            f"it must be at most {math.floor(top / 2 ** (1 / bins_per_octave))}, or raise features.bins_per_octave."
        )
    return min_hz * 2 ** (torch.arange(bins, dtype=torch.float64) / bins_per_octave)


def waves(hertz: Tensor, lengths: Tensor, size: int, sample_rate: int) -> Tensor:
    """Windowed cosines, then sines, about the middle sample: hertz and lengths [K] -> float64 [size, 2 * K].

    Each window is a Hann window of ``lengths`` samples (not rounded, so that bins differ only in scale) whose sum is 1:
    a sine of amplitude A has a power of A^2 / 4 in its bin.
    """
    n = torch.arange(-(size // 2), size // 2, dtype=torch.float64)[:, None]
    window = torch.where(n.abs() < lengths / 2, 0.5 + 0.5 * torch.cos(2 * math.pi * n / lengths), 0.0)
    phase = 2 * math.pi * n * hertz / sample_rate
    return torch.cat([torch.cos(phase), torch.sin(phase)], dim=1) * (window / window.sum(0)).repeat(1, 2)


class ConstantQ(Kind):
    """Log power of bins evenly spaced in pitch.

    Raises:
        UserError: the scale has no bin (`frequencies`).
    """

    def __init__(self, config: Features, sample_rate: int) -> None:
        hertz = frequencies(sample_rate, config.bins_per_octave, config.min_hz)
        super().__init__(config, sample_rate, len(hertz))
        lengths = (sample_rate / (2 ** (1 / config.bins_per_octave) - 1) / hertz).clamp_max(config.n_fft)
        # Samples that each bin reads from the middle of a frame: the next power of two, so an octave is one product.
        sizes = (2 ** lengths.log2().ceil()).long().clamp_max(config.n_fft)
        self.sizes: list[int] = sorted(set(sizes.tolist()), reverse=True)
        for size in self.sizes:
            octave = sizes == size
            kernel = waves(hertz[octave], lengths[octave], size, sample_rate)
            self.register_buffer(f"waves_{size}", kernel.float(), persistent=False)

    def centers(self) -> Tensor:
        return frequencies(self.sample_rate, self.config.bins_per_octave, self.config.min_hz).float()

    def power(self, waveform: Tensor) -> Tensor:
        x = cut_frames(waveform, self.config.n_fft, self.config.hop)
        parts = []
        for size in self.sizes:
            first = (self.config.n_fft - size) // 2
            products = x[:, first : first + size] @ self.get_buffer(f"waves_{size}")
            real, imaginary = products.square().tensor_split(2, dim=1)
            parts.append(real + imaginary)
        return torch.cat(parts, dim=1).reshape(waveform.shape[0], -1, self.bands)
