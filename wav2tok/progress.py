"""How work reports: lines through `logging`, and counted work through `track`.

The library logs below the logger ``wav2tok`` and shows nothing by itself. The command line prints the lines and draws
the bars (`wav2tok.cli.console`); a service or a notebook listens in its own way.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import AbstractContextManager, contextmanager
from typing import TypeVar

Item = TypeVar("Item")
Display = Callable[[str, int], AbstractContextManager[Callable[[], object]]]
"""Shows how far a task is: (what is done, of how many) -> a context whose value is called once per item done."""

log = logging.getLogger("wav2tok")


def counted(number: int, what: str) -> str:
    """A number of things in words: ``1 recording``, ``2 recordings``, ``2 classes``."""
    plural = f"{what}es" if what.endswith("s") else f"{what}s"
    return f"{number} {what if number == 1 else plural}"


@contextmanager
def _hidden(what: str, total: int) -> Iterator[Callable[[], object]]:
    yield lambda: None


_display: Display = _hidden


def show_with(display: Display | None) -> None:
    """Show all counted work of this process with ``display``; None hides it."""
    global _display
    _display = display or _hidden


def track(items: Iterable[Item], what: str, total: int | None = None) -> Iterator[Item]:
    """The items, counted on the display as they are done.

    Args:
        what: the work, such as "measuring".
        total: how many there are; None takes ``len(items)``.
    """
    if total is None:
        assert isinstance(items, Sized), "an iterator needs its total"
        total = len(items)
    with _display(what, total) as done:
        for item in items:
            yield item
            done()
