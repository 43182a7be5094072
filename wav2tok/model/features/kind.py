"""What a kind of features has to define, with the defaults for log power."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from wav2tok.config.schema import Features
from wav2tok.model.features.pretrained import Origin

DYNAMIC_RANGE = 1e-8
"""Power below this share of the recording's loudest band is cut off (-80 dB), so that a gain changes no token."""
VARIANCE_FLOOR = 1e-4
"""For log power and everything computed from it. A feature with a smaller variance is not scaled up to variance 1: it
would be rounding (recordings of one or two frames, bands cut off throughout), up to 2e-3 near the cut-off of -80 dB.
The smallest of 43,000 variances of recorded words and hums is 6e-4, so the floor does not change these."""


class Kind(nn.Module, ABC):
    """Waveform -> power of bands -> spectrum -> features. A subclass gives ``bands`` and defines `centers` and `power`.

    `wav2tok.model.front_end.FrontEnd` adds masks, padding and differences. No method mixes recordings. Only
    `normalized` and the ``loudest`` arguments know more of a recording than the ``reach`` of a frame.

    A frame of the spectrum may hold several sub-frames, one after the other. Augmentation edits these:
    [B, S, bands / parts], S = parts * T.

    Attributes:
        bands: values per frame of the spectrum, which training stores and augmentation edits.
        measured: values per frame that `measure` returns; by default ``bands``.
        width: values per frame of the finished features; by default ``bands``.
        differences: whether ``features.deltas`` applies to this kind.
        logarithmic: whether the spectrum is log power, so that augmentation can add noise to it.
        parts: sub-frames per frame.
        reach: frames on either side of one that its features depend on.
        origin: where pretrained weights come from; None if there are none.
        variance_floor: smallest variance that `normalized` divides by.
    """

    differences = True
    logarithmic = True
    parts = 1
    origin: Origin | None = None
    variance_floor = VARIANCE_FLOOR

    def __init__(self, config: Features, sample_rate: int, bands: int) -> None:
        super().__init__()
        self.config, self.sample_rate = config, sample_rate
        self.bands = self.measured = self.width = bands
        self.reach = -(-config.n_fft // (2 * config.hop))

    @abstractmethod
    def centers(self) -> Tensor:
        """Centre frequency of each band of a sub-frame in Hz, [bands / parts]."""

    @abstractmethod
    def power(self, waveform: Tensor) -> Tensor:
        """Power of each band: waveform [B, N] -> [B, T, bands], T = N // hop + 1."""

    def scale(self, power: Tensor, frames: Tensor, loudest: Tensor) -> Tensor:
        """Power [B, T, bands] -> spectrum [B, T, bands].

        Args:
            frames: [B], the true lengths.
            loudest: [B] or [1], power of the recording's loudest band.
        """
        return torch.maximum(power, loudest[:, None, None] * DYNAMIC_RANGE + 1e-20).log()

    def measure(self, spectrum: Tensor, frames: Tensor, loudest: Tensor | None) -> Tensor:
        """Spectrum [B, T, bands] -> [B, T, measured], before normalization.

        Args:
            frames: [B], the true lengths.
            loudest: [B] or [1], power of the loudest band where ``spectrum`` is only a part of the recording.
        """
        return spectrum

    def normalized(self, x: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
        """Each feature at mean 0 and variance 1 if ``features.normalize`` is set: [B, T, D] -> [B, T, D].

        ``mean`` and ``variance`` [B, 1, D] are those of the whole recording.
        """
        return (x - mean) / variance.clamp_min(self.variance_floor).sqrt() if self.config.normalize else x

    def pitch_matrix(self, ratio: Tensor) -> Tensor:
        """Matrices that move the content of each band as if all frequencies were multiplied by ``ratio`` [B].

        Returns:
            [B, bands / parts, bands / parts]: sub-frames @ matrix interpolates linearly between bands, within the axis.
        """
        centers = self.centers().to(ratio.device)
        bands = len(centers)
        source_hz = centers[None, :] / ratio[:, None]
        upper = torch.searchsorted(centers, source_hz).clamp(1, bands - 1)
        low, high = centers[upper - 1], centers[upper]
        position = (upper - 1 + (source_hz - low) / (high - low)).clamp(0, bands - 1)
        source = torch.arange(bands, device=ratio.device)[None, :, None]
        return (1 - (position[:, None, :] - source).abs()).clamp_min(0)

    def shift(self, x: Tensor, ratio: Tensor) -> Tensor:
        """Sub-frames [B, S, bands / parts] with all frequencies multiplied by ``ratio`` [B], which is on the CPU."""
        return x @ self.pitch_matrix(ratio).to(x.device, non_blocking=True)

    def between(self, before: Tensor, after: Tensor, weight: Tensor) -> Tensor:
        """Sub-frames between two others [B, S, bands / parts], at ``weight`` [B, S, 1] of the way."""
        return torch.lerp(before, after, weight)
