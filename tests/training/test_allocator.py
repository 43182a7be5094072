"""Memory that is freed and wanted again, seen by the page faults of a process of its own."""

import os
import platform
import subprocess
import sys

import pytest

SCRIPT = """
import resource, sys
import numpy as np
from wav2tok.heap import keep

for _ in range(int(sys.argv[1])):
    keep()

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
    """Page faults of using 64 MiB five times over, ``keep`` having been called so many times."""
    # Pages of 2 MiB would make few faults of many, on some machines.
    environment = os.environ | {"NUMPY_MADVISE_HUGEPAGE": "0"}
    command = [sys.executable, "-c", SCRIPT, str(times)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="keep changes glibc's allocator alone")
@pytest.mark.parametrize("times", [1, 2])
def test_memory_is_kept_for_the_next_who_wants_it(times: int) -> None:
    plain, kept = faults(0), faults(times)
    assert plain >= 5 * 32  # were all pages huge
    assert kept < plain / 20


def test_elsewhere_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
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
