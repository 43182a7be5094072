"""Ctrl-C and SIGTERM within a training: they end it at once, except while its state changes.

Schedulers send SIGTERM some seconds before they take a machine away. A step, an E-step or a validation can take longer
than that, so what is at work is given up, and the state before it is written (`wav2tok.training.state.State`). Weights
change only between `Interruption.commit` and `Interruption.settled`.
"""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

_SIGNALS: tuple[int, ...] = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """Holds signals back while the state of a training changes, and passes them on to the handlers of the program."""

    def __init__(self) -> None:
        self._held = False
        self._waiting: tuple[int, FrameType | None] | None = None
        self._handlers: dict[int, Callable[[int, FrameType | None], Any]] = {}

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Signals in the block are held back where they have to be.

        This needs the main thread, and a handler of the program, such as that of `wav2tok.cli.main` for SIGTERM; a
        signal without one ends the process as it always does.
        """
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                handler = signal.getsignal(number)
                if callable(handler):
                    self._handlers[number] = handler
                    signal.signal(number, self._receive)
        try:
            yield
        finally:
            for number, handler in self._handlers.items():
                signal.signal(number, handler)
            self._handlers.clear()
            self._held, self._waiting = False, None

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self._held:
            self._waiting = number, frame
        else:
            self._handlers[number](number, frame)

    def commit(self) -> None:
        """From here until `settled` signals wait."""
        self._held = True

    def settled(self) -> None:
        """The state is whole again: pass on the signal that waits, if there is one."""
        self._held = False
        if self._waiting is not None:
            (number, frame), self._waiting = self._waiting, None
            self._handlers[number](number, frame)
