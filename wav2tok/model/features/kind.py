"""What a kind of features has to define, with the defaults for log power."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from wav2tok.config.schema import Features

DYNAMIC_RANGE = 1e-8
"""Power below this share of the recording's loudest band is cut off (-80 dB), so that a gain changes no token."""
VARIANCE_FLOOR = 1e-4
"""For log power and everything computed from it. A feature with a smaller variance is not scaled up to variance 1: it
would be rounding (recordings of one or two frames, bands cut off throughout), up to 2e-3 near the cut-off of -80 dB.
The smallest of 43,000 variances of recorded words and hums is 6e-4, so the floor does not change these."""


class Kind(nn.Module, ABC):
    """Waveform -> power of bands -> spectrum -> features. A subclass gives ``bands`` and defines `centers` and `power`.

    `wav2tok.model.front_end.FrontEnd` adds masks, padding and differences. No method mixes recordings, and only
    `normalized` and the ``loudest`` arguments know more of a recording than one frame.

    Attributes:
        bands: values per frame of the spectrum, which training stores and augmentation edits.
        measured: values per frame that `measure` returns; by default ``bands``.
        width: values per frame of the finished features; by default ``bands``.
        differences: whether ``features.deltas`` applies to this kind.
        logarithmic: whether the spectrum is log power, so that augmentation can add noise to it.
        variance_floor: smallest variance that `normalized` divides by.
    """

    differences = True
    logarithmic = True
    variance_floor = VARIANCE_FLOOR

    def __init__(self, config: Features, sample_rate: int, bands: int) -> None:
        super().__init__()
        self.config, self.sample_rate = config, sample_rate
        self.bands = self.measured = self.width = bands

    @abstractmethod
    def centers(self) -> Tensor:
        """Centre frequency of each band in Hz, [bands]."""

    @abstractmethod
    def power(self, waveform: Tensor) -> Tensor:
        """Power of each band: waveform [B, N] -> [B, T, bands], T = N // hop + 1."""

    def scale(self, power: Tensor, loudest: Tensor) -> Tensor:
        """Power [B, T, bands] -> spectrum, given the power of each recording's ``loudest`` band, [B] or [1]."""
        return torch.maximum(power, loudest[:, None, None] * DYNAMIC_RANGE + 1e-20).log()

    def measure(self, spectrum: Tensor, loudest: Tensor | None) -> Tensor:
        """Spectrum [B, T, bands] -> [B, T, measured], before normalization.

        Args:
            loudest: [B] or [1], power of the loudest band where ``spectrum`` is only a part of the recording.
        """
        return spectrum

    def normalized(self, x: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
        """Each feature at mean 0 and variance 1 if ``features.normalize`` is set: [B, T, D] -> [B, T, D].

        ``mean`` and ``variance`` [B, 1, D] are those of the whole recording.
        """
        return (x - mean) / variance.clamp_min(self.variance_floor).sqrt() if self.config.normalize else x
