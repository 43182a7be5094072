"""``logmel`` and ``mfcc``: log power of mel bands, and its first cosine coefficients. The matrices are torchaudio's."""

import math

import torch
import torchaudio.functional as AF
from torch import Tensor

from wav2tok.config.schema import Features
from wav2tok.model.features.kind import Kind
from wav2tok.model.spectrum import PowerSpectrum


def mel_centers(n_mels: int, sample_rate: int) -> Tensor:
    """Centre frequencies in Hz of the HTK mel bands between 0 and the Nyquist frequency, [n_mels]."""
    top = 2595.0 * math.log10(1.0 + sample_rate / 2 / 700.0)
    mel = torch.linspace(0.0, top, n_mels + 2, dtype=torch.float64)[1:-1]
    return (700.0 * (10.0 ** (mel / 2595.0) - 1.0)).float()


class LogMel(Kind):
    """Log power of mel bands."""

    bank: Tensor

    def __init__(self, config: Features, sample_rate: int) -> None:
        super().__init__(config, sample_rate, config.n_mels)
        self.transform = PowerSpectrum(config.n_fft, config.hop)
        bank = AF.melscale_fbanks(config.n_fft // 2 + 1, 0.0, sample_rate / 2, config.n_mels, sample_rate)
        self.register_buffer("bank", self.transform.arrange(bank), persistent=False)

    def centers(self) -> Tensor:
        return mel_centers(self.bands, self.sample_rate)

    def power(self, waveform: Tensor) -> Tensor:
        power = self.transform(waveform)
        rows, b, t, columns = power.shape
        return (power.reshape(rows, -1, columns) @ self.bank).sum(0).reshape(b, t, -1)


class Mfcc(LogMel):
    """The first ``n_mfcc`` cosine coefficients of the log mel power."""

    dct: Tensor

    def __init__(self, config: Features, sample_rate: int) -> None:
        super().__init__(config, sample_rate)
        self.register_buffer("dct", AF.create_dct(config.n_mfcc, config.n_mels, "ortho"), persistent=False)
        self.measured = self.width = config.n_mfcc

    def measure(self, spectrum: Tensor, frames: Tensor, loudest: Tensor | None) -> Tensor:
        return spectrum @ self.dct
