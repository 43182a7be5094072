"""Choose the device, and describe the choice."""

import contextlib
from collections.abc import Iterator

import torch

from wav2tok.errors import UserError


def choose(device: str) -> torch.device:
    """``auto``, ``cpu`` or ``cuda`` -> the device.

    Raises:
        UserError: ``cuda`` without a CUDA device (it never falls back silently), or another word.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise UserError(f"device is {device!r}; use auto, cpu or cuda.", parameter="device")
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError("device is 'cuda', but torch finds no CUDA device here; use auto or cpu.", parameter="device")
    return torch.device("cpu" if device == "cpu" or not torch.cuda.is_available() else "cuda")


def describe(device: torch.device) -> str:
    """One line about ``device`` for the log."""
    if device.type == "cuda":
        return f"device: cuda ({torch.cuda.get_device_name(device)})"
    return f"device: cpu ({torch.get_num_threads()} threads{'' if torch.cuda.is_available() else '; no CUDA device'})"


@contextlib.contextmanager
def allow_tf32(device: torch.device) -> Iterator[None]:
    """Let a CUDA device round the factors of matrix products to TF32 within the block; no effect on a CPU.

    For training steps only: spectra span 80 dB and are always computed in full float32.
    """
    if device.type != "cuda":
        yield
        return
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = True
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before
