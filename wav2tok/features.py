"""Front ends: waveform to feature frames, written once for training and for export.

The STFT is a convolution with windowed DFT kernels (torch's own STFT does not pass the ONNX exporter); filterbank and
DCT matrices are torchaudio's. A front end works in two steps: `spectrum` is what training computes once a recording
and keeps, and augmentation edits; `finish` turns it into the encoder's input. Frames beyond a recording's length
never touch those within, so a padded batch gives each recording the frames that it gets alone.
"""

import math

import torch
import torchaudio.functional as AF
from torch import Tensor, nn
from torch.nn import functional as F

from wav2tok.config import Features

DYNAMIC_RANGE = 1e-8
"""Power below this share of the recording's loudest band is cut off (-80 dB), so that a gain changes no token."""


def frame_mask(lengths: Tensor, frames: int) -> Tensor:
    """True where a frame lies within its recording: lengths [B] -> [B, frames]."""
    return torch.arange(frames, device=lengths.device)[None, :] < lengths[:, None]


def dft_kernels(n_fft: int) -> Tensor:
    """Hann-windowed real and imaginary DFT rows, [2 * (n_fft // 2 + 1), 1, n_fft], computed in float64."""
    n = torch.arange(n_fft, dtype=torch.float64)
    window = torch.hann_window(n_fft, periodic=True, dtype=torch.float64)
    phase = 2 * math.pi / n_fft * torch.outer(torch.arange(n_fft // 2 + 1, dtype=torch.float64), n)
    return torch.cat([torch.cos(phase) * window, -torch.sin(phase) * window])[:, None, :].float()


def mel_centers(n_mels: int, sample_rate: int) -> Tensor:
    """Centre frequencies in Hz of the HTK mel bands between 0 and the Nyquist frequency, [n_mels]."""
    top = 2595.0 * math.log10(1.0 + sample_rate / 2 / 700.0)
    mel = torch.linspace(0.0, top, n_mels + 2, dtype=torch.float64)[1:-1]
    return (700.0 * (10.0 ** (mel / 2595.0) - 1.0)).float()


def deltas(x: Tensor) -> Tensor:
    """Regression over five frames, edges repeated: [B, T, D] -> [B, T, D] (torchaudio's ``compute_deltas``)."""
    padded = torch.cat([x[:, :1], x[:, :1], x, x[:, -1:], x[:, -1:]], dim=1)
    t = x.shape[1]
    return (padded[:, 3 : 3 + t] - padded[:, 1 : 1 + t] + 2 * (padded[:, 4 : 4 + t] - padded[:, 0:t])) / 10.0


class FrontEnd(nn.Module):
    """Waveform [B, N] -> spectrum [B, T, bands] -> features [B, T, width], with T = N // hop + 1.

    ``stft``: magnitudes; ``logmel``: log mel power; ``mfcc``: its first cosine coefficients, with their first and
    second differences where ``deltas`` is set. ``normalize`` takes each recording's mean and deviation to 0 and 1.
    """

    kernels: Tensor
    bank: Tensor
    dct: Tensor

    def __init__(self, config: Features, sample_rate: int) -> None:
        super().__init__()
        self.config = config
        self.sample_rate = sample_rate
        self.register_buffer("kernels", dft_kernels(config.n_fft), persistent=False)
        bins = config.n_fft // 2 + 1
        if config.kind == "stft":
            self.bands = self.width = bins
        else:
            bank = AF.melscale_fbanks(bins, 0.0, sample_rate / 2, config.n_mels, sample_rate)
            self.register_buffer("bank", bank, persistent=False)
            self.bands = self.width = config.n_mels
        if config.kind == "mfcc":
            self.register_buffer("dct", AF.create_dct(config.n_mfcc, config.n_mels, "ortho"), persistent=False)
            self.width = config.n_mfcc
        if config.deltas and config.kind != "stft":
            self.width *= 3

    def frames(self, samples: Tensor) -> Tensor:
        """Frames of recordings of ``samples`` [B] samples each."""
        return torch.div(samples, self.config.hop, rounding_mode="floor") + 1

    def centers(self) -> Tensor:
        """Centre frequency in Hz of each band of the spectrum, [bands]."""
        if self.config.kind == "stft":
            return torch.linspace(0.0, self.sample_rate / 2, self.bands)
        return mel_centers(self.bands, self.sample_rate)

    def spectrum(self, waveform: Tensor, samples: Tensor) -> Tensor:
        """The part before augmentation: log mel power, or the magnitude for ``stft``.

        Args:
            waveform: [B, N], nominally in [-1, 1]; whatever stands past a recording's end is ignored.
            samples: [B], the true lengths.

        Returns:
            [B, T, bands]; frames past the end repeat the last one.
        """
        n_fft, hop = self.config.n_fft, self.config.hop
        waveform = waveform * frame_mask(samples, waveform.shape[1]).to(waveform.dtype)
        # Zeros rather than reflection at the ends: the same in a padded batch as alone.
        padded = F.pad(waveform[:, None, :], (n_fft // 2, n_fft // 2))
        parts = F.conv1d(padded, self.kernels, stride=hop)
        real, imaginary = parts.chunk(2, dim=1)
        power = (real.square() + imaginary.square()).transpose(1, 2)
        frames = self.frames(samples)
        if self.config.kind == "stft":
            out = power.clamp_min(1e-12).sqrt()
        else:
            mel = power @ self.bank
            inside = frame_mask(frames, mel.shape[1])[:, :, None].to(mel.dtype)
            loudest = (mel * inside).amax(dim=(1, 2), keepdim=True)
            out = torch.maximum(mel, loudest * DYNAMIC_RANGE + 1e-20).log()
        return repeat_last(out, frames)

    def finish(self, spectrum: Tensor, frames: Tensor) -> Tensor:
        """Spectrum [B, T, bands] with true lengths ``frames`` [B] -> features [B, T, width]; zeros past the end.

        Frames of ``spectrum`` past the end must repeat the last one, as `spectrum` and augmentation leave them.
        """
        x = spectrum
        if self.config.kind == "stft" and self.config.normalize:
            # Weak bands of a quiet recording would otherwise fall under the least deviation below.
            x = x / x.amax(dim=(1, 2), keepdim=True).clamp_min(1e-6)
        if self.config.kind == "mfcc":
            x = x @ self.dct
        if self.config.deltas and self.config.kind != "stft":
            first = deltas(x)
            # The first differences past the end would not repeat; the second are taken from ones that do.
            x = torch.cat([x, first, deltas(repeat_last(first, frames))], dim=2)
        mask = frame_mask(frames, x.shape[1])[:, :, None].to(x.dtype)
        if self.config.normalize:
            count = frames[:, None, None].to(x.dtype)
            mean = (x * mask).sum(1, keepdim=True) / count
            x = x - mean
            deviation = ((x.square() * mask).sum(1, keepdim=True) / count + 1e-5).sqrt()
            x = x / deviation
        return x * mask


def repeat_last(x: Tensor, lengths: Tensor) -> Tensor:
    """Replace the frames past each recording's end by its last one: x [B, T, D], lengths [B] -> [B, T, D]."""
    steps = torch.arange(x.shape[1], device=x.device)[None, :]
    index = torch.minimum(steps, lengths[:, None] - 1)
    return x.gather(1, index[:, :, None].expand(-1, -1, x.shape[2]))
