"""Which compiled kernels compute on a device: numba's on the CPU, Triton's on CUDA."""

import functools
import importlib.util
from collections.abc import Callable

import torch

from wav2tok.progress import log


def compiled(device: torch.device) -> bool:
    """Whether numba's kernels compute on ``device``: on the CPU, where numba is installed."""
    return device.type == "cpu" and importlib.util.find_spec("numba") is not None


@functools.cache
def fused(device: torch.device, name: str, agrees: Callable[[torch.device], bool]) -> bool:
    """Whether a Triton kernel computes on ``device``: on a CUDA device, where Triton is installed and the kernel right.

    Before it is first used in a process, it computes a small example, which torch's operations compute as well. If it
    fails, or gives something else, torch's operations are used from then on, and a warning says so.

    Args:
        name: of what it computes, for the warning.
        agrees: whether both give the same on the device.
    """
    if device.type != "cuda" or not torch.cuda.is_available() or importlib.util.find_spec("triton") is None:
        return False
    why = "it gives other results than torch"
    try:
        if agrees(device):
            return True
    except Exception as error:  # compilers and drivers raise what they like
        why = " ".join(f"it fails with {type(error).__name__}: {error}".split())[:300]
    log.warning(f"{device}: {name} is computed by torch, more slowly, instead of by its Triton kernel: {why}.")
    return False
