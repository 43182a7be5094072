"""The frames that baselines compare: log-mel and MFCC, and how frames are normalised and cut for matching.

Features are torchaudio's: n_fft 1024, hop 256, 64 mel bands; 13 MFCC with first and second differences (39). Every
coefficient has mean 0 and variance 1 in each recording.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
import torch
import torchaudio

from wav2tok.device import available_cpus, torch_threads
from wav2tok.evaluation.systems import Represent

N_FFT, HOP, N_MELS, N_MFCC = 1024, 256, 64, 13
COLUMNS_AT_ONCE = 16_384
"""Columns of local costs in memory at once, for each thread that matches: with 400 frames of a query, 26 MB."""
# Below the noise of any recording: 16-bit silence is lower, and this is the same everywhere.
_FLOOR = 1e-6


def log_mel(sample_rate: int) -> Represent:
    """A function from waveforms, float32 [N] at ``sample_rate``, to normalised log-mel frames, float32 [T, 64]."""
    bands = torchaudio.transforms.MelSpectrogram(sample_rate, n_fft=N_FFT, hop_length=HOP, n_mels=N_MELS)
    return _one_by_one(lambda waveform: torch.log(bands(waveform) + _FLOOR))


def mfcc(sample_rate: int) -> Represent:
    """A function from waveforms, float32 [N] at ``sample_rate``, to normalised MFCC and deltas, float32 [T, 39]."""
    options = {"n_fft": N_FFT, "hop_length": HOP, "n_mels": N_MELS}
    cepstrum = torchaudio.transforms.MFCC(sample_rate, n_mfcc=N_MFCC, log_mels=True, melkwargs=options)
    deltas = torchaudio.functional.compute_deltas

    def both(waveform: torch.Tensor) -> torch.Tensor:
        static = cepstrum(waveform)
        return torch.cat([static, deltas(static), deltas(deltas(static))])

    return _one_by_one(both)


def _one_by_one(features: Callable[[torch.Tensor], torch.Tensor]) -> Represent:
    """``features`` of a waveform [N], float [F, T], normalised: for many waveforms, one thread per core."""

    def represent(waveforms: list[np.ndarray]) -> list[np.ndarray]:
        def one(waveform: np.ndarray) -> np.ndarray:
            with torch.inference_mode():
                return _normalize(features(_padded(waveform)))

        with torch_threads(1), ThreadPoolExecutor(available_cpus()) as pool:
            return list(pool.map(one, waveforms))

    return represent


def unit_length(frames: np.ndarray) -> np.ndarray:
    """Frames [T, F] scaled to unit length, float32; a frame of zeros stays zero, at distance 1 from every frame."""
    frames = np.asarray(frames, dtype=np.float32)
    return frames / np.maximum(np.linalg.norm(frames, axis=1, keepdims=True), np.float32(1e-12))


def each(function: Callable[[int], None], rows: Iterable[int]) -> None:
    """Call ``function`` with every row: one thread per core, and no threads inside a matrix product.

    The pools of OpenBLAS and numba wait for each other by spinning, which was ten times slower on a busy machine.
    """
    with _pools().limit(limits=1, user_api="blas"), ThreadPoolExecutor(available_cpus()) as pool:
        list(pool.map(function, rows))


@cache
def _pools() -> Any:
    """The thread pools of the libraries in this process; to find them takes 5 ms, as long as matching short strings."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def chunks(widths: Sequence[int]) -> list[tuple[int, int]]:
    """Runs [first, last) of items that are at most `COLUMNS_AT_ONCE` columns wide together, or of one wider item."""
    runs: list[tuple[int, int]] = []
    first = total = 0
    for place, width in enumerate(widths):
        if place > first and total + width > COLUMNS_AT_ONCE:
            runs.append((first, place))
            first, total = place, 0
        total += width
    return [*runs, (first, len(widths))] if len(widths) else []


def _padded(waveform: np.ndarray) -> torch.Tensor:
    """The waveform as a tensor [N], padded with silence to at least one window."""
    waveform = np.pad(waveform, (0, max(0, N_FFT - len(waveform))))
    return torch.from_numpy(np.ascontiguousarray(waveform, dtype=np.float32))


def _normalize(features: torch.Tensor) -> np.ndarray:
    """A tensor [F, T] -> float32 [T, F], each coefficient at mean 0 and variance 1 over the recording."""
    features = features - features.mean(dim=1, keepdim=True)
    return (features / features.std(dim=1, keepdim=True, correction=0).clamp_min(1e-5)).T.contiguous().numpy()
