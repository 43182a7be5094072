"""Reuse of freed memory, measured by the page faults of a separate process."""

import os
import platform
import subprocess
import sys

import pytest

SCRIPT = """
import resource, sys
import numpy as np
from wav2tok.training.allocator import keep_freed_memory

for _ in range(int(sys.argv[1])):
    keep_freed_memory()

def use():
    x = np.empty(1 << 23)  # 64 MiB
    x[:: 4096 // 8] = 1  # every page once

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

use()
before = faults()
for _ in range(5):
    use()
print(faults() - before)
"""


def faults(times: int) -> int:
    """Page faults of using 64 MiB five times, after ``times`` calls of `keep_freed_memory`."""
    # On some machines pages of 2 MiB would reduce the number of faults.
    environment = os.environ | {"NUMPY_MADVISE_HUGEPAGE": "0"}
    command = [sys.executable, "-c", SCRIPT, str(times)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's allocator is changed")
@pytest.mark.parametrize("times", [1, 2])
def test_freed_memory_is_reused(times: int) -> None:
    plain, kept = faults(0), faults(times)
    assert plain >= 5 * 32  # even if all pages are huge
    assert kept < plain / 20


def test_without_glibc_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    from wav2tok.training import allocator

    def loaded(name: object) -> object:
        raise AssertionError("no library is asked")

    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(allocator.ctypes, "CDLL", loaded)
    allocator.keep_freed_memory()


def test_a_c_library_without_the_call_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    from wav2tok.training import allocator

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda name: object())
    allocator.keep_freed_memory()
