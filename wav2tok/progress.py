"""How work reports: lines of progress and a counter."""

import sys
from collections.abc import Callable

Say = Callable[[str], None]
"""Takes a line of progress."""


def say(line: str) -> None:
    """A line of progress, at once."""
    print(line, flush=True)


def counter(what: str) -> Callable[[int, int], None]:
    """Progress of ``what``: a line that is written over on a terminal, a line each tenth elsewhere."""
    terminal = sys.stderr.isatty()

    def show(done: int, total: int) -> None:
        if terminal:
            end = "\n" if done == total else ""
            print(f"\r{what}: {done}/{total}", end=end, file=sys.stderr, flush=True)
        elif done == total or done % max(1, total // 10) == 0:
            say(f"{what}: {done}/{total}")

    return show
