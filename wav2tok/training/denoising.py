"""Denoising: a linear encoder that hears in babble and in rooms what it would hear without them.

Copies of the training recordings are put into random rooms and babble, which the frozen network hears too. Each frame
of a copy has a clean frame at the same time. The matrix is the least-squares prediction of the clean frames from those
of clean and degraded recordings, with their context: a Wiener filter over the network's activations. It has a closed
form. What it predicts best are the words that it was fitted to (benchmarks/recipe.md).
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from wav2tok.audio import rooms
from wav2tok.audio.ahead import LongRecording, read_ahead
from wav2tok.audio.decode import UnreadableError
from wav2tok.config.schema import Config
from wav2tok.config.seeds import Stream, rng
from wav2tok.model.frames import frame_mask
from wav2tok.model.linear import LinearEncoder
from wav2tok.model.wav2tok import Wav2Tok

SECONDS = 1800
"""Audio that the matrix is estimated from, if there is as much; also the memory: 4 bytes a sample."""
COPIES = 2
"""Degraded copies of each recording."""
SNR_DB = (0.0, 20.0)
ROOM_SHARE = 0.75
"""Of the copies; the others are in babble alone."""
RIDGE = 0.01
"""Added to every variance, as a share of their mean."""
_AT_ONCE = 64


@torch.no_grad()
def denoise(model: Wav2Tok, paths: Sequence[str], config: Config) -> None:
    """Replace the linear encoder's matrix by the prediction of what it makes of clean recordings.

    Args:
        paths: of the training recordings, which are also the voices of the babble.

    Raises:
        UserError: a recording cannot be read, or all are silent.
    """
    encoder = model.encoder
    assert isinstance(encoder, LinearEncoder)
    generator = rng(config.seed, Stream.DENOISING)
    waveforms = _drawn(paths, config.data.sample_rate, generator)
    voices = rooms.sounding(waveforms)
    dim, wide = encoder.weight.shape
    squares = torch.zeros(wide, wide, dtype=torch.float64)
    products = torch.zeros(wide, dim, dtype=torch.float64)
    for first in range(0, len(waveforms), _AT_ONCE):
        clean = waveforms[first : first + _AT_ONCE]
        x = _frames(model, clean)
        target = x @ encoder.weight.double().cpu().T
        copies = [[degraded(one, voices, config.data.sample_rate, generator) for one in clean] for _ in range(COPIES)]
        for heard in (x, *(_frames(model, copy) for copy in copies)):
            squares += heard.T @ heard
            products += heard.T @ target
    squares += RIDGE * squares.diagonal().mean() * torch.eye(wide, dtype=torch.float64)
    encoder.weight.copy_(torch.linalg.solve(squares, products).T)


def degraded(
    waveform: np.ndarray, voices: Sequence[np.ndarray], sample_rate: int, generator: np.random.Generator
) -> np.ndarray:
    """A copy of ``waveform`` (float32 [N]) in babble, mostly in a random room, as long and in time with it."""
    if generator.random() < ROOM_SHARE:
        waveform = rooms.reverberate(waveform, rooms.impulse_response(sample_rate, generator))
    noise = rooms.babble(voices, len(waveform), generator)
    return rooms.mix(waveform, noise, generator.uniform(*SNR_DB))


def _drawn(paths: Sequence[str], sample_rate: int, generator: np.random.Generator) -> list[np.ndarray]:
    """Recordings in random order, `SECONDS` together; of long ones the first block."""
    order = [paths[i] for i in generator.permutation(len(paths))]
    chosen: list[np.ndarray] = []
    samples = 0
    for recording in read_ahead(order, sample_rate):
        if isinstance(recording, UnreadableError):
            raise recording
        chosen.append(next(recording.blocks()) if isinstance(recording, LongRecording) else recording)
        samples += len(chosen[-1])
        if samples >= SECONDS * sample_rate:
            break
    return chosen


def _frames(model: Wav2Tok, waveforms: Sequence[np.ndarray]) -> Tensor:
    """The frames of all recordings with their context, before the matrix: float64 [N, wide], on the CPU."""
    encoder, front_end = model.encoder, model.front_end
    assert isinstance(encoder, LinearEncoder)
    samples = torch.tensor([len(waveform) for waveform in waveforms])
    batch = torch.zeros(len(waveforms), int(samples.max()))
    for row, waveform in zip(batch, waveforms, strict=True):
        row[: len(waveform)] = torch.from_numpy(waveform)
    device = encoder.weight.device
    frames = front_end.frame_count(samples).to(device)
    spectrum = front_end.spectrum(batch.to(device), samples.to(device))
    x = encoder.wide(front_end.finish(spectrum, frames), frames)
    return x[frame_mask(encoder.steps(frames), x.shape[1])].double().cpu()
