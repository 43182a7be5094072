"""What is given to be encoded: checked, resampled and padded."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from wav2tok.audio import decode
from wav2tok.errors import UserError


def checked(waveforms: Sequence[np.ndarray], sample_rate: int, rate: int) -> list[np.ndarray]:
    """Waveforms at ``sample_rate`` Hz, float [N] each, as float32 [N'] each at ``rate`` Hz.

    Raises:
        UserError: ``sample_rate`` is not positive, or a waveform is empty, not one-dimensional, not finite, or not
            of floats.
    """
    if not isinstance(sample_rate, int | np.integer) or sample_rate <= 0:
        raise UserError(f"sample_rate is {sample_rate!r}; it must be a positive integer, in Hz.")
    if isinstance(waveforms, str | Path):
        raise UserError(f"waveforms is the path {waveforms}; encode a file with encode_file.")
    if isinstance(waveforms, np.ndarray) and waveforms.ndim == 1 and waveforms.dtype != object:
        raise UserError("waveforms is one array; put it in a list: encode([waveform], sample_rate).")
    return [decode.resample(_checked(i, wave), sample_rate, rate) for i, wave in enumerate(waveforms)]


def _checked(number: int, waveform: np.ndarray) -> np.ndarray:
    """A waveform as float32 [N], if it is one channel of finite floats."""
    wave = np.asarray(waveform)
    if wave.dtype.kind in "iu":
        raise UserError(
            f"waveform {number} has dtype {wave.dtype}; convert it to floats in [-1, 1] first (divide 16-bit samples "
            "by 32768)."
        )
    if wave.dtype.kind != "f":
        raise UserError(f"waveform {number} has dtype {wave.dtype}; it must be an array of floats.")
    wave = wave.astype(np.float32, copy=False)
    if wave.ndim != 1 or len(wave) == 0 or not np.isfinite(wave).all():
        raise UserError(f"waveform {number} has shape {wave.shape}; it must be one channel of finite samples.")
    return wave


def padded(waveforms: Sequence[np.ndarray], length: int) -> dict[str, np.ndarray]:
    """The graph's inputs for float32 [N] each: the waveforms padded with zeros to a length, and their true lengths."""
    samples = np.array([len(w) for w in waveforms], dtype=np.int64)
    batch = np.zeros((len(waveforms), length), dtype=np.float32)
    for row, wave in zip(batch, waveforms, strict=True):
        row[: len(wave)] = wave
    return {"waveform": batch, "samples": samples}
