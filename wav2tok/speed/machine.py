"""The best that the machine can do on which a number was measured."""

from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode

from wav2tok.config.schema import Config
from wav2tok.model.front_end import FrontEnd
from wav2tok.speed.timing import measured


@dataclass(frozen=True)
class Floor:
    """The best that a device can do, as measured.

    No computation in float32 is faster than `seconds`. Bytes are those that come from or go to memory; bytes that stay
    in a cache cost less, so count them once.
    """

    flops: float
    """Float32 operations per second; a multiply-add counts as two."""
    bandwidth: float
    """Bytes per second between memory and device, read and written bytes together."""

    def seconds(self, flop: float, bytes_moved: float) -> float:
        """The least time for ``flop`` operations and ``bytes_moved`` bytes: the longer of the two, as they overlap."""
        return max(flop / self.flops, bytes_moved / self.bandwidth)


def measure_floor(device: torch.device) -> Floor:
    """Measure ``device`` with as many threads as torch has now: a large matrix product and a large copy.

    Matrix products use TF32 or bfloat16 inside if torch is set so; the copy counts as one read and one write of every
    byte. On a GPU torch lets cuDNN's LSTM use TF32 unless it is set otherwise
    (``torch.backends.cudnn.allow_tf32``), so an encoder there may be faster than a floor from float32 products.
    Takes less than two seconds; .6 GiB on a CPU, 3 GiB on a GPU.
    """
    # Large enough to keep every core or multiprocessor busy, small enough for a slow CPU.
    side, copied = (8192, 1 << 30) if device.type == "cuda" else (1536, 1 << 28)
    left, right = torch.rand(2, side, side, device=device).unbind()
    product = torch.empty(side, side, device=device)
    flops = 2 * side**3 / min(measured(lambda: torch.mm(left, right, out=product), device, 0.5).times)
    # Filled, because pages are in memory only once they are written.
    source, target = torch.ones(2, copied // 4, device=device).unbind()
    bandwidth = 2 * copied / min(measured(lambda: target.copy_(source), device, 0.5).times)
    return Floor(flops, bandwidth)


def features_flop(config: Config) -> float:
    """Float operations of the matrix products per frame, from waveform to features; a multiply-add counts as two."""
    rate = config.data.sample_rate
    front_end = FrontEnd(config.features, rate)
    wave, samples = torch.zeros(1, rate), torch.tensor([rate])
    frames = front_end.frame_count(samples)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        front_end.finish(front_end.spectrum(wave, samples), frames)
    return counter.get_total_flops() / int(frames)


def encoder_flop(config: Config, width: int, steps: int) -> int:
    """Float operations per step (embedding) of the encoder's forward pass; a multiply-add counts as two.

    Only matrix products: gates, normalization and biases are about a hundredth of them at the default sizes.

    Args:
        config: the sizes of the encoder.
        width: features per frame that the encoder reads (``FrontEnd.width``).
        steps: of a recording; in a transformer each step attends to all of them.
    """
    e = config.encoder
    if e.kind == "linear":
        return 2 * e.dim * e.dim
    inputs, wide = width * e.stack, 2 * e.hidden
    if e.kind == "transformer":
        positions = wide * (wide // e.position_groups) * e.position_kernel
        layer = 4 * wide * wide + 2 * wide * e.ffn + 2 * steps * wide
        return 2 * (inputs * wide + positions + e.layers * layer + wide * e.dim)
    if e.kind == "sru":
        return 2 * wide * (inputs + e.layers * 3 * wide + e.dim)
    widths = [inputs] + [wide] * (e.layers - 1)
    lstm = sum(2 * 2 * 4 * e.hidden * (w + e.hidden) for w in widths)  # directions, multiply-add, gates
    return lstm + 2 * wide * e.dim


def codebook_flop(config: Config) -> int:
    """Float operations per step to compare an embedding with every codeword; a multiply-add counts as two."""
    return 2 * config.codebook.num_tokens * config.encoder.dim
