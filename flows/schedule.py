"""Retrain on the cron schedule of ``params.yaml``: ``python -m flows.schedule`` runs until it is stopped.

It uses the Prefect server from the settings or one running on this machine; otherwise it starts a server and stops it
at the end. A work pool follows the same cron line: ``prefect deploy --all`` (`flows.project`).
"""

import argparse
import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from flows import api
from flows.retrain import PROJECT, retrain
from wav2tok.config import parameters
from wav2tok.errors import UserError

NAME = "served"
START_SECONDS = 120


def next_runs(
    cron: str, count: int = 3, now: datetime | None = None, parameter: str = "schedule.cron"
) -> list[datetime]:
    """The next dates of a cron line, in UTC.

    Args:
        parameter: where the line comes from, for the message.

    Raises:
        UserError: ``cron`` is not a cron line or has no date.
    """
    from prefect.server.schemas.schedules import CronSchedule

    where = f"{parameter} is {cron!r}"
    try:
        schedule = CronSchedule(cron=cron, timezone="UTC")
    except ValueError:
        raise UserError(f"{where}, which is not a cron line; it must be like '0 3 * * 1', Mondays at 3.") from None
    try:
        dates = asyncio.run(schedule.get_dates(count, start=now or datetime.now(UTC)))
    except ValueError:
        dates = []
    if not dates:
        raise UserError(f"{where}, which never occurs; it must be like '0 3 * * 1', Mondays at 3.")
    return [datetime.fromtimestamp(date.timestamp(), UTC) for date in dates]


def announcement(cron: str, dates: list[datetime]) -> str:
    """The cron line and its next dates in local time."""
    times = ", ".join(date.astimezone().strftime("%a %Y-%m-%d %H:%M %Z") for date in dates)
    return f"retraining at {cron!r} (UTC); next: {times}"


@contextlib.contextmanager
def server() -> Iterator[str]:
    """The address of a Prefect server with a scheduler; if there is none, one is started and stopped at the end.

    A real server is needed: the temporary one that Prefect starts by itself has no scheduler, so a flow served with it
    would wait forever.

    Raises:
        UserError: the one from the settings cannot be used, or none starts.
    """
    from prefect.settings import PREFECT_API_URL, PREFECT_SERVER_API_PORT, temporary_settings

    known = api.address()
    if known:
        yield known
        return
    port = PREFECT_SERVER_API_PORT.value()
    local = f"http://127.0.0.1:{port}/api"
    with contextlib.ExitStack() as stack:
        if api.problem(local) is not None:
            print(f"starting a Prefect server at http://127.0.0.1:{port}", flush=True)
            process = subprocess.Popen(
                [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                # Ctrl-C must reach only the runner, which then pauses its deployment on this server.
                start_new_session=True,
            )
            stack.callback(process.wait)
            stack.callback(process.terminate)
            end = time.monotonic() + START_SECONDS
            while api.problem(local) is not None:
                if process.poll() is not None or time.monotonic() > end:
                    raise UserError(
                        f"The Prefect server did not start at port {port}; start one with prefect server start and "
                        "set PREFECT_API_URL."
                    )
                time.sleep(0.5)
        os.environ["PREFECT_API_URL"] = local  # for the processes of the runs
        stack.callback(os.environ.pop, "PREFECT_API_URL", None)
        stack.enter_context(temporary_settings({PREFECT_API_URL: local}))
        yield local


def main() -> None:
    """Check the cron line, print its next dates, then serve."""
    parser = argparse.ArgumentParser(
        prog="python -m flows.schedule", description="Retrain on the cron schedule of params.yaml."
    )
    parser.add_argument("--root", type=Path, default=PROJECT, help="the project (default: this one)")
    root = parser.parse_args().root.resolve()
    # The server must stop, too, however this process ends; serve() later installs its own handler.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        cron = parameters.load(root / "params.yaml").schedule.cron
        print(announcement(cron, next_runs(cron)), flush=True)
        with server():
            retrain.serve(name=NAME, cron=cron, limit=1, parameters={"root": str(root)})
    except UserError as error:
        print(f"schedule: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("schedule: stopped.", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
