"""Augmentation of spectra: batched, on the device, a few gathers a batch.

Pitch is shifted by stretching the frequency axis, which moves formants along with it (for hums the melody's key, for
speech another vocal tract), tempo by resampling the frames, and a floor of coloured noise is added. It works on the
spectrum that the front end keeps for every recording, so that no waveform is decoded or vocoded twice.
"""

import torch
from torch import Tensor

from wav2tok.config import Augment
from wav2tok.features import FrontEnd, repeat_last


def band_positions(front_end: FrontEnd, ratio: Tensor) -> Tensor:
    """Where on the band axis each band's content comes from when frequencies are multiplied by ``ratio`` [B].

    Returns:
        [B, bands], fractional, within the axis.
    """
    centers = front_end.centers().to(ratio.device)
    wanted = centers[None, :] / ratio[:, None]
    upper = torch.searchsorted(centers, wanted).clamp(1, len(centers) - 1)
    low, high = centers[upper - 1], centers[upper]
    return (upper - 1 + (wanted - low) / (high - low)).clamp(0, len(centers) - 1)


def _blend(x: Tensor, position: Tensor, dim: int) -> Tensor:
    """Linear interpolation of x [B, T, D] at fractional ``position`` [B, T'] along ``dim`` (1 or 2)."""
    low = position.floor().long()
    high = (low + 1).clamp_max(x.shape[dim] - 1)
    weight = position - low
    if dim == 1:
        shape = (-1, -1, x.shape[2])
        return torch.lerp(
            x.gather(1, low[:, :, None].expand(shape)), x.gather(1, high[:, :, None].expand(shape)), weight[:, :, None]
        )
    shape = (-1, x.shape[1], -1)
    return torch.lerp(
        x.gather(2, low[:, None, :].expand(shape)), x.gather(2, high[:, None, :].expand(shape)), weight[:, None, :]
    )


def augment(
    spectrum: Tensor, frames: Tensor, front_end: FrontEnd, config: Augment, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """A changed copy of each recording: pitch, tempo and noise drawn anew, ``config.share`` of them touched.

    Args:
        spectrum: [B, T, bands] from `FrontEnd.spectrum`; frames: [B].
        generator: CPU generator; the same state gives the same copies.

    Returns:
        ([B, T', bands], [B] new lengths), the frames past each end repeating the last one.
    """
    device, b = spectrum.device, len(frames)

    def draw(low: float, high: float, *size: int) -> Tensor:
        return (low + (high - low) * torch.rand(b, *size, generator=generator)).to(device)

    touched = draw(0, 1) < config.share
    semitones = draw(-config.semitones, config.semitones)
    tempo = torch.exp(
        draw(torch.log(torch.tensor(config.min_tempo)).item(), torch.log(torch.tensor(config.max_tempo)).item())
    )
    level, tilt = draw(-60, -60 + 2 * config.noise_db), draw(-config.equalizer_db, config.equalizer_db)

    tempo = torch.where(touched, tempo, 1.0)
    new_frames = (frames / tempo).round().long().clamp_min(1)
    longest = int(new_frames.max())
    steps = torch.arange(longest, device=device)[None, :]
    # Frame 0 goes to frame 0 and the last to the last.
    scale = (frames - 1) / (new_frames - 1).clamp_min(1)
    x = _blend(spectrum, torch.minimum(steps * scale[:, None], (frames - 1)[:, None].float()), 1)
    ratio = torch.where(touched, 2 ** (semitones / 12), 1.0)
    x = _blend(x, band_positions(front_end, ratio), 2)
    if front_end.config.kind != "stft":
        loudest = x.amax(dim=(1, 2), keepdim=True)
        slope = torch.linspace(-1, 1, x.shape[2], device=device)
        decibel = (level[:, None] + tilt[:, None] * slope)[:, None, :] + torch.where(touched, 0.0, -torch.inf)[
            :, None, None
        ]
        # Noise power varies about its mean from frame to frame and band to band, as a periodogram's does.
        flutter = torch.rand(x.shape, generator=generator).to(device).clamp_min(1e-3).log().neg().log()
        x = torch.logaddexp(x, loudest + decibel * (2.302585 / 10) + flutter)
    return repeat_last(x, new_frames), new_frames
