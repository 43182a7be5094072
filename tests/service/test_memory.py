"""What a service has freed goes back to the system, whatever one upload needed."""

import platform
import subprocess
import sys

import pytest

MEASURE = """
import re, sys
import numpy as np
from wav2tok.service.memory import give_back_large_blocks

def resident():
    return int(re.search(r"VmRSS:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024

if sys.argv[1] == "given back":
    give_back_large_blocks()
before = resident()
del (largest := [np.ones(16 << 20, np.uint8)])[:]  # by default, blocks up to this size are of the heap from now on
blocks = [np.ones(4 << 20, np.uint8) for _ in range(16)]
last = np.ones(100_000, np.uint8)  # holds the end of the heap
del blocks
print(resident() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="no glibc")
def test_large_blocks_are_given_back():
    grown = {}
    for how in ("kept", "given back"):
        done = subprocess.run([sys.executable, "-c", MEASURE, how], capture_output=True, text=True, check=True)
        grown[how] = float(done.stdout)
    assert grown["kept"] > 60  # MiB: otherwise this libc needs no help, and the module can go
    assert grown["given back"] < 4
