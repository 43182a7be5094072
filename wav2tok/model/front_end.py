"""The front end: waveform to feature frames, the same code for training and for export.

It works in two steps. Training computes `FrontEnd.spectrum` once per recording and stores it, and augmentation edits
it; `FrontEnd.finish` turns it into the encoder's input. Frames past the end of a recording never affect those within,
so each recording gets the same frames in a padded batch as alone.

Two quantities belong to a recording as a whole: the power of its loudest band, and the mean and variance of its
features. A recording too long for memory is read in windows; then both are collected in a first pass and passed in.
"""

import torch
from torch import Tensor, nn

from wav2tok.config.schema import Features
from wav2tok.model.features import KINDS
from wav2tok.model.frames import frame_mask, repeat_last


def deltas(x: Tensor) -> Tensor:
    """Regression over five frames, edges repeated: [B, T, D] -> [B, T, D] (torchaudio's ``compute_deltas``)."""
    padded = torch.cat([x[:, :1], x[:, :1], x, x[:, -1:], x[:, -1:]], dim=1)
    t = x.shape[1]
    return (padded[:, 3 : 3 + t] - padded[:, 1 : 1 + t] + 2 * (padded[:, 4 : 4 + t] - padded[:, 0:t])) / 10.0


class FrontEnd(nn.Module):
    """Waveform [B, N] -> spectrum [B, T, bands] -> features [B, T, width], with T = N // hop + 1.

    What the spectrum and the features are depends on ``features.kind`` (`wav2tok.model.features`). With ``deltas``
    their first and second differences are added, except for kinds to which they do not apply.

    Attributes:
        kind: the `wav2tok.model.features.Kind` in use.
        bands: values per frame of the spectrum.
        measured: values per frame of what `differences` returns, whose `moments` are the recording's.
        width: values per frame of the features.
        reach: frames on either side of one that its features depend on, before normalization.
    """

    def __init__(self, config: Features, sample_rate: int) -> None:
        super().__init__()
        self.config = config
        self.sample_rate = sample_rate
        self.kind = KINDS[config.kind](config, sample_rate)
        self.deltas = config.deltas and self.kind.differences
        parts = 3 if self.deltas else 1
        self.bands, self.measured, self.width = self.kind.bands, parts * self.kind.measured, parts * self.kind.width
        self.reach = self.kind.reach + (4 if self.deltas else 0)

    def frame_count(self, samples: Tensor) -> Tensor:
        """Number of frames of recordings of ``samples`` [B] samples each: [B]."""
        return torch.div(samples, self.config.hop, rounding_mode="floor") + 1

    def centers(self) -> Tensor:
        """Centre frequency of each band of a sub-frame of the spectrum in Hz, [bands / kind.parts]."""
        return self.kind.centers()

    def band_power(self, waveform: Tensor, samples: Tensor) -> Tensor:
        """Power of each band: waveform [B, N], samples [B] -> [B, T, bands].

        Anything past the end of a recording counts as silence.
        """
        return self.kind.power(waveform * frame_mask(samples, waveform.shape[1]).to(waveform.dtype))

    def loudness(self, power: Tensor, frames: Tensor) -> Tensor:
        """Power of the loudest band of every frame, 0 past the end: [B, T, bands], frames [B] -> [B, T]."""
        return power.amax(dim=2) * frame_mask(frames, power.shape[1]).to(power.dtype)

    def scale(self, power: Tensor, frames: Tensor, loudest: Tensor) -> Tensor:
        """What `band_power` returned -> the spectrum [B, T, bands].

        Args:
            frames: [B], the true lengths.
            loudest: [B] or [1], power of each recording's loudest band.
        """
        return self.kind.scale(power, frames, loudest)

    def spectrum(self, waveform: Tensor, samples: Tensor) -> Tensor:
        """The part before augmentation: the log power of the bands, or the magnitude for ``stft``.

        Args:
            waveform: [B, N], nominally in [-1, 1]; anything past the end of a recording is ignored.
            samples: [B], the true lengths.

        Returns:
            [B, T, bands]; frames past the end repeat the last one.
        """
        frames = self.frame_count(samples)
        power = self.band_power(waveform, samples)
        return repeat_last(self.scale(power, frames, self.loudness(power, frames).amax(dim=1)), frames)

    def differences(self, spectrum: Tensor, frames: Tensor, loudest: Tensor | None = None) -> Tensor:
        """Spectrum -> features before normalization: [B, T, bands], frames [B] -> [B, T, measured].

        Frames of ``spectrum`` past the end must repeat the last one, as after `spectrum` and augmentation.

        Args:
            loudest: [B] or [1], power of the loudest band where ``spectrum`` is only a part of the recording.
        """
        x = self.kind.measure(spectrum, frames, loudest)
        if self.deltas:
            first = deltas(x)
            # Past the end the first differences are not constant, so repeat their last valid frame.
            x = torch.cat([x, first, deltas(repeat_last(first, frames))], dim=2)
        return x

    def moments(self, x: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance of each feature over its recording: [B, T, D], frames [B] -> [B, 1, D] twice."""
        mask = frame_mask(frames, x.shape[1])[:, :, None].to(x.dtype)
        count = frames[:, None, None].to(x.dtype)
        mean = (x * mask).sum(1, keepdim=True) / count
        return mean, ((x - mean).square() * mask).sum(1, keepdim=True) / count

    def finish(self, spectrum: Tensor, frames: Tensor) -> Tensor:
        """Spectrum [B, T, bands] with true lengths ``frames`` [B] -> features [B, T, width]; zeros past the end."""
        x = self.differences(spectrum, frames)
        return self.normalized(x, frames, *self.moments(x, frames))

    def normalized(self, x: Tensor, frames: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
        """Features normalized over the recording if ``normalize`` is set; zeros past the end: [B, T, width].

        ``x`` [B, T, measured] is what `differences` returns, ``mean`` and ``variance`` [B, 1, measured] its moments.
        """
        x = self.kind.normalized(x, mean, variance)
        return x * frame_mask(frames, x.shape[1])[:, :, None].to(x.dtype)
