"""The pitch front end: what a melody is made of, whoever sings it, in whatever key and however loud.

Three steps, all of them products of matrices and functions of single numbers, so that they stand in the ONNX graph:

* salience: how well each pitch explains a frame's spectrum. The kernel is that of SWIPE' (Camacho and Harris, "A
  sawtooth waveform inspired pitch estimator for speech and music", JASA 124, 2008): cosine lobes at the prime
  harmonics, valleys between them, weights falling with the root of frequency, matched with the root of the magnitude.
  Its softmax is a distribution over pitches; its peak says whether the frame has a pitch at all.
* colour: the level of each harmonic of that pitch. A transposed voice keeps them, formants and all.
* key: pitches are read relative to the recording's mean pitch, weighted by voicing. The mean over frames of what
  `PitchFeatures.measure` returns is all that this takes, so a recording can be read in windows.
"""

import math

import torch
from torch import Tensor, nn

LOWEST_HZ, HIGHEST_HZ = 65.0, 800.0
"""The pitches told apart: from a low man's voice to a child's, the queries' transpositions included."""
STEPS = 3
"""Pitches a semitone."""
TOP_HZ = 4000.0
"""As much of the spectrum is read."""
REACH = 14
"""Semitones above and below the mean pitch that are told apart."""
_PRIMES = (1, 2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59)
# Measured on hums and on synthetic singers: voiced frames reach a salience of .4 to .65, noise .05 to .2.
_SHARPNESS, _VOICED_AT = 30.0, 0.35
# A frame whose loudest bin lies under this share of the recording's (log power, -45 dB) is no singing.
_LOUD_AT = -45 * math.log(10) / 10


def kernel(pitches: Tensor, frequencies: Tensor) -> Tensor:
    """SWIPE's kernels: pitches [P] and frequencies [F] in Hz -> float64 [F, P], the positive part of unit length."""
    ratio = frequencies[:, None] / pitches[None, :]
    whole = frequencies.max() / pitches - 0.75  # harmonics that lie within the axis with both their valleys
    out = torch.zeros_like(ratio)
    wave = torch.cos(2 * math.pi * ratio)
    for harmonic in _PRIMES:
        distance = (ratio - harmonic).abs()
        lobe = torch.where(distance < 0.25, wave, torch.where(distance < 0.75, wave / 2, 0.0))
        out += lobe * (harmonic <= torch.clamp(whole, min=1))[None, :]
    out /= frequencies[:, None].clamp_min(float(frequencies[1])).sqrt()
    return out / torch.linalg.vector_norm(out.clamp_min(0), dim=0).clamp_min(1e-12)


def readers(places: Tensor, bins: int) -> Tensor:
    """Matrix that reads a row of ``bins`` numbers at ``places`` [..., P] between them, linearly: [..., bins, P]."""
    source = torch.arange(bins, device=places.device, dtype=places.dtype)[:, None]
    return (1 - (places.clamp(0, bins - 1)[..., None, :] - source).abs()).clamp_min(0)


class PitchFeatures(nn.Module):
    """Log power over the loudest [B, T, F] -> measures [B, T, measured] -> features [B, T, width].

    Measures: a distribution over P pitches times how voiced the frame is, then the levels of ``harmonics`` harmonics
    (nepers of power over their mean, on top of a fall of 9 dB an octave), likewise.
    Features: the distribution around the recording's mean pitch (a number a semitone), the levels, and how voiced.
    """

    kernels: Tensor
    semitones: Tensor
    taps: Tensor
    fall: Tensor
    relative: Tensor

    def __init__(self, frequencies: Tensor, harmonics: int) -> None:
        """``frequencies`` [F]: of the spectrum's bins in Hz, evenly spaced from 0."""
        super().__init__()
        frequencies = frequencies.double()
        self.harmonics = harmonics
        self.pitches = int(12 * STEPS * math.log2(HIGHEST_HZ / LOWEST_HZ)) + 1
        semitones = torch.arange(self.pitches, dtype=torch.float64) / STEPS
        hertz = LOWEST_HZ * 2 ** (semitones / 12)
        number = torch.arange(1, harmonics + 1, dtype=torch.float64)
        places = (number[:, None] * hertz / frequencies[1]).flatten()
        self.register_buffer("kernels", kernel(hertz, frequencies).float(), persistent=False)
        self.register_buffer("semitones", semitones.float(), persistent=False)
        self.register_buffer("taps", readers(places, len(frequencies)).float(), persistent=False)
        self.register_buffer("fall", (0.9 * math.log(10) * torch.log2(number)).float(), persistent=False)
        self.register_buffer("relative", torch.arange(-REACH, REACH + 1).float(), persistent=False)
        self.measured = self.pitches + harmonics
        self.width = len(self.relative) + harmonics + 1

    def measure(self, x: Tensor) -> Tensor:
        """What is read of each frame alone: [B, T, F] -> [B, T, measured]."""
        root = (x / 4).exp()  # of the magnitude
        salience = root @ self.kernels / torch.linalg.vector_norm(root, dim=2, keepdim=True)
        pitch = torch.softmax(_SHARPNESS * salience, dim=2)
        voiced = torch.sigmoid(_SHARPNESS * (salience.amax(dim=2, keepdim=True) - _VOICED_AT))
        voiced = voiced * torch.sigmoid(x.amax(dim=2, keepdim=True) - _LOUD_AT)
        if not self.harmonics:
            return voiced * pitch
        level = (x @ self.taps).unflatten(2, (self.harmonics, self.pitches))
        level = (level * pitch[:, :, None]).sum(3) + self.fall
        return voiced * torch.cat([pitch, level - level.mean(dim=2, keepdim=True)], dim=2)

    def key(self, mean: Tensor) -> Tensor:
        """The mean pitch of recordings, in semitones above the lowest: mean measures [B, 1, measured] -> [B]."""
        weight = mean[:, 0, : self.pitches]
        return (weight @ self.semitones) / weight.sum(dim=1).clamp_min(1e-12)

    def features(self, measures: Tensor, key: Tensor) -> Tensor:
        """Measures [B, T, measured] seen from ``key`` [B] (semitones above the lowest pitch) -> [B, T, width]."""
        pitch = measures[:, :, : self.pitches]
        distance = self.semitones[:, None] - (key[:, None, None] + self.relative)
        # Bells a semitone wide: a voice that is a quarter tone off still stands in its place.
        around = pitch @ torch.exp(-distance.square().clamp_max(30.0))  # nothing so small that it slows a processor
        voiced = pitch.sum(dim=2, keepdim=True)
        return torch.cat([2 * around, measures[:, :, self.pitches :] / 2, 2 * voiced], dim=2)
