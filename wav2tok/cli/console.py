"""What a verb shows while it works: the library's log lines on standard output, and bars on a terminal."""

import functools
import inspect
import json
import logging
import math
import os
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from wav2tok import progress
from wav2tok.cli import faults
from wav2tok.errors import UserError
from wav2tok.secrets import without_secrets
from wav2tok.writable import require_local

Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Show only warnings and results.")]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Show details, on standard error.")]


_NAMED = 5
"""How many recordings are named for one kind of warning; there may be thousands."""


class _Lines(logging.Handler):
    """Prints each record on standard output at once, with the level of warnings; details on standard error.

    Attributes:
        as_rows: the verb's standard output and standard error hold rows, so each record is a JSON object on standard
            error, with the path of the recording that it is about, if it is about one.
    """

    def __init__(self) -> None:
        super().__init__()
        self.as_rows = False
        self._named: Counter[str] = Counter()

    def emit(self, record: logging.LogRecord) -> None:
        if self.as_rows and record.levelno >= logging.INFO:
            path = getattr(record, "path", None)
            level = "warning" if record.levelno >= logging.WARNING else "info"
            row = ({} if path is None else {"path": path}) | {level: record.getMessage()}
            print(without_secrets(json.dumps(row, ensure_ascii=False)), file=sys.stderr, flush=True)
            return
        kind = getattr(record, "kind", None)
        if kind is not None:
            self._named[kind] += 1
            if self._named[kind] == _NAMED + 1:
                print("warning: there are more such recordings; wav2tok validate names all", flush=True)
            if self._named[kind] > _NAMED:
                return
        level = f"{record.levelname.lower()}: " if record.levelno >= logging.WARNING else ""
        stream = sys.stderr if record.levelno < logging.INFO else sys.stdout
        print(without_secrets(f"{level}{record.getMessage()}"), file=stream, flush=True)


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

    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        # On a terminal, lines go above the bar. In a file or a pipe, they stay where they belong.
        redirect_stdout=sys.stdout.isatty(),
    ) as bar:
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


@contextmanager
def _nothing(what: str, total: int) -> Iterator[Callable[[], object]]:
    yield lambda: None


def listen() -> None:
    """Show what the library reports: its lines, and its counted work as bars on a terminal or else as lines."""
    for handler in [one for one in progress.log.handlers if isinstance(one, _Lines)]:
        progress.log.removeHandler(handler)
    progress.log.addHandler(_Lines())
    progress.log.setLevel(logging.INFO)
    progress.log.propagate = False
    progress.show_with(_bar if sys.stderr.isatty() else _tenths)


def _require_finite(options: Mapping[str, Any]) -> None:
    """Refuse NaN, which lies in every range of typer.

    Raises:
        UserError: an option is not a finite number.
    """
    for name, value in options.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise UserError(f"{value} is not a finite number.", name)


def _require_paths(options: Mapping[str, Any]) -> None:
    """Refuse addresses where a verb takes paths.

    Raises:
        UserError: an option is the address of something elsewhere.
    """
    for name, value in options.items():
        for path in value if isinstance(value, list) else [value]:
            if isinstance(path, Path):
                require_local(path, name)


def adjustable(verb: Callable[..., None]) -> Callable[..., None]:
    """``verb`` with the options ``--quiet`` and ``--verbose``."""

    @functools.wraps(verb)
    def run(*arguments: Any, quiet: bool, verbose: bool, **options: Any) -> None:
        progress.log.setLevel(logging.WARNING if quiet else logging.DEBUG if verbose else logging.INFO)
        if quiet:
            progress.show_with(_nothing)
        _require_finite(options)
        _require_paths(options)
        started = time.perf_counter()
        verb(*arguments, **options)
        progress.log.debug(f"{verb.__name__} took {time.perf_counter() - started:.1f} s")

    own = {"quiet": Quiet, "verbose": Verbose}
    signature = inspect.signature(verb, eval_str=True)
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=annotation)
        for name, annotation in own.items()
    ]
    run.__signature__ = signature.replace(parameters=[*signature.parameters.values(), *added])  # type: ignore[attr-defined]
    run.__annotations__ = verb.__annotations__ | own
    return run


def _keep_libraries_quiet() -> None:
    """Let only Python's own ``sys.stderr`` reach standard error, and no warnings of numpy there."""
    warnings.simplefilter("ignore")
    try:
        direct = sys.stderr.fileno() == 2
    except (OSError, ValueError):  # a test or a notebook has put something else in its place
        direct = False
    if direct:
        own = os.dup(2)
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 2)
        os.close(silence)
        sys.stderr = open(own, "w", encoding=sys.stderr.encoding, errors=faults.ESCAPE, buffering=1)  # noqa: SIM115


def keep_output_clean() -> None:
    """Show counted work at most as a bar, and lines as JSON on standard error: the verb's output is rows, line by line.

    A terminal on standard output gets no bar: the results themselves show the progress there. What libraries write to
    standard error by themselves, such as the decoder of MP3, is dropped.
    """
    _keep_libraries_quiet()
    for handler in progress.log.handlers:
        if isinstance(handler, _Lines):
            handler.as_rows = True
    loud = progress.log.isEnabledFor(logging.INFO)
    progress.show_with(_bar if loud and sys.stderr.isatty() and not sys.stdout.isatty() else _nothing)
