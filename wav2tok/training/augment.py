"""Augmentation of spectra: batched, on the device, a few gathers per batch.

Pitch is shifted by stretching the frequency axis, which also moves formants (for hums another key, for speech another
vocal tract), tempo by resampling frames, and a floor of coloured noise is added. It works on the stored spectrum of
every recording, so no waveform is decoded twice or vocoded.
"""

import math

import torch
from torch import Tensor

from wav2tok.config.schema import Augment
from wav2tok.model.features.kind import Kind
from wav2tok.model.frames import repeat_last, take_rows
from wav2tok.model.front_end import FrontEnd
from wav2tok.training.contours import vary


def change_tempo(x: Tensor, frames: Tensor, new_frames: Tensor, kind: Kind, longest: int) -> Tensor:
    """Interpolate sub-frames: x [B, S, D], lengths [B] before and after -> [B, longest, D], ends repeated.

    The lengths are on the CPU.
    """
    device = x.device
    steps = torch.arange(longest)[None, :]
    # Frame 0 goes to frame 0 and the last to the last.
    scale = (frames - 1) / (new_frames - 1).clamp_min(1)
    position = torch.minimum(steps * scale[:, None], (frames - 1)[:, None].float())
    low = position.floor().long()
    rows = torch.arange(len(frames))[:, None] * x.shape[1]
    high = torch.minimum(low + 1, frames[:, None] - 1)
    flat = x.flatten(0, 1)
    weight = (position - low)[:, :, None].to(device, non_blocking=True)
    before, after = ((rows + index).to(device, non_blocking=True) for index in (low, high))
    return kind.between(take_rows(flat, before), take_rows(flat, after), weight)


def resample(x: Tensor, frames: Tensor, tempo: Tensor, kind: Kind) -> tuple[Tensor, Tensor]:
    """Another ``tempo`` [B]: x [B, T, bands], lengths [B] on the CPU -> (sub-frames [B, S, D], new lengths [B]).

    A last frame that is not full repeats its last sub-frame.
    """
    before = kind.parts * frames
    after = (before / tempo).round().long().clamp_min(1)
    new_frames = torch.div(after + kind.parts - 1, kind.parts, rounding_mode="floor")
    parts = x.reshape(len(x), -1, x.shape[2] // kind.parts)
    return change_tempo(parts, before, after, kind, kind.parts * int(new_frames.max())), new_frames


def on_device(generator: torch.Generator, device: torch.device) -> torch.Generator:
    """``generator`` itself on the CPU; otherwise a generator of the device, seeded from it."""
    if device.type == "cpu":
        return generator
    return torch.Generator(device).manual_seed(int(torch.randint(2**62, (), generator=generator)))


def augment(
    spectrum: Tensor,
    frames: Tensor,
    front_end: FrontEnd,
    config: Augment,
    generator: torch.Generator,
    allowed: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """A copy of each recording with random pitch, tempo and noise; the share ``config.share`` of them is changed.

    With ``config.contour`` a changed contour is another performance, too (`wav2tok.training.contours`).

    Args:
        spectrum: [B, T, bands] from `FrontEnd.spectrum`, on any device; frames: [B], on the CPU.
        generator: CPU generator; the same state gives the same copies.
        allowed: bool [B] on the CPU, which recordings may be changed; None means all.

    Returns:
        ([B, T', bands], [B] new lengths on the CPU), the frames past each end repeating the last one.
    """
    device, b = spectrum.device, len(frames)

    def draw(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(b, generator=generator)

    changed = draw(0, 1) < config.share
    if allowed is not None:
        changed &= allowed
    semitones = draw(-config.semitones, config.semitones)
    tempo = torch.exp(draw(math.log(config.min_tempo), math.log(config.max_tempo)))
    level, tilt = draw(-60, -60 + 2 * (config.noise_db or 0)), draw(-config.equalizer_db, config.equalizer_db)
    level = torch.where(changed, level, -torch.inf)
    if config.contour:
        rate = front_end.sample_rate / front_end.config.hop
        kind, changes = front_end.kind, config.contour_changes
        spectrum, frames = vary(spectrum, frames, kind, rate, config.contour, changes, generator, changed)

    tempo = torch.where(changed, tempo, 1.0)
    x, new_frames = resample(spectrum, frames, tempo, front_end.kind)
    x = front_end.kind.shift(x, torch.where(changed, 2 ** (semitones / 12), 1.0))
    if front_end.kind.logarithmic and config.noise_db is not None:
        loudest = x.amax(dim=(1, 2), keepdim=True)
        slope = torch.linspace(-1, 1, x.shape[2])
        decibel = (level[:, None] + tilt[:, None] * slope)[:, None, :].to(device, non_blocking=True)
        # Noise power varies around its mean from frame to frame and band to band, as in a periodogram.
        flutter = torch.rand(x.shape, generator=on_device(generator, device), device=device)
        flutter = flutter.clamp_min_(1e-3).log_().neg_().log_()
        x = torch.logaddexp(x, loudest + decibel * (math.log(10) / 10) + flutter)
    x = x.reshape(b, -1, spectrum.shape[2])
    return repeat_last(x, new_frames.to(device, non_blocking=True)), new_frames


def same_length(x: Tensor, frames: Tensor, members: int, kind: Kind) -> tuple[Tensor, Tensor]:
    """Stretch the members of every pair or triplet in time to their mean length, keeping the pitch.

    Args:
        x: [members * B, T, bands], the first members of all, then the second; frames: [members * B], on the CPU.

    Returns:
        ([members * B, T', bands], [members * B] new lengths on the CPU).
    """
    mean = frames.reshape(members, -1).double().mean(0).round().long().repeat(members)
    bands, parts = x.shape[2], kind.parts
    longest = parts * int(mean.max())
    x = change_tempo(x.reshape(len(x), -1, bands // parts), parts * frames, parts * mean, kind, longest)
    return repeat_last(x.reshape(len(x), -1, bands), mean.to(x.device, non_blocking=True)), mean
