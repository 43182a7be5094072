"""Front ends: waveform to feature frames, written once for training and for export.

Filterbank and DCT matrices are torchaudio's. A front end works in two steps: `spectrum` is what training computes
once a recording and keeps, and augmentation edits; `finish` turns it into the encoder's input. Frames beyond a
recording's length never touch those within, so a padded batch gives each recording the frames that it gets alone.

Two things belong to a recording as a whole: how loud its loudest band is, and the mean and deviation of its features.
A recording too long to be held is read in windows; then both are gathered first and given.
"""

import math

import torch
import torchaudio.functional as AF
from torch import Tensor, nn

from wav2tok.config.schema import Features
from wav2tok.model.constant_q import ConstantQ, frequencies
from wav2tok.model.frames import frame_mask, repeat_last
from wav2tok.model.pitch import TOP_HZ, PitchFeatures
from wav2tok.model.spectrum import PowerSpectrum

DYNAMIC_RANGE = 1e-8
"""Power below this share of the recording's loudest band is cut off (-80 dB), so that a gain changes no token."""
VARIANCE_FLOOR = 1e-4
"""Of log power and what is computed from it. A feature that varies less is not stretched to a variance of 1: it would
be rounding (recordings of one or two frames, bands cut off throughout), up to 2e-3 near the cut-off of -80 dB. The
least of 43,000 variances of recorded words and hums is 6e-4, so that these do not change."""
MAGNITUDE_VARIANCE_FLOOR = 1e-5
"""Of magnitudes over the recording's peak (``stft``), whose rounding is 1e-7."""


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

    ``stft``: magnitudes; ``logmel``: log mel power; ``mfcc``: its first cosine coefficients; ``cqt``: log power of bins
    evenly spaced in pitch (`wav2tok.model.constant_q`); the last three with their first and second differences where
    ``deltas`` is set. ``normalize`` takes each recording's mean and deviation to 0 and 1.
    ``pitch`` (`wav2tok.model.pitch`): the spectrum is log power up to 4 kHz over the loudest bin's, the features are
    the melody and the levels of its harmonics; ``normalize`` reads pitches relative to the recording's mean.

    ``measured`` is the width of what is gathered of a recording as a whole (`differences`), ``width`` the features'.
    """

    bank: Tensor
    order: Tensor
    dct: Tensor

    def __init__(self, config: Features, sample_rate: int) -> None:
        super().__init__()
        self.config = config
        self.sample_rate = sample_rate
        self.power: PowerSpectrum | ConstantQ
        if config.kind == "cqt":
            self.power = ConstantQ(config.n_fft, config.hop, sample_rate, config.bins_per_octave, config.min_hz)
            self.bands = self.power.bins
        else:
            self.power = PowerSpectrum(config.n_fft, config.hop)
            bins = config.n_fft // 2 + 1
            if config.kind in ("stft", "pitch"):
                if config.kind == "pitch":
                    bins = min(bins, int(TOP_HZ * config.n_fft / sample_rate) + 1)
                self.bands = bins
                self.register_buffer("order", self.power.places()[:bins], persistent=False)
            else:
                bank = AF.melscale_fbanks(bins, 0.0, sample_rate / 2, config.n_mels, sample_rate)
                self.register_buffer("bank", self.power.arrange(bank), persistent=False)
                self.bands = config.n_mels
        self.width = self.bands
        if config.kind == "mfcc":
            self.register_buffer("dct", AF.create_dct(config.n_mfcc, config.n_mels, "ortho"), persistent=False)
            self.width = config.n_mfcc
        if config.deltas and config.kind in ("mfcc", "logmel", "cqt"):
            self.width *= 3
        self.variance_floor = MAGNITUDE_VARIANCE_FLOOR if config.kind == "stft" else VARIANCE_FLOOR
        self.measured = self.width
        if config.kind == "pitch":
            self.pitch = PitchFeatures(self.centers(), config.harmonics)
            self.measured, self.width = self.pitch.measured, self.pitch.width

    def frames(self, samples: Tensor) -> Tensor:
        """Frames of recordings of ``samples`` [B] samples each."""
        return torch.div(samples, self.config.hop, rounding_mode="floor") + 1

    def centers(self) -> Tensor:
        """Centre frequency in Hz of each band of the spectrum, [bands]."""
        if self.config.kind in ("stft", "pitch"):
            return torch.arange(self.bands) * (self.sample_rate / self.config.n_fft)
        if self.config.kind == "cqt":
            return frequencies(self.sample_rate, self.config.bins_per_octave, self.config.min_hz).float()
        return mel_centers(self.bands, self.sample_rate)

    def band_power(self, waveform: Tensor, samples: Tensor) -> Tensor:
        """Power of each band: waveform [B, N], samples [B] -> [B, T, bands].

        Whatever stands past a recording's end is taken for silence.
        """
        power = self.power(waveform * frame_mask(samples, waveform.shape[1]).to(waveform.dtype))
        if self.config.kind == "cqt":
            return power
        if self.config.kind in ("stft", "pitch"):
            # [R, B, T, C] -> [B, T, bands]
            return power.permute(1, 2, 0, 3).flatten(2).index_select(2, self.order)
        rows, b, t, columns = power.shape
        return (power.reshape(rows, -1, columns) @ self.bank).sum(0).reshape(b, t, -1)

    def loudness(self, power: Tensor, frames: Tensor) -> Tensor:
        """The loudest band of every frame, 0 past the end: [B, T, bands], frames [B] -> [B, T]."""
        return power.amax(dim=2) * frame_mask(frames, power.shape[1]).to(power.dtype)

    def scale(self, power: Tensor, loudest: Tensor) -> Tensor:
        """Power [B, T, bands] -> the spectrum, given each recording's ``loudest`` band [B] (or [1] for all)."""
        if self.config.kind == "stft":
            return power.clamp_min(1e-12).sqrt()
        log_power = torch.maximum(power, loudest[:, None, None] * DYNAMIC_RANGE + 1e-20).log()
        if self.config.kind == "pitch":
            # How loud a frame is tells singing from silence. (Silence throughout stays as far down as it can.)
            return log_power - loudest[:, None, None].clamp_min(1e-12).log()
        return log_power

    def spectrum(self, waveform: Tensor, samples: Tensor) -> Tensor:
        """The part before augmentation: the bands' log power, or the magnitude for ``stft``.

        Args:
            waveform: [B, N], nominally in [-1, 1]; whatever stands past a recording's end is ignored.
            samples: [B], the true lengths.

        Returns:
            [B, T, bands]; frames past the end repeat the last one.
        """
        frames = self.frames(samples)
        power = self.band_power(waveform, samples)
        return repeat_last(self.scale(power, self.loudness(power, frames).amax(dim=1)), frames)

    def differences(self, spectrum: Tensor, frames: Tensor, loudest: Tensor | None = None) -> Tensor:
        """Spectrum -> features that are not normalised yet: [B, T, bands], frames [B] -> [B, T, measured].

        Frames of ``spectrum`` past the end must repeat the last one, as `spectrum` and augmentation leave them.

        Args:
            loudest: [B] or [1], power of the loudest band where ``spectrum`` is only a part of the recording.
        """
        x = spectrum
        if self.config.kind == "pitch":
            return self.pitch.measure(x)
        if self.config.kind == "stft" and self.config.normalize:
            # Weak bands of a quiet recording would otherwise fall under the least deviation below.
            peak = x.amax(dim=(1, 2)) if loudest is None else loudest.sqrt()
            x = x / peak[:, None, None].clamp_min(1e-6)
        if self.config.kind == "mfcc":
            x = x @ self.dct
        if self.config.deltas and self.config.kind != "stft":
            first = deltas(x)
            # The first differences past the end would not repeat; the second are taken from ones that do.
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
        """Features at mean 0 and deviation 1 where ``normalize`` is set; zeros past the end: [B, T, width].

        ``x`` [B, T, measured] is what `differences` returns, ``mean`` and ``variance`` [B, 1, measured] its moments.
        """
        if self.config.kind == "pitch":
            key = self.pitch.key(mean if self.config.normalize else torch.ones_like(mean))
            x = self.pitch.features(x, key)
        elif self.config.normalize:
            x = (x - mean) / variance.clamp_min(self.variance_floor).sqrt()
        return x * frame_mask(frames, x.shape[1])[:, :, None].to(x.dtype)
