"""Rows of numbers in an unnamed file: limited by the disk, using memory only for the rows being read."""

import os
import tempfile
import threading
from pathlib import Path

import numpy as np

from wav2tok.errors import UserError


class Rows:
    """A growing table of float32 [rows, width] on disk.

    Rows are read, not memory-mapped: mapped pages count as memory of the process as long as there is room, which would
    hide that a large corpus needs no more memory. The file has no name, so nothing is left behind however the process
    ends.
    """

    def __init__(self, folder: Path | None, width: int) -> None:
        """An empty table on the disk of ``folder``, which need not exist; None means the system's temporary folder."""
        self._folder = Path(tempfile.gettempdir()) if folder is None else folder.absolute()
        while not self._folder.is_dir():
            self._folder = self._folder.parent
        self._file = tempfile.TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115
        self._turn = threading.Lock()
        self.width, self.count = width, 0

    def write(self, rows: np.ndarray, first: int | None = None) -> None:
        """Write float32 [n, width] at row ``first``, at the end by default."""
        first = self.count if first is None else first
        view, place = np.ascontiguousarray(rows, dtype=np.float32).data.cast("B"), first * self.width * 4
        while view:
            try:
                done = self._write_at(view, place)
            except OSError as error:
                raise UserError(
                    f"{self._folder}: the spectra of the recordings cannot be kept there ({error.strerror}); "
                    "free some space or choose an output folder on another disk."
                ) from None
            view, place = view[done:], place + done
        self.count = max(self.count, first + len(rows))

    def read(self, first: int, into: np.ndarray) -> None:
        """Fill the contiguous float32 array ``into`` [n, width] from row ``first`` on."""
        view, place = into.data.cast("B"), first * self.width * 4
        while view:
            done = self._read_at(view, place)
            if not done:
                raise IndexError(f"rows {first} to {first + len(into)} of {self.count}")
            view, place = view[done:], place + done

    # Windows has no reading and writing at a place: there one thread at a time moves to it.

    def _write_at(self, view: memoryview, place: int) -> int:
        if hasattr(os, "pwrite"):
            return os.pwrite(self._file.fileno(), view, place)
        with self._turn:
            self._file.seek(place)
            return self._file.write(view)

    def _read_at(self, view: memoryview, place: int) -> int:
        if hasattr(os, "preadv"):
            return os.preadv(self._file.fileno(), [view], place)
        with self._turn:
            self._file.seek(place)
            return self._file.readinto(view)
