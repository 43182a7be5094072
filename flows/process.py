"""A stage of the graph as a process: DVC runs it, here it is heard, timed and, if need be, ended.

Nothing here knows Prefect.
"""

import contextlib
import fcntl
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil

from wav2tok.errors import UserError

STAGES = ("validate", "split", "cluster", "train", "evaluate", "export", "register")
"""Those of ``dvc.yaml`` in its order; a test holds the two together."""

GRACE_SECONDS = 5.0
"""How long a stage that is ended may tidy up: an interrupted training keeps what it has finished."""

_EXITED = re.compile(r"exited with (-?\d+)")
_LOCKED = re.compile(r"^ERROR: .*(Unable to acquire lock|is busy, it is being blocked by)")


class StageFailed(Exception):
    """A stage that did not end well, in one sentence with the stage's name; another attempt may help."""


class StageRefused(StageFailed, UserError):
    """A stage that refused its input (exit code 2); no attempt will change that, a person must."""


class TimeLimit(StageFailed):
    """A stage that was ended at its time limit."""


@contextlib.contextmanager
def alone(root: Path) -> Iterator[None]:
    """Hold the right to retrain in ``root`` for the length of the block.

    A file lock and not one of Prefect's limits: it also holds between runs that have different Prefect servers (each
    ``python -m flows.retrain`` may start its own), and the kernel lets it go when its holder dies, however it dies.

    Raises:
        UserError: another process has it, or ``root`` is no DVC project.
    """
    if not (root / ".dvc").is_dir():
        raise UserError(f"{root} is no DVC project; name the folder that holds dvc.yaml and .dvc.")
    path = root / ".dvc" / "tmp" / "retrain.lock"
    path.parent.mkdir(exist_ok=True)
    # Never deleted: a lock on a file that another has unlinked keeps nobody out.
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise UserError(
                f"another retraining (process {holder}) holds the lock of {root}; wait for its end."
            ) from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def command(stage: str, force: bool = False) -> list[str]:
    """The DVC command of a stage.

    ``--single-item`` runs the stage only if what it reads has changed, and does not check again the stages that the
    earlier tasks have run. The first goes without it: so DVC also looks at ``data.dvc`` and records changed recordings.
    """
    single = [] if stage == STAGES[0] else ["--single-item"]
    return [sys.executable, "-m", "dvc", "repro", *single, *(["--force"] if force else []), stage]


def run(stage: str, root: Path, minutes: float, say: Callable[[str], None], force: bool = False) -> bool:
    """Run a stage if it is stale and pass on its lines as they come.

    Args:
        root: the folder of ``dvc.yaml``.
        minutes: its time limit; then it is ended with all its children.
        force: run it even if nothing has changed.

    Returns:
        whether there was anything to do.

    Raises:
        StageFailed: it failed; `StageRefused` and `TimeLimit` say how.
    """
    deadline = time.monotonic() + 60 * minutes
    # The stages call wav2tok by name: that of this environment, activated or not.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    process = subprocess.Popen(
        command(stage, force),
        cwd=root,
        env=os.environ | {"PATH": path, "PYTHONUNBUFFERED": "1"},
        text=True,
        encoding="utf-8",
        errors="replace",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # a process group of its own, so that all of it can be ended
    )
    try:
        worked, tail = _listen(process, deadline, say)
    except TimeoutError:
        raise TimeLimit(
            f"{stage} was ended at its time limit of {minutes:g} minutes (schedule.timeout_minutes)."
        ) from None
    finally:
        # Also when Prefect cancels the run or somebody presses Ctrl-C.
        _end(process)
    if process.returncode != 0:
        raise _failure(stage, root, process.returncode, tail)
    return worked


def _listen(process: subprocess.Popen[str], deadline: float, say: Callable[[str], None]) -> tuple[bool, list[str]]:
    """Pass on lines until the process ends: (whether DVC ran a command or fetched its result, the last lines)."""
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.put(line.rstrip())
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    worked, tail = False, deque[str](maxlen=500)
    while True:
        if time.monotonic() > deadline:
            raise TimeoutError
        ended = process.poll() is not None
        try:
            line = lines.get(timeout=min(0.5, max(0.01, deadline - time.monotonic())))
        except queue.Empty:
            if ended:  # a child that was left behind still holds the pipe
                break
            continue
        if line is None:
            break
        if line:
            worked = worked or line.startswith("Running stage") or "is cached - skipping run" in line
            tail.append(line)
            say(line)
    try:
        process.wait(max(0.1, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise TimeoutError from None
    return worked, list(tail)


def _end(process: subprocess.Popen[str]) -> None:
    """End a process, its group, and those of its children that have left the group."""
    family: list[psutil.Process] = []
    if process.poll() is None:
        with contextlib.suppress(psutil.NoSuchProcess):
            family = psutil.Process(process.pid).children(recursive=True)
        # As Ctrl-C would: the stage ends first and DVC, which waits for it, clears its own locks.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    for child in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
    process.wait()


def _failure(stage: str, root: Path, code: int, tail: Sequence[str]) -> StageFailed:
    """What went wrong, in the stage's own sentence where it has said one, else in DVC's."""
    said = next((i for i, line in enumerate(tail) if line.startswith("ERROR: ")), len(tail))
    if any(_LOCKED.search(line) for line in tail):
        return StageFailed(f"{stage} could not start: another retraining or dvc command holds the lock of {root}.")
    errors = [line.removeprefix("ERROR: ") for line in tail[said:] if line.startswith("ERROR: ")]
    found = _EXITED.search(" ".join(errors))
    if found is None:
        return StageFailed(f"{stage} failed: {errors[0] if errors else f'dvc ended with code {code}'}")
    start = max((i + 1 for i, line in enumerate(tail[:said]) if line.startswith("> ")), default=0)
    own = tail[start:said]
    # The command line prints its one sentence so; a warning of the interpreter may still follow it.
    sentence = next((line for line in reversed(own) if line.startswith("wav2tok: ")), own[-1] if own else errors[0])
    kind = StageRefused if found.group(1) == "2" else StageFailed
    return kind(f"{stage} failed: {sentence.removeprefix('wav2tok: ')}")
