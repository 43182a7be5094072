"""Which process writes to a run, and how a run ends whose process was killed.

A process that is killed by ``kill -9``, or with its machine, leaves its run as RUNNING. While a run is written to, its
tag `TAG` names the process and how the run ends without it; the next verb that writes to the experiment closes the runs
of this machine whose processes are gone.
"""

import contextlib
import json
import os
import platform
from dataclasses import asdict, dataclass
from typing import Any

from wav2tok.progress import log

TAG = "process"
_DRIFT_SECONDS = 60.0
"""Two reports of when a process started may differ by so much, because the clock was set in between."""


@dataclass(frozen=True)
class Ended:
    """How a run has ended: its status, and when, in milliseconds since 1970; None: at its last sign of life."""

    status: str
    time: int | None = None


KILLED = Ended("KILLED")


@dataclass(frozen=True)
class Process:
    """A process of a machine.

    Attributes:
        host: the machine's name and, on Linux, the namespace of its process numbers: each container has its own.
        pid: its number.
        started: when it started, in seconds since 1970; another process may get its number later.
    """

    host: str
    pid: int
    started: float

    @classmethod
    def own(cls) -> "Process":
        """This process."""
        import psutil

        return cls(_host(), os.getpid(), psutil.Process().create_time())

    def is_gone(self) -> bool:
        """Whether it is known to have ended: it was on this machine, and is not there any more."""
        import psutil

        if self.host != _host():
            return False
        try:
            found = psutil.Process(self.pid)
            return abs(found.create_time() - self.started) > _DRIFT_SECONDS or found.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True


def _host() -> str:
    try:
        return f"{platform.node()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return platform.node()


def mark(client: Any, run_id: str, without: Ended) -> None:
    """Say that this process writes to a run.

    Args:
        client: of MLflow.
        without: how the run ends if the process does not close it.
    """
    client.set_tag(run_id, TAG, json.dumps(asdict(Process.own()) | {"without": asdict(without)}))


def close(client: Any, run_id: str, ended: Ended | None = None) -> None:
    """Say that no process writes to a run any more; with ``ended``, it ended so."""
    from mlflow.exceptions import MlflowException

    if ended is not None:
        time = _last_sign(client, run_id) if ended.time is None else ended.time
        client.set_terminated(run_id, ended.status, time)
    with contextlib.suppress(MlflowException):  # it has no such tag
        client.delete_tag(run_id, TAG)


def close_if_gone(client: Any, run: Any) -> None:
    """Close a run that is open although the process that its tag names is gone."""
    try:
        values = json.loads(run.data.tags[TAG])
        without, process = Ended(**values.pop("without")), Process(**values)
    except (KeyError, TypeError, ValueError):  # nothing is known of its process
        return
    if run.info.status == "RUNNING" and process.is_gone():
        log.info(f"MLflow run {run.info.run_id} was left open by a process that is gone; closed as {without.status}")
        close(client, run.info.run_id, without)


def close_those_gone(client: Any, experiment_id: str) -> None:
    """`close_if_gone` for every run of an experiment."""
    for run in client.search_runs([experiment_id], "attributes.status = 'RUNNING'", max_results=1000):
        close_if_gone(client, run)


def _last_sign(client: Any, run_id: str) -> int:
    """When a run last logged a metric, or else when it started, in milliseconds since 1970."""
    run = client.get_run(run_id)
    times = [metric.timestamp for key in run.data.metrics for metric in client.get_metric_history(run_id, key)]
    return max(times, default=run.info.start_time)
