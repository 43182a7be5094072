"""``contour``: the melody as a pretrained network hears it, in any key: pitch, and how voiced it is.

The network is SwiftF0 (Lars Nieradzik, "SwiftF0: fast and accurate monophonic pitch detection", 2025): small
convolutions over log magnitudes of 128 bands at three window lengths, every 256 samples. It is frozen, so it runs once
per recording. The spectrum is two numbers per frame, and augmentation edits these: a shift adds semitones.

The network's confidence depends on how loud its input is, so the input is scaled by the recording's loudest band.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wav2tok.config.schema import CONTOUR_RATE, CONTOUR_STEP, Features
from wav2tok.model.features.kind import DYNAMIC_RANGE, Kind
from wav2tok.model.features.pitch import LOUD_AT, REACH
from wav2tok.model.features.pretrained import Origin, Weights, constants, convolutions, require_rate
from wav2tok.model.frames import frame_mask
from wav2tok.model.spectrum import PowerSpectrum

ORIGIN = Origin(
    name="SwiftF0",
    authors="Lars Nieradzik",
    licence="MIT",
    source="model.onnx in swift-f0 0.3.0",
)
WEIGHTS = Weights(
    "swift-f0",
    "0.3.0",
    "swift_f0/model.onnx",
    "6385e8c2ebc3872e82c9ff5946228de44cd3be77a750ea53698b7dbfe94b0a22",
)
WINDOWS = (1024, 2048, 512)
"""Lengths of the Hann windows, in the order of the network's input channels."""
BANDS, PITCHED = 128, 96
"""Bands per window length, and how many of them hold candidates for the pitch."""
CONTEXT = 7
"""Steps on either side of one that the network's output depends on."""
LOUDEST = 44.0
"""Magnitude of a recording's loudest band as the network gets it: the median of hums."""
WIDTH = 1.2
"""Standard deviation of a bell in semitones: a voice that is a quarter tone off is still near its semitone."""
_FLOOR = math.log(DYNAMIC_RANGE) / 2
_SEMITONE = math.log(2) / 12


class PitchNetwork(nn.Module):
    """SwiftF0 after its spectrum: log magnitudes [B, 3, 128, S + 14] -> (log Hz [B, S], confidence [B, S]).

    Time is not padded: `CONTEXT` steps before and after are given.
    """

    logs: Tensor

    def __init__(self, kernels: list[tuple[Tensor, Tensor]], dilations: list[int], logs: Tensor) -> None:
        """``logs`` [95]: logarithms of the candidates in Hz."""
        super().__init__()
        self.dilations = dilations
        for i, (kernel, bias) in enumerate(kernels):
            if kernel.ndim == 4:  # with the channels last in memory a CPU needs two thirds of the time
                kernel = kernel.contiguous(memory_format=torch.channels_last)
            self.register_buffer(f"kernel_{i}", kernel, persistent=False)
            self.register_buffer(f"bias_{i}", bias, persistent=False)
        self.register_buffer("logs", logs, persistent=False)

    def convolve(self, x: Tensor, i: int) -> Tensor:
        """Convolution ``i``, padded in frequency but not in time."""
        kernel, bias, dilation = self.get_buffer(f"kernel_{i}"), self.get_buffer(f"bias_{i}"), self.dilations[i]
        return F.conv2d(x, kernel, bias, padding=(dilation * (kernel.shape[2] // 2), 0), dilation=(dilation, 1))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        level = x.mean(dim=(1, 2))[:, None, CONTEXT - 1 : 1 - CONTEXT]
        x = self.convolve(x.contiguous(memory_format=torch.channels_last), 0).relu_()
        for first in (1, 3, 5, 7, 9, 11):  # residual blocks
            y = self.convolve(self.convolve(x, first).relu_(), first + 1)
            gone = (x.shape[3] - y.shape[3]) // 2
            x = (x[:, :, :, gone : x.shape[3] - gone] + y).relu_()
        # A kernel three bands wide, padded below only.
        x = self.convolve(x[:, :, :PITCHED], 13)[:, :, : PITCHED - 1].relu_()
        voice = torch.cat([self.convolve(x, 14).amax(dim=2), level], dim=1)
        logits = self.convolve(x, 15)[:, 0, :, 1:-1].transpose(1, 2)
        voice = F.conv1d(voice, self.get_buffer("kernel_16"), self.get_buffer("bias_16")).relu_()
        voice = F.conv1d(voice, self.get_buffer("kernel_17"), self.get_buffer("bias_17"))[:, 0]
        # The mean of the best candidate and its neighbours.
        best = logits.argmax(dim=2, keepdim=True)
        near = (torch.arange(len(self.logs), device=x.device) - best).abs() <= 1
        return torch.softmax(torch.where(near, logits, -torch.inf), dim=2) @ self.logs, voice.sigmoid()


class Contour(Kind):
    """The melody relative to the recording's key.

    Spectrum: pitch in semitones above the network's lowest, and how sure it is (0 to 1, and 0 below a half).
    Features: how near the pitch is to each of 29 semitones around the recording's mean pitch, times how sure it is; and
    1 less that, which marks a rest. Without ``normalize`` pitches are read relative to the middle of the network's
    range.

    Raises:
        UserError: another sampling rate than 16 kHz, or the package with the weights is not installed.
    """

    relative: Tensor
    differences = False
    logarithmic = False
    origin = ORIGIN

    def __init__(self, config: Features, sample_rate: int) -> None:
        require_rate("contour", CONTOUR_RATE, sample_rate)
        super().__init__(config, sample_rate, 2)
        graph = WEIGHTS.graph()
        known = constants(graph)
        self.steps = config.hop // CONTOUR_STEP
        self.before = CONTOUR_STEP * (self.steps - 1) // 2
        self.measured = 3
        self.width = 2 * REACH + 1 + 1
        self.reach = 1 + -(-(CONTEXT * CONTOUR_STEP + max(WINDOWS) // 2 + self.before) // config.hop)
        transforms = [PowerSpectrum(size, CONTOUR_STEP) for size in WINDOWS]
        self.transforms = nn.ModuleList(transforms)
        # The file holds each bank as places and values of the numbers that are not 0.
        scatters = [node for node in graph.node if node.op_type == "ScatterElements"]
        for size, transform, node in zip(WINDOWS, transforms, scatters, strict=True):
            bank = torch.zeros((size // 2 + 1) * BANDS)
            bank[torch.tensor(known[node.input[1]]).long()] = torch.tensor(known[node.input[2]])
            bank = transform.arrange(bank.reshape(-1, BANDS))
            self.register_buffer(f"bank_{size}", bank, persistent=False)
        kernels = [(torch.tensor(kernel), torch.tensor(bias)) for kernel, bias in convolutions(graph)]
        dilations = [
            next(a.ints[0] for a in n.attribute if a.name == "dilations") for n in graph.node if n.op_type == "Conv"
        ]
        (logs,) = (value for value in known.values() if value.dtype == "float64")
        self.lowest, self.middle = float(logs[0]), float(logs[-1] - logs[0]) / 2 / _SEMITONE
        self.network = PitchNetwork(kernels, dilations, torch.tensor(logs).float())
        self.register_buffer("relative", torch.arange(-REACH, REACH + 1).float(), persistent=False)

    def centers(self) -> Tensor:
        raise NotImplementedError("a contour has no bands")

    def power(self, waveform: Tensor) -> Tensor:
        """Power of the bands of every step: [B, N] -> [B, T, steps * 3 * 128], the steps around the frame's centre."""
        padded = F.pad(waveform, (self.before, self.config.hop - self.before))
        frames = waveform.shape[1] // self.config.hop + 1
        channels = []
        for size, transform in zip(WINDOWS, self.transforms, strict=True):
            magnitude = transform(padded)[:, :, : self.steps * frames].sqrt()
            rows, b, t, columns = magnitude.shape
            bands = magnitude.reshape(rows, -1, columns) @ self.get_buffer(f"bank_{size}")
            channels.append(bands.sum(0).reshape(b, t, BANDS))
        return torch.cat(channels, dim=2).square().reshape(waveform.shape[0], frames, -1)

    def scale(self, power: Tensor, frames: Tensor, loudest: Tensor) -> Tensor:
        # Nepers of magnitude relative to the loudest band; before a recording and after it there is silence.
        x = super().scale(power, frames, loudest) - loudest[:, None, None].clamp_min(1e-12).log()
        x = torch.where(frame_mask(frames, x.shape[1])[:, :, None], x / 2, _FLOOR)
        level = x.amax(dim=2, keepdim=True)
        x = x.reshape(x.shape[0], -1, len(WINDOWS), BANDS).permute(0, 2, 3, 1)
        log_hertz, confidence = self.network(F.pad(x, (CONTEXT, CONTEXT), value=_FLOOR) + math.log(LOUDEST))
        # The network has never heard such silence, and may find a pitch in it.
        sure = confidence.reshape(level.shape[0], -1, self.steps) * torch.sigmoid(2 * level - LOUD_AT)
        # Below a half the pitch is mostly wrong. A steep slope instead of a jump: rounding changes no token.
        sure = sure * (10 * sure - 4.5).clamp(0, 1)
        semitones = ((log_hertz - self.lowest) / _SEMITONE).reshape(sure.shape)
        total = sure.sum(dim=2)
        return torch.stack([(sure * semitones).sum(dim=2) / total.clamp_min(1e-6), total / self.steps], dim=2)

    def measure(self, spectrum: Tensor, frames: Tensor, loudest: Tensor | None) -> Tensor:
        semitones, sure = spectrum.unbind(2)
        return torch.stack([sure, sure * semitones, semitones], dim=2)

    def normalized(self, x: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
        """Measures [B, T, 3] relative to the key of their ``mean`` [B, 1, 3] -> [B, T, 30]."""
        key = mean[:, :, 1:2] / mean[:, :, :1].clamp_min(1e-6) if self.config.normalize else self.middle
        sure, semitones = x[:, :, :1], x[:, :, 2:]
        bells = torch.exp(-((semitones - key - self.relative).square() / (2 * WIDTH**2)).clamp_max(30.0))
        return torch.cat([sure * bells, 1 - sure], dim=2)

    def shift(self, x: Tensor, ratio: Tensor) -> Tensor:
        semitones = torch.log2(ratio).mul(12).to(x.device, non_blocking=True)
        return x + F.pad(semitones[:, None, None], (0, 1))

    def between(self, before: Tensor, after: Tensor, weight: Tensor) -> Tensor:
        x = torch.lerp(before, after, weight)
        # Where only one of the two is voiced, the other's pitch means nothing.
        one, other = before[:, :, 1:] > 0, after[:, :, 1:] > 0
        share = torch.where(one == other, weight, (other & (weight > 0)).to(weight.dtype))
        return torch.cat([torch.lerp(before[:, :, :1], after[:, :, :1], share), x[:, :, 1:]], dim=2)
