"""Memory that a long-running service has freed goes back to the system."""

from wav2tok.device import M_MMAP_THRESHOLD, set_allocator

LARGE = 1 << 20
"""Bytes. Blocks of this size and more are mapped by themselves, and so given back when they are freed."""


def give_back_large_blocks() -> None:
    """Keep glibc's heap small: large blocks never become a part of it. Other C libraries are left as they are.

    By default glibc raises its threshold to the largest block that was ever freed, up to 32 MiB. One upload that needs
    much would then enlarge the heap of its thread for good (`benchmarks/README.md`).
    """
    set_allocator({M_MMAP_THRESHOLD: LARGE})
