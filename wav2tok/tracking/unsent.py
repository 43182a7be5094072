"""Metrics that could not be sent to the store, kept in a file until they can: a server may restart meanwhile."""

import json
import math
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from wav2tok.errors import UserError
from wav2tok.files import naming
from wav2tok.progress import log
from wav2tok.tracking import store
from wav2tok.untrusted import parse_json

UNSENT = "unsent.jsonl"
"""In a model folder: metrics that the MLflow store has not taken yet."""
RETRY_SECONDS = 60.0
"""How long a store that has gone away is left alone; each try can take some seconds."""


class Unsent:
    """The metrics that wait to be sent, one JSON line each: key, value, time and step.

    Attributes:
        count: how many wait.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = len(self.entries())
        self._next_try = 0.0

    def entries(self) -> list[Any]:
        """Those that wait, as MLflow's metrics."""
        from mlflow.entities import Metric

        if not self.path.is_file():
            return []
        found = []
        for line in self.path.read_text(encoding="utf-8").splitlines():
            try:
                key, value, timestamp, step = parse_json(line)
            except ValueError:  # the process was killed while it wrote the last line
                continue
            found.append(Metric(str(key), float(value), int(timestamp), int(step)))
        return found

    def send(self, entries: Sequence[Any], to: Callable[[Sequence[Any]], None]) -> bool:
        """Send ``entries`` of MLflow, after those that wait; if the store does not take them, they wait too.

        Args:
            to: sends them, or raises one of `wav2tok.tracking.store.failures`.

        Returns:
            Whether the store has taken them.
        """
        if not self.count or time.monotonic() >= self._next_try:
            try:
                to([*self.entries(), *entries])
            except store.failures() as error:
                if not self.count:
                    log.warning(
                        f"the MLflow store {store.shown()} no longer answers; training goes on, and its metrics "
                        f"are kept in {self.path} until they can be sent"
                    )
                log.debug(f"MLflow: {error}")
                self._next_try = time.monotonic() + RETRY_SECONDS
            else:
                if self.count:
                    log.info(f"the MLflow store is back; {self.count} metrics were sent to it")
                    self.path.unlink()
                    self.count = 0
                return True
        # A value that JSON does not have is none that a chart can show.
        kept = [entry for entry in entries if math.isfinite(entry.value)]
        self._append([json.dumps([entry.key, entry.value, entry.timestamp, entry.step]) for entry in kept])
        return False

    def _append(self, lines: Sequence[str]) -> None:
        """Add whole lines to the file, or none.

        Raises:
            UserError: the disk is full.
        """
        text = "".join(f"{line}\n" for line in lines).encode()
        before = self.path.stat().st_size if self.path.exists() else 0
        try:
            with naming(self.path, len(text)), self.path.open("ab") as file:
                file.write(text)
        except (OSError, UserError):
            if self.path.exists():
                os.truncate(self.path, before)
            raise
        self.count += len(lines)
