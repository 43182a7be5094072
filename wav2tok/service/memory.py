"""Memory that a long-running service has freed goes back to the system."""

import ctypes

LARGE = 1 << 20
"""Bytes. Blocks of this size and more are mapped by themselves, and so given back when they are freed."""
_M_MMAP_THRESHOLD = -3
"""Of ``mallopt`` in glibc."""


def give_back_large_blocks() -> None:
    """Keep glibc's heap small: large blocks never become a part of it. Other C libraries are left as they are.

    By default glibc raises its threshold to the largest block that was ever freed, up to 32 MiB. One upload that needs
    much would then enlarge the heap of its thread for good (`benchmarks/README.md`).
    """
    try:
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, LARGE)
    except (AttributeError, OSError, TypeError):  # no glibc; on Windows there is no library of the process
        return
