"""Stop glibc from returning freed memory to the operating system during training."""

import ctypes
import sys

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4


def keep_freed_memory() -> None:
    """Let this process keep the memory that a training step frees, for the next step.

    Otherwise every large tensor is mapped again and the kernel clears its pages one fault at a time, a quarter of the
    time of a step (193 instead of 145 ms for the network at 96 x 63 frames on two cores). Has an effect only on Linux
    with glibc.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
        mallopt(M_TOP_PAD, 64 << 20)
