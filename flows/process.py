"""Run a stage of the graph as a process: DVC runs it; this module reads its output, limits its time and kills it.

Nothing here depends on Prefect.
"""

import contextlib
import json
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
from typing import TextIO

import psutil
import yaml

from wav2tok.errors import UserError

GRACE_SECONDS = 5.0
"""How long an interrupted stage may clean up before it is killed: training keeps its whole steps."""

_EXITED = re.compile(r"exited with (-?\d+)")
_LOCKED = re.compile(r"^ERROR: .*(Unable to acquire lock|is busy, it is being blocked by)")


if sys.platform == "win32":
    import msvcrt

    def _lock(file: TextIO) -> None:
        """Lock a file until it is closed, or raise OSError; a byte far behind its text, which others may then read."""
        file.seek(1 << 30)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(file: TextIO) -> None:
        """Lock a file until it is closed, or raise OSError."""
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


class Busy(UserError):
    """Another process works on the project now. Nothing is wrong: it is enough to come again later."""


class StageFailed(Exception):
    """A stage failed; the message is one sentence with the stage's name. Another attempt may help."""


class StageRefused(StageFailed, UserError):
    """A stage refused its input (exit code 2). Another attempt will not help; a person must fix the input."""


class TimeLimit(StageFailed):
    """A stage was stopped at its time limit."""


def stages(root: Path) -> list[str]:
    """The names of the stages in ``root/dvc.yaml``, in their order.

    Raises:
        UserError: the file is missing or names no stages.
    """
    try:
        graph = yaml.safe_load((root / "dvc.yaml").read_text(encoding="utf-8"))
        return list(graph["stages"])
    except (FileNotFoundError, TypeError, KeyError, yaml.YAMLError):
        raise UserError(f"{root / 'dvc.yaml'} does not exist or names no stages; name the project's folder.") from None


@contextlib.contextmanager
def alone(root: Path) -> Iterator[None]:
    """Hold the retraining lock of ``root`` within the block.

    This is a file lock, not one of Prefect's limits: it also works between runs with different Prefect servers (each
    ``python -m flows.retrain`` may start its own), and the kernel releases it however its holder dies.

    Raises:
        Busy: another process holds the lock.
        UserError: ``root`` is not a DVC project.
    """
    if not (root / ".dvc").is_dir():
        raise UserError(f"{root} is not a DVC project; name the folder that contains dvc.yaml and .dvc.")
    path = root / ".dvc" / "tmp" / "retrain.lock"
    path.parent.mkdir(exist_ok=True)
    # The file is never deleted: a lock on an unlinked file would not stop other processes.
    with path.open("a+", encoding="utf-8") as file:
        try:
            _lock(file)
        except (BlockingIOError, PermissionError):  # on Windows the latter
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise Busy(f"another retraining (process {holder}) holds the lock of {root}; wait until it ends.") from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def missing_version(outcome: Path, root: Path) -> str | None:
    """A sentence if the MLflow store of ``root`` does not hold the version that a registration reported; else None.

    Args:
        outcome: the file that the stage ``register`` wrote, which need not exist.
    """
    if not outcome.exists():
        return None
    # A process of its own: the store depends on the working folder.
    asked = [sys.executable, "-m", "wav2tok.tracking.registered", str(outcome)]
    answer = subprocess.run(asked, cwd=root, text=True, capture_output=True, check=False)
    return answer.stdout.strip() if answer.returncode == 1 and answer.stdout.strip() else None


def question(outcome: Path, root: Path) -> str | None:
    """What a person is to decide about the version of an outcome, in Markdown; None if it does not wait."""
    asked = [sys.executable, "-m", "wav2tok.release.approval", "ask", str(outcome)]
    text: str | None = json.loads(_answer(asked, root))
    return text


def answer(name: str, version: str, approve: bool, why: str, root: Path) -> None:
    """Make a version that was asked about the champion, or record that a person refused it.

    Raises:
        StageRefused: the champion is no longer the one that the version was compared with.
    """
    verb = "approve" if approve else "decline"
    _answer([sys.executable, "-m", "wav2tok.release.approval", verb, name, version, f"--why={why}"], root)


def _answer(command: Sequence[str], root: Path) -> str:
    """What a short command prints on standard output; a process of its own, as in `missing_version`.

    Raises:
        StageRefused: it ended with an error, which is the message.
    """
    done = subprocess.run(command, cwd=root, text=True, capture_output=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"{command[2]} ended with code {done.returncode}"]
        raise StageRefused(lines[-1].removeprefix("approval: "))
    return done.stdout


def command(stage: str, root: Path, force: bool = False) -> list[str]:
    """The DVC command that runs a stage of ``root/dvc.yaml``.

    With ``--single-item`` DVC runs the stage only if its dependencies have changed, without checking again the stages
    that earlier tasks ran. The first stage does not use it, so that DVC also checks ``data.dvc`` and records changed
    recordings.
    """
    single = [] if stage == stages(root)[0] else ["--single-item"]
    return [sys.executable, "-m", "dvc", "repro", *single, *(["--force"] if force else []), stage]


def run(stage: str, root: Path, minutes: float, say: Callable[[str], None], force: bool = False) -> bool:
    """Run a stage if it is stale.

    Args:
        root: the folder of ``dvc.yaml``.
        minutes: the time limit, after which the stage and all its children are killed.
        say: called with each line of output as it comes.
        force: run the stage even if nothing has changed.

    Returns:
        whether there was anything to do.

    Raises:
        StageFailed: the stage failed; `StageRefused` and `TimeLimit` are special cases.
    """
    code, worked, tail = _execute(stage, command(stage, root, force), root, minutes, say)
    if code != 0:
        raise _failure(stage, root, code, tail)
    return worked


def verb(arguments: Sequence[str], root: Path, minutes: float, say: Callable[[str], None], stdin: str = "") -> None:
    """Run a verb of ``wav2tok`` outside the graph; arguments as for `run`.

    Args:
        arguments: the verb and its options.
        stdin: what it reads from standard input.

    Raises:
        StageFailed: it failed; `StageRefused` and `TimeLimit` are special cases.
    """
    name = arguments[0]
    asked = [sys.executable, "-m", "wav2tok", *arguments]
    code, _, tail = _execute(name, asked, root, minutes, say, stdin)
    if code != 0:
        said = next((line for line in reversed(tail) if line.startswith("wav2tok: ")), f"it ended with code {code}")
        raise (StageRefused if code == 2 else StageFailed)(f"{name} failed: {said.removeprefix('wav2tok: ')}")


def outdated(root: Path) -> bool:
    """Whether a stage of the graph is stale."""
    asked = [sys.executable, "-m", "dvc", "status", "--quiet"]
    return subprocess.run(asked, cwd=root, capture_output=True, check=False).returncode != 0


def _execute(
    name: str, command: Sequence[str], root: Path, minutes: float, say: Callable[[str], None], stdin: str = ""
) -> tuple[int, bool, list[str]]:
    """Run a command to its end: (exit code, whether DVC had anything to do, the last lines).

    Raises:
        TimeLimit: it took too long.
    """
    deadline = time.monotonic() + 60 * minutes
    # Stages call wav2tok by name: make it the one of this environment, even if that is not activated.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    process = subprocess.Popen(
        command,
        cwd=root,
        env=os.environ | {"PATH": path, "PYTHONUNBUFFERED": "1"},
        text=True,
        encoding="utf-8",
        errors="replace",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # its own process group, so that all of it can be killed
    )
    assert process.stdin is not None
    try:
        with contextlib.suppress(BrokenPipeError), process.stdin as given:
            given.write(stdin)
        worked, tail = _listen(process, deadline, say)
    except TimeoutError:
        raise TimeLimit(
            f"{name} was stopped at its time limit of {minutes:g} minutes (schedule.timeout_minutes)."
        ) from None
    finally:
        # Also when Prefect cancels the run or a person presses Ctrl-C.
        _end(process)
    return process.returncode, worked, tail


def _listen(process: subprocess.Popen[str], deadline: float, say: Callable[[str], None]) -> tuple[bool, list[str]]:
    """Forward lines until the process ends: (whether DVC ran a command or fetched its result, the last lines)."""
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
            if ended:  # a leftover child still holds the pipe
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


def _signal(process: subprocess.Popen[str], number: int) -> None:
    """Send a signal to a process and its group; on Windows, which has no groups, end the process."""
    if hasattr(os, "killpg"):
        os.killpg(process.pid, number)
    else:
        process.terminate()


def _end(process: subprocess.Popen[str]) -> None:
    """Kill a process, its group, and those of its children that have left the group."""
    family: list[psutil.Process] = []
    if process.poll() is None:
        with contextlib.suppress(psutil.NoSuchProcess):
            family = psutil.Process(process.pid).children(recursive=True)
        # Like Ctrl-C: the stage ends first, and DVC, which waits for it, releases its own locks.
        with contextlib.suppress(ProcessLookupError):
            _signal(process, signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        _signal(process, getattr(signal, "SIGKILL", signal.SIGTERM))
    for child in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
    process.wait()


def _failure(stage: str, root: Path, code: int, tail: Sequence[str]) -> StageFailed:
    """The failure, in the stage's own sentence if it printed one, else in DVC's."""
    first_error = next((i for i, line in enumerate(tail) if line.startswith("ERROR: ")), len(tail))
    if any(_LOCKED.search(line) for line in tail):
        return StageFailed(f"{stage} could not start: another retraining or dvc command holds the lock of {root}.")
    errors = [line.removeprefix("ERROR: ") for line in tail[first_error:] if line.startswith("ERROR: ")]
    exited = _EXITED.search(" ".join(errors))
    if exited is None:
        return StageFailed(f"{stage} failed: {errors[0] if errors else f'dvc ended with code {code}'}")
    start = max((i + 1 for i, line in enumerate(tail[:first_error]) if line.startswith("> ")), default=0)
    own = tail[start:first_error]
    # The command line prints its sentence with this prefix; a warning of the interpreter may follow it.
    sentence = next((line for line in reversed(own) if line.startswith("wav2tok: ")), own[-1] if own else errors[0])
    kind = StageRefused if exited.group(1) == "2" else StageFailed
    return kind(f"{stage} failed: {sentence.removeprefix('wav2tok: ')}")
