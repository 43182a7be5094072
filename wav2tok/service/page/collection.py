"""The recordings that the page searches: tokenized in a thread while the page shows how far it is."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from wav2tok.errors import UserError
from wav2tok.matching import Tokenized
from wav2tok.matching.layout import layout
from wav2tok.progress import counted, log
from wav2tok.search.index import Index
from wav2tok.service.page.kept import Kept
from wav2tok.tokenizer.batch import Failure, expand, tokenize_files
from wav2tok.tokenizer.tokenizer import Tokenizer

SHOWN_FAILURES = 20
"""Unreadable files that the page names."""
KEPT_AT_ONCE = 256
"""Token strings that are written together, so that a start which is broken off is not lost."""


@dataclass(frozen=True, eq=False)
class Ready:
    """A collection that can be searched.

    Attributes:
        tokenizer: what made its strings; queries need the same.
        index: of its strings.
        entries: the strings, by the number of their recording.
        numbers: the number of a recording, by its path.
    """

    tokenizer: Tokenizer
    index: Index
    entries: list[Tokenized]
    numbers: dict[str, int]


@dataclass(eq=False)
class Collection:
    """The recordings in a folder.

    Attributes:
        folder: where they are.
        done, total: how many recordings are tokenized, of how many.
        failures: those that cannot be read.
        error: why there will be no collection; None if nothing is wrong.
        ready: None until all are tokenized.
        points: where each recording is on the map, float64 [N, 2]; None until that is known.
    """

    folder: Path
    done: int = 0
    total: int = 0
    failures: list[Failure] = field(default_factory=list)
    error: str | None = None
    ready: Ready | None = None
    points: np.ndarray | None = None
    _ending: threading.Event = field(default_factory=threading.Event)

    def start(self, tokenizer: Callable[[], Tokenizer | None]) -> threading.Thread:
        """Tokenize in a thread, which is returned.

        Args:
            tokenizer: waits for the tokenizer; None if there will be none.
        """
        thread = threading.Thread(target=self._fill, args=(tokenizer,), name="wav2tok-collection", daemon=True)
        thread.start()
        return thread

    def stop(self) -> None:
        """End after the present recording."""
        self._ending.set()

    def state(self) -> dict[str, Any]:
        """How far it is, as JSON values."""
        return {
            "folder": str(self.folder),
            "done": self.done,
            "total": self.total,
            "ready": self.ready is not None,
            "mapped": self.points is not None,
            "error": self.error,
            "unreadable": len(self.failures),
            "failures": [{"path": one.path, "error": one.error} for one in self.failures[:SHOWN_FAILURES]],
        }

    def recordings(self, ready: Ready) -> list[dict[str, Any]]:
        """What the page lists: number, name, folder, seconds, and the place on the map if there is one."""
        listed = []
        for number, entry in enumerate(ready.entries):
            about = self.about(entry)
            if self.points is not None:
                x, y = self.points[number].round(4).tolist()
                about |= {"x": x, "y": y}
            listed.append({"number": number} | about)
        return listed

    def about(self, entry: Tokenized) -> dict[str, Any]:
        """Name, folder and length of a recording."""
        path = Path(entry.path)
        within = path.relative_to(self.folder) if path.is_relative_to(self.folder) else path
        group = "" if within.parent == Path() else within.parent.as_posix()
        return {"name": within.stem, "group": group, "duration_s": entry.seconds}

    def _fill(self, tokenizer: Callable[[], Tokenizer | None]) -> None:
        try:
            files = expand([str(self.folder)])
            self.total = len(files)
            found = tokenizer()
            if found is not None:
                self._tokenize(files, found)
        except UserError as error:
            self.error = str(error)
        except Exception:
            log.exception(f"{self.folder} cannot be indexed")
            self.error = f"{self.folder} cannot be indexed; the log of the program says why."

    def _tokenize(self, files: list[str], tokenizer: Tokenizer) -> None:
        started = time.perf_counter()
        kept = Kept(self.folder, tokenizer)
        strings = kept.unchanged(files)
        new = [path for path in files if path not in strings]
        self.done = len(files) - len(new)
        waiting: list[Tokenized] = []
        for result in tokenize_files(new, tokenizer):
            if self._ending.is_set():
                break
            if isinstance(result, Failure):
                self.failures.append(result)
            else:
                strings[result.path] = result
                waiting.append(result)
            if len(waiting) == KEPT_AT_ONCE:
                kept.add(waiting)
                waiting = []
            self.done += 1
        kept.add(waiting)
        if self._ending.is_set():
            return
        entries = [strings[path] for path in files if path in strings]
        if not entries:
            raise UserError(f"none of the {len(files)} recordings in {self.folder} can be read; name another folder.")
        numbers = {entry.path: number for number, entry in enumerate(entries)}
        self.ready = Ready(tokenizer, Index.of(tokenizer, entries), entries, numbers)
        log.info(
            f"{counted(len(entries), 'recording')} of {self.folder} indexed in {time.perf_counter() - started:.1f} s, "
            f"{len(new)} of them new"
        )
        self.points = layout([entry.tokens for entry in entries])
