"""Choosing the device, and saying which and why."""

import contextlib
from collections.abc import Iterator

import torch

from wav2tok.errors import UserError


def choose(device: str) -> torch.device:
    """``auto``, ``cpu`` or ``cuda`` -> the device.

    Raises:
        UserError: ``cuda`` where there is none (nothing falls back in silence), or another word.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise UserError(f"--device is {device!r}; it must be auto, cpu or cuda.")
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError("--device cuda: torch sees no CUDA device here; use --device auto or cpu.")
    return torch.device("cpu" if device == "cpu" or not torch.cuda.is_available() else "cuda")


def describe(device: torch.device) -> str:
    """One line for people: what computes."""
    if device.type == "cuda":
        return f"device: cuda ({torch.cuda.get_device_name(device)})"
    return f"device: cpu ({torch.get_num_threads()} threads{'' if torch.cuda.is_available() else '; no CUDA device'})"


@contextlib.contextmanager
def fast_products(device: torch.device) -> Iterator[None]:
    """Let a CUDA device round the factors of its products to TF32 for a while; nothing changes on a CPU.

    Meant for training steps. Spectra span 80 dB and are always computed in full float32.
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
