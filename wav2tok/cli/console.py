"""What a verb prints while it works: the library's log lines, and bars on a terminal."""

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from wav2tok import progress


class _Lines(logging.Handler):
    """Prints each record on standard output at once; warnings say that they are."""

    def emit(self, record: logging.LogRecord) -> None:
        kind = f"{record.levelname.lower()}: " if record.levelno >= logging.WARNING else ""
        print(f"{kind}{record.getMessage()}", flush=True)


@contextmanager
def _bar(what: str, total: int) -> Iterator[Callable[[], object]]:
    """A bar with elapsed and remaining time, on standard error."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda: bar.advance(task)


@contextmanager
def _tenths(what: str, total: int) -> Iterator[Callable[[], object]]:
    """A line for each tenth that is done."""
    done = 0

    def advance() -> None:
        nonlocal done
        done += 1
        if done == total or done % max(1, total // 10) == 0:
            progress.log.info(f"{what}: {done}/{total}")

    yield advance


def listen() -> None:
    """Show what the library reports."""
    if not progress.log.handlers:
        progress.log.addHandler(_Lines())
        progress.log.setLevel(logging.INFO)
        progress.log.propagate = False
    progress.show_with(_bar if sys.stderr.isatty() else _tenths)
