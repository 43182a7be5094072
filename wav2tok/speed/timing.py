"""Timing of calls and child processes: a warm-up first, then medians, so that numbers can be compared."""

import os
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from time import perf_counter

import torch
from torch.utils.benchmark import Measurement, Timer

# On Linux a child inherits the peak memory of this process through fork and exec, some hundred MiB with torch loaded.
# So a small Python without torch starts the command, and the peak is the command's own.
_LAUNCHER = """
import os, sys, time
quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
start = time.perf_counter()
child = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=quiet)
_, status, usage = os.wait4(child, 0)
print(time.perf_counter() - start, os.waitstatus_to_exitcode(status), usage.ru_maxrss)
"""


def now(device: torch.device | None) -> float:
    """The wall clock in seconds, once a CUDA device has done all its work."""
    if device is not None and device.type == "cuda":
        torch.cuda.synchronize(device)
    return perf_counter()


def measured(run: Callable[[], object], device: torch.device | None, least_seconds: float) -> Measurement:
    """The wall-clock times of a call that computes on ``device``, after warm-up calls, with torch's present threads.

    Args:
        least_seconds: the timed calls take at least this long in all.
    """
    timer = Timer("run()", globals={"run": run}, timer=partial(now, device), num_threads=torch.get_num_threads())
    return timer.blocked_autorange(min_run_time=least_seconds)


def median_seconds(
    run: Callable[[], object], *, least_seconds: float = 1.0, device: torch.device | None = None
) -> float:
    """The median wall-clock seconds of a call (`measured`)."""
    return measured(run, device, least_seconds).median


def interleaved(
    runs: Mapping[str, Callable[[], object]], *, rounds: int, device: torch.device | None = None
) -> dict[str, float]:
    """The median wall-clock seconds of each of several calls, by name.

    After one warm-up call of each there are ``rounds`` rounds of all of them in turn, so that a slow moment of the
    machine affects them alike.
    """
    for run in runs.values():
        run()
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            start = now(device)
            run()
            taken[name].append(now(device) - start)
    return {name: statistics.median(seconds) for name, seconds in taken.items()}


def peak_memory(command: Sequence[str]) -> tuple[float, float]:
    """Run a command to its end: (wall-clock seconds, peak resident memory in MiB).

    The memory is that of the child or of the largest process that the child waited for, whichever is more
    (``ru_maxrss`` of `os.wait4`). The output of the command is dropped. POSIX only.

    Raises:
        RuntimeError: on Windows, or if the command cannot be started or its exit status is not 0; then it quotes the
            last lines of its stderr.
    """
    if sys.platform == "win32":
        raise RuntimeError("peak memory is measured on Linux and macOS only.")
    with tempfile.TemporaryFile() as errors:
        # In its own session, so that launcher and command can be killed together.
        launcher = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _LAUNCHER, *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        )
        try:
            report, _ = launcher.communicate()
        except BaseException:
            os.killpg(launcher.pid, signal.SIGKILL)
            launcher.wait()
            raise
        errors.seek(0)
        complaint = errors.read().decode(errors="replace").strip().splitlines()[-10:]
    # The launcher fails only if it cannot start the command; then it reports nothing.
    seconds, exit_code, peak = report.split() if launcher.returncode == 0 else ("0", "not started", "0")
    if exit_code != "0":
        raise RuntimeError("\n".join([f"{command[0]}: exit status {exit_code}", *complaint]))
    # Linux counts in KiB, macOS in bytes.
    return float(seconds), int(peak) / (1 << 20 if sys.platform == "darwin" else 1 << 10)
