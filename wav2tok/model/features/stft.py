"""``stft``: magnitudes of the short-time Fourier transform."""

import torch
from torch import Tensor

from wav2tok.config.schema import Features
from wav2tok.model.features.kind import Kind
from wav2tok.model.spectrum import PowerSpectrum


class FourierBins(Kind):
    """The first ``bands`` bins of the power spectrum, evenly spaced from 0 Hz; also the base of ``pitch``."""

    order: Tensor
    differences = False

    def __init__(self, config: Features, sample_rate: int, bands: int) -> None:
        super().__init__(config, sample_rate, bands)
        self.transform = PowerSpectrum(config.n_fft, config.hop)
        self.register_buffer("order", self.transform.places()[:bands], persistent=False)

    def centers(self) -> Tensor:
        return torch.arange(self.bands) * (self.sample_rate / self.config.n_fft)

    def power(self, waveform: Tensor) -> Tensor:
        # [R, B, T, C] -> [B, T, bands]
        return self.transform(waveform).permute(1, 2, 0, 3).flatten(2).index_select(2, self.order)


class Stft(FourierBins):
    """Magnitudes, with ``normalize`` over the recording's largest one and then at mean 0 and variance 1."""

    logarithmic = False
    variance_floor = 1e-5  # of magnitudes over the recording's peak, whose rounding is 1e-7

    def __init__(self, config: Features, sample_rate: int) -> None:
        super().__init__(config, sample_rate, config.n_fft // 2 + 1)

    def scale(self, power: Tensor, frames: Tensor, loudest: Tensor) -> Tensor:
        return power.clamp_min(1e-12).sqrt()

    def measure(self, spectrum: Tensor, frames: Tensor, loudest: Tensor | None) -> Tensor:
        if not self.config.normalize:
            return spectrum
        # Otherwise the weak bands of a quiet recording would fall under the variance floor.
        peak = spectrum.amax(dim=(1, 2)) if loudest is None else loudest.sqrt()
        return spectrum / peak[:, None, None].clamp_min(1e-6)
