"""One service as a process of its own session, found again by its number and the time at which it started."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import psutil

from flows.services.folder import Folder
from wav2tok.errors import UserError
from wav2tok.files import read_json, write_json
from wav2tok.secrets import without_secrets

START_SECONDS = 180.0
STOP_SECONDS = 40.0
"""A flow run that is stopped gives its stage five seconds, and reports its state."""
_SAME = 2.0
"""Two reports of when a process started may differ by this number of seconds, because the clock was set in between."""


@dataclass(frozen=True)
class Service:
    """How a service is started, and how one knows that it works.

    Attributes:
        name: also of its log.
        command: which shows no secret, because everybody on the machine can see it.
        environment: all of it.
        ready: whether it answers.
        stop: the signal on which it ends in order.
        user: who runs it, with a group of the same name; None: who starts it.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    ready: Callable[[], bool]
    stop: int = signal.SIGTERM
    user: str | None = None


def running(folder: Folder, name: str) -> psutil.Process | None:
    """The process of a service, if it runs: the number may be another program's by now, so its start is compared."""
    path = folder.record(name)
    if not path.exists():
        return None
    known = read_json(path)
    try:
        process = psutil.Process(known["pid"])
        same = abs(process.create_time() - known["started"]) < _SAME and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return None
    return process if same else None


def start(folder: Folder, service: Service) -> None:
    """Start a service and wait until it answers.

    Raises:
        UserError: it ended, or does not answer in time; it does not run then.
    """
    log = folder.log(service.name)
    if log.exists():
        log.replace(log.with_suffix(".before.log"))
    with open(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as output:
        process = subprocess.Popen(
            service.command,
            cwd=folder.root if service.user is None else folder.database,
            env=dict(service.environment),
            user=service.user,
            group=service.user,
            extra_groups=None if service.user is None else (),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C in this terminal is not meant for it
        )
    write_json(folder.record(service.name), {"pid": process.pid, "started": psutil.Process(process.pid).create_time()})
    until = time.monotonic() + START_SECONDS
    try:
        while not service.ready():
            if process.poll() is not None or time.monotonic() > until:
                lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
                said = " / ".join([line.strip() for line in lines if line.strip()][-3:]) or "it printed nothing"
                raise UserError(f"{service.name} did not start: {without_secrets(said)} (all of it: {log})")
            time.sleep(0.3)
    except BaseException:
        stop(folder, service.name, service.stop)
        raise


def stop(folder: Folder, name: str, number: int = signal.SIGTERM) -> bool:
    """End a service and what it started, in order and then by force; returns whether it ran."""
    process = running(folder, name)
    if process is not None:
        family = _family(process)
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)
        psutil.wait_procs([process], STOP_SECONDS)
        _end([*family, process])
    folder.record(name).unlink(missing_ok=True)
    return process is not None


def _family(process: psutil.Process) -> list[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.children(recursive=True)
    return []


def _end(processes: Sequence[psutil.Process]) -> None:
    """Ask what is left of them to end, then kill it; psutil compares start times, so nothing else is hit."""
    for send in (psutil.Process.terminate, psutil.Process.kill):
        alive = [one for one in processes if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
        for one in alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                send(one)
        psutil.wait_procs(alive, 15)
