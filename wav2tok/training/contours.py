"""Another performance of a melody: what people who hum do to pitch and time, on the two numbers of a contour.

It changes the spectrum of ``features.kind`` ``contour`` (`wav2tok.model.features.contour`): pitch in semitones, and how
sure the network is of it. Which frame comes when is decided on the CPU, so no step waits for the device.
"""

from collections.abc import Collection

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from wav2tok.config.training import ContourChange
from wav2tok.model.features.kind import Kind
from wav2tok.model.frames import frame_mask, take_rows

NOTE_SECONDS = (0.15, 0.5)
"""Length of the stretches that are dropped, repeated or sung an octave off; one length per recording."""
SHARE = 0.1
"""Of the stretches that are dropped, of those that are repeated, and of those that are an octave off."""
BEND = 0.35
"""Largest natural logarithm of the tempo's swing around that of the recording."""
BEND_SECONDS = (2.0, 6.0)
"""Period of that swing."""
GLIDE_SECONDS = 0.12
"""Largest standard deviation of the window that turns leaps into glides."""
VIBRATO_SEMITONES = 0.7
"""Largest depth, up and down."""
VIBRATO_HZ = (4.5, 7.0)


def vary(
    x: Tensor,
    frames: Tensor,
    kind: Kind,
    rate: float,
    strength: float,
    changes: Collection[ContourChange],
    generator: torch.Generator,
    changed: Tensor,
) -> tuple[Tensor, Tensor]:
    """Contours with the slips of another performance; what has no pitch gets none.

    Args:
        x: [B, T, 2], on any device, frames past each end repeating the last; frames: [B], on the CPU.
        rate: frames per second.
        strength: in (0, 1], the share of the largest changes (the constants of this module) that is drawn up to.
        changes: the kinds of changes to make.
        generator: CPU generator; the same state gives the same contours.
        changed: bool [B] on the CPU, the recordings to change.

    Returns:
        ([B, T', 2], [B] new lengths on the CPU), frames past each end repeating the last.
    """

    def draw(low: float, high: float, count: int = 1) -> Tensor:
        return low + (high - low) * torch.rand(len(frames), count, generator=generator)

    def on(change: ContourChange) -> Tensor:
        """The strength of a change for each recording, [B, 1]."""
        return strength * changed[:, None] * (change in changes)

    # Everything is drawn whether or not it is used, so that changes can be compared one at a time.
    stretch, offset = (draw(*NOTE_SECONDS) * rate).round().clamp_min(1), draw(0, 1)
    stretches = int(x.shape[1] / float(stretch.min())) + 2
    fate, octave = draw(0, 1, stretches), draw(0, 1, stretches)
    period, phase, bend = draw(*BEND_SECONDS), draw(0, 2 * torch.pi), draw(0, BEND)
    width, depth = draw(0, GLIDE_SECONDS) * on("glides"), draw(0, VIBRATO_SEMITONES) * on("vibrato")
    hertz, start = draw(*VIBRATO_HZ), draw(0, 2 * torch.pi)

    time = torch.arange(x.shape[1])[None, :]
    note = torch.div(time + (offset * stretch).floor(), stretch, rounding_mode="floor").long()
    slipped = on("octaves") * SHARE / 2
    slip = 12.0 * ((octave < slipped).float() - (octave > 1 - slipped).float()).gather(1, note)
    wave = depth * torch.sin(2 * torch.pi * hertz * time / rate + start)
    pitch, sure = x.unbind(2)
    pitch = _glided(pitch, sure * frame_mask(frames, x.shape[1]).to(x), width * rate)
    pitch = pitch + (slip + wave).to(x.device, non_blocking=True)
    x = torch.where(sure[:, :, None] > 0, torch.stack([pitch, sure], dim=2), x)

    lost = on("notes") * SHARE
    copies = (1 - (fate < lost).long() + (fate > 1 - lost).long()).gather(1, note)
    swing = bend * on("tempo") * torch.sin(2 * torch.pi * time / (period * rate) + phase)
    return _timed(x, frames, copies.numpy(), note.numpy(), swing.numpy(), kind)


def _glided(pitch: Tensor, sure: Tensor, width: Tensor) -> Tensor:
    """Pitch [B, T] smoothed where it is ``sure`` [B, T], and by as much, with a Gaussian of ``width`` [B, 1] frames."""
    reach = int(3 * float(width.max()) + 1)
    steps = torch.arange(-reach, reach + 1)[None, :]
    kernel = torch.exp(-(steps / width.clamp_min(1e-3)).square().clamp_max(200) / 2).to(pitch)

    def smooth(y: Tensor) -> Tensor:
        return F.conv1d(y[None], kernel[:, None], padding=reach, groups=len(kernel))[0]

    smoothed = smooth(sure * pitch) / smooth(sure).clamp_min(1e-6)
    return torch.where((width > 0).to(pitch.device) & (sure > 0), smoothed, pitch)


def _timed(
    x: Tensor, frames: Tensor, copies: np.ndarray, note: np.ndarray, swing: np.ndarray, kind: Kind
) -> tuple[Tensor, Tensor]:
    """Contours x [B, T, 2] in another time, which `_places` decides for each: ([B, T', 2], new lengths [B])."""
    parts = [
        _places(copies[row, :n], note[row, :n], swing[row, :n].astype(np.float64))
        for row, n in enumerate(frames.tolist())
    ]
    longest = max(len(weight) for _, _, weight in parts)
    first = torch.arange(len(x))[:, None] * x.shape[1]
    low, high, weight = (
        torch.from_numpy(np.stack([np.pad(one, (0, longest - len(one)), mode="edge") for one in column]))
        for column in zip(*parts, strict=True)
    )
    before, after = (take_rows(x.flatten(0, 1), (first + one).to(x.device, non_blocking=True)) for one in (low, high))
    changed = kind.between(before, after, weight[:, :, None].to(x.device, non_blocking=True))
    return changed, torch.tensor([len(one) for _, _, one in parts])


def _places(copies: np.ndarray, note: np.ndarray, swing: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which two frames each new frame lies between, int64 [T'] twice, and its place from 0 to 1, float32 [T'].

    Args:
        copies: int64 [T], how often a frame comes, the same in all of a note; all frames come once if none would.
        note: int64 [T], the number of the stretch that a frame belongs to. It is sung to its end before it comes again.
        swing: [T], the logarithm of a frame's length.
    """
    if not copies.any():
        copies = np.ones_like(copies)
    order = np.repeat(np.arange(len(copies)), copies)
    copy = np.arange(len(order)) - np.repeat(np.cumsum(copies) - copies, copies)
    order = order[np.lexsort((order, copy, note[order]))]
    # When each frame comes: from the middle of one to that of the next, half of either's length passes.
    long = np.exp(swing[order])
    when = np.concatenate([[0.0], np.cumsum((long[1:] + long[:-1]) / 2)])
    place = np.interp(np.linspace(0, when[-1], round(float(when[-1])) + 1), when, np.arange(len(order)))
    low = place.astype(np.int64)
    high = np.minimum(low + 1, len(order) - 1)
    return order[low], order[high], (place - low).astype(np.float32)
