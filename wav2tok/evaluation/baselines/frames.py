"""Frames that the baselines compare: log-mel and MFCC."""

import numpy as np
import torch
import torchaudio

from wav2tok.evaluation.systems import Represent

N_FFT, HOP, N_MELS, N_MFCC = 1024, 256, 64, 13


# Below any recording's noise: 16-bit silence gives less, and is the same everywhere.
_FLOOR = 1e-6


def log_mel(sample_rate: int) -> Represent:
    """A function from waveforms, float32 [N] at ``sample_rate``, to normalised log-mel frames, float32 [T, 64]."""
    bands = torchaudio.transforms.MelSpectrogram(sample_rate, n_fft=N_FFT, hop_length=HOP, n_mels=N_MELS)

    def represent(waveforms: list[np.ndarray]) -> list[np.ndarray]:
        with torch.inference_mode():
            return [_normalize(torch.log(bands(_padded(waveform)) + _FLOOR)) for waveform in waveforms]

    return represent


def mfcc(sample_rate: int) -> Represent:
    """A function from waveforms, float32 [N] at ``sample_rate``, to normalised MFCC and deltas, float32 [T, 39]."""
    options = {"n_fft": N_FFT, "hop_length": HOP, "n_mels": N_MELS}
    cepstrum = torchaudio.transforms.MFCC(sample_rate, n_mfcc=N_MFCC, log_mels=True, melkwargs=options)
    deltas = torchaudio.functional.compute_deltas

    def represent(waveforms: list[np.ndarray]) -> list[np.ndarray]:
        found = []
        with torch.inference_mode():
            for waveform in waveforms:
                static = cepstrum(_padded(waveform))
                found.append(_normalize(torch.cat([static, deltas(static), deltas(deltas(static))])))
        return found

    return represent


def _padded(waveform: np.ndarray) -> torch.Tensor:
    """The waveform as a tensor [N], with silence after it if it is shorter than one window."""
    waveform = np.pad(waveform, (0, max(0, N_FFT - len(waveform))))
    return torch.from_numpy(np.ascontiguousarray(waveform, dtype=np.float32))


def _normalize(features: torch.Tensor) -> np.ndarray:
    """A tensor [F, T] -> float32 [T, F], each coefficient at mean 0 and variance 1 over the recording."""
    features = features - features.mean(dim=1, keepdim=True)
    return (features / features.std(dim=1, keepdim=True, correction=0).clamp_min(1e-5)).T.contiguous().numpy()
