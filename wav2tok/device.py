"""Which device computes, and how the threads of a process behave.

The tokenizer asks here too, and it starts without torch: torch is therefore imported by the functions that need it.
"""

import contextlib
import ctypes
import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from wav2tok.errors import UserError

if TYPE_CHECKING:
    import torch

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -2, -3, -4  # glibc's parameters of mallopt

MOST_THREADS = 1024
"""The largest number of threads that a process may be asked to use."""


def settle_threads() -> None:
    """Set how MKL, OpenMP and numba use threads in this process, unless the environment already says so.

    The command line, the flows, the benchmarks and the tests call it first. Call it before torch is first imported if
    you train from Python and want the results of the command line, bit by bit. Importing wav2tok sets nothing.
    """
    # The same sums in the same order, wherever in memory the numbers lie: without it the last bits of a training
    # depended on what the process had done before. MKL reads it at its first call.
    os.environ.setdefault("MKL_CBWR", "AUTO,STRICT")
    # Waiting threads that spin take a core from other processes: with one other process on the same two cores a
    # training step took twelve times as long, and eighty times was seen. Threads that sleep at once make a step almost
    # twice as slow on a quiet machine. A short spin avoids both: 162 ms alone (145 at best, 250 sleeping), 302 next to
    # another process (1,744 spinning, 267 sleeping). libgomp reads it when torch is first imported.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    # numba runs its threads by OpenMP, and once it has started them torch uses as many: one number must hold for both.
    # (Two threads waiting for each other next to a busy process: a training of 1.3 s took 67 to 108.)
    # What OpenMP ignores, numba would take: 0 stops it, and memory for 999999999999 threads is more than there is.
    threads = os.environ.get("OMP_NUM_THREADS", "")
    if threads.isascii() and threads.isdigit() and len(threads) < 9 and 1 <= int(threads) <= MOST_THREADS:
        os.environ.setdefault("NUMBA_NUM_THREADS", threads)


@contextlib.contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Let torch compute each operation in ``count`` threads together.

    One is right for many small computations, each in a thread of its own: cores that share an operation of a
    millisecond mostly wait for each other. Log-mel frames of 24 recordings of 6 s took .9 s of CPU by two threads
    together, and .05 by one.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def keep_freed_memory() -> None:
    """Let this process keep the memory that a training step frees, for the next step.

    Otherwise glibc returns it to the operating system: every large tensor is mapped again and the kernel clears its
    pages one fault at a time, a quarter of the time of a step (193 instead of 145 ms for the network at 96 x 63 frames
    on two cores). Has an effect only on Linux with glibc.
    """
    set_allocator({M_MMAP_MAX: 0, M_TRIM_THRESHOLD: 2**31 - 1, M_TOP_PAD: 64 << 20})


def set_allocator(values: Mapping[int, int]) -> None:
    """Set parameters of glibc's allocator for this process; other C libraries are left as they are."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform.startswith("linux") else None
    if mallopt is not None:
        for parameter, value in values.items():
            mallopt(parameter, value)


def pick(word: str, devices: int, seen_by: str) -> int | None:
    """The number of the CUDA device that a word selects, or None for the CPU. An explicit ``cuda`` never falls back.

    Args:
        word: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        devices: how many CUDA devices there are.
        seen_by: what counted them, for the message: "torch" or "the driver".

    Raises:
        UserError: another word, or a CUDA device that is not there.
    """
    if word == "cpu":
        return None
    if word == "auto":
        return 0 if devices else None
    named = re.fullmatch(r"cuda(?::(\d+))?", word, re.ASCII)
    if named is None:
        raise UserError(f"device is {word!r}; use auto, cpu, cuda or cuda:N.", "device")
    number = int(named[1] or 0)
    if not devices:
        raise UserError(f"device is {word!r}, but {seen_by} sees no CUDA device here; use auto or cpu.", "device")
    if number >= devices:
        raise UserError(f"device is {word!r}, but the last CUDA device here is cuda:{devices - 1}.", "device")
    return number


def available_cpus() -> int:
    """How many CPUs this process may use: by its affinity, and by the quota of its container (cgroup v2)."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return count
    return count if quota == "max" else max(1, min(count, int(quota) // int(period)))


def cuda_devices() -> int:
    """How many NVIDIA devices the driver sees. (ONNX Runtime names CUDA as available where there is none.)"""
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int()
    return count.value if driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 else 0


def choose(word: str) -> "torch.device":
    """torch's device for ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        UserError: another word, or a CUDA device that torch cannot use; it never falls back silently.
    """
    import torch

    number = pick(word, torch.cuda.device_count() if torch.cuda.is_available() else 0, "torch")
    return torch.device("cpu") if number is None else torch.device("cuda", number)


def describe(device: "torch.device") -> str:
    """The device in one line for people."""
    import torch

    if device.type == "cuda":
        return f"device: cuda ({torch.cuda.get_device_name(device)})"
    return f"device: cpu ({torch.get_num_threads()} threads{'' if torch.cuda.is_available() else '; no CUDA device'})"


def bucket(length: int) -> int:
    """The length that a batch is padded to on CUDA: at most an eighth more, and only eight lengths in an octave.

    A new shape costs CUDA memory, and a choice of algorithms or a graph.
    """
    step = 1 << max(0, length.bit_length() - 4)
    return -(-length // step) * step


@contextlib.contextmanager
def allow_tf32(device: "torch.device") -> Iterator[None]:
    """Let a CUDA device round the factors of matrix products to TF32 within the block; no effect on a CPU.

    For networks and losses in training steps: spectra span 80 dB and are always computed in full float32.
    """
    if device.type != "cuda":
        yield
        return
    import torch

    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = True
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before
