"""``pitch``: what a melody is made of, whoever sings it, in any key and at any loudness.

Three steps, all of them matrix products and functions of single numbers, so that they fit into the ONNX graph:

* Salience: how well each pitch explains the spectrum of a frame. The kernel is that of SWIPE' (Camacho and Harris, "A
  sawtooth waveform inspired pitch estimator for speech and music", JASA 124, 2008): cosine lobes at the prime
  harmonics, valleys between them, weights falling with the root of frequency, matched with the root of the magnitude.
  Its softmax is a distribution over pitches; its peak says whether the frame has a pitch at all.
* Timbre: the level of each harmonic of that pitch. A transposed voice keeps them, including formants.
* Key: pitches are read relative to the recording's mean pitch, weighted by voicing. This needs only the mean over
  frames of what `Pitch.measure` returns, so a recording can be read in windows.
"""

import math

import torch
from torch import Tensor

from wav2tok.config.schema import Features
from wav2tok.model.features.stft import FourierBins

LOWEST_HZ, HIGHEST_HZ = 65.0, 800.0
"""The range of pitches: from a low male voice to a child's, with room for transposed queries."""
STEPS = 3
"""Pitches per semitone."""
TOP_HZ = 4000.0
"""The spectrum is read up to this frequency."""
REACH = 14
"""Semitones above and below the mean pitch that the features cover."""
LOUD_AT = -45 * math.log(10) / 10
"""A frame whose loudest bin is below this share of the recording's loudest (log power, -45 dB) is not singing."""
_PRIMES = (1, 2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59)
# Measured on hums and on synthetic singers: voiced frames reach a salience of .4 to .65, noise .05 to .2.
_SHARPNESS, _VOICED_AT = 30.0, 0.35


def kernel(pitches: Tensor, frequencies: Tensor) -> Tensor:
    """SWIPE's kernels: pitches [P] and frequencies [F] in Hz -> float64 [F, P], the positive part of unit length."""
    ratio = frequencies[:, None] / pitches[None, :]
    whole = frequencies.max() / pitches - 0.75  # harmonics that fit on the axis with both their valleys
    out = torch.zeros_like(ratio)
    wave = torch.cos(2 * math.pi * ratio)
    for harmonic in _PRIMES:
        distance = (ratio - harmonic).abs()
        lobe = torch.where(distance < 0.25, wave, torch.where(distance < 0.75, wave / 2, 0.0))
        out += lobe * (harmonic <= torch.clamp(whole, min=1))[None, :]
    out /= frequencies[:, None].clamp_min(float(frequencies[1])).sqrt()
    return out / torch.linalg.vector_norm(out.clamp_min(0), dim=0).clamp_min(1e-12)


def readers(places: Tensor, bins: int) -> Tensor:
    """Matrix that interpolates a row of ``bins`` numbers linearly at ``places`` [..., P]: [..., bins, P]."""
    source = torch.arange(bins, device=places.device, dtype=places.dtype)[:, None]
    return (1 - (places.clamp(0, bins - 1)[..., None, :] - source).abs()).clamp_min(0)


class Pitch(FourierBins):
    """The melody and the levels of its harmonics. The spectrum is log power up to 4 kHz relative to the loudest bin.

    Measures: a distribution over P pitches times how voiced the frame is, then the levels of H harmonics
    (nepers of power relative to their mean, after adding 9 dB per octave), also times how voiced it is.
    Features: the distribution around the recording's mean pitch (one value per semitone), the levels, and how voiced.
    Without ``normalize`` pitches are read relative to the middle of the range.
    """

    kernels: Tensor
    semitones: Tensor
    taps: Tensor
    fall: Tensor
    relative: Tensor

    def __init__(self, config: Features, sample_rate: int) -> None:
        super().__init__(config, sample_rate, min(config.n_fft // 2 + 1, int(TOP_HZ * config.n_fft / sample_rate) + 1))
        frequencies = self.centers().double()
        self.harmonics = config.harmonics
        self.pitches = int(12 * STEPS * math.log2(HIGHEST_HZ / LOWEST_HZ)) + 1
        semitones = torch.arange(self.pitches, dtype=torch.float64) / STEPS
        hertz = LOWEST_HZ * 2 ** (semitones / 12)
        number = torch.arange(1, self.harmonics + 1, dtype=torch.float64)
        places = (number[:, None] * hertz / frequencies[1]).flatten()
        self.register_buffer("kernels", kernel(hertz, frequencies).float(), persistent=False)
        self.register_buffer("semitones", semitones.float(), persistent=False)
        self.register_buffer("taps", readers(places, len(frequencies)).float(), persistent=False)
        self.register_buffer("fall", (0.9 * math.log(10) * torch.log2(number)).float(), persistent=False)
        self.register_buffer("relative", torch.arange(-REACH, REACH + 1).float(), persistent=False)
        self.measured = self.pitches + self.harmonics
        self.width = len(self.relative) + self.harmonics + 1

    def scale(self, power: Tensor, frames: Tensor, loudest: Tensor) -> Tensor:
        # How loud a frame is distinguishes singing from silence. (A silent recording stays at the lowest level.)
        return super().scale(power, frames, loudest) - loudest[:, None, None].clamp_min(1e-12).log()

    def measure(self, spectrum: Tensor, frames: Tensor, loudest: Tensor | None) -> Tensor:
        root = (spectrum / 4).exp()  # of the magnitude
        salience = root @ self.kernels / torch.linalg.vector_norm(root, dim=2, keepdim=True)
        pitch = torch.softmax(_SHARPNESS * salience, dim=2)
        voiced = torch.sigmoid(_SHARPNESS * (salience.amax(dim=2, keepdim=True) - _VOICED_AT))
        voiced = voiced * torch.sigmoid(spectrum.amax(dim=2, keepdim=True) - LOUD_AT)
        if not self.harmonics:
            return voiced * pitch
        level = (spectrum @ self.taps).unflatten(2, (self.harmonics, self.pitches))
        level = (level * pitch[:, :, None]).sum(3) + self.fall
        return voiced * torch.cat([pitch, level - level.mean(dim=2, keepdim=True)], dim=2)

    def key(self, mean: Tensor) -> Tensor:
        """The mean pitch of recordings, in semitones above the lowest: mean measures [B, 1, measured] -> [B]."""
        weight = mean[:, 0, : self.pitches]
        return (weight @ self.semitones) / weight.sum(dim=1).clamp_min(1e-12)

    def normalized(self, x: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
        """Measures [B, T, measured] relative to the key of their ``mean`` [B, 1, measured] -> [B, T, width]."""
        key = self.key(mean if self.config.normalize else torch.ones_like(mean))
        pitch = x[:, :, : self.pitches]
        distance = self.semitones[:, None] - (key[:, None, None] + self.relative)
        # Bells one semitone wide: a voice that is a quarter tone off still falls into its semitone.
        around = pitch @ torch.exp(-distance.square().clamp_max(30.0))  # keeps denormal numbers out, which are slow
        voiced = pitch.sum(dim=2, keepdim=True)
        return torch.cat([2 * around, x[:, :, self.pitches :] / 2, 2 * voiced], dim=2)
