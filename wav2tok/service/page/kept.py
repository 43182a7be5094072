"""Token strings of the demo's folders, kept in the user's cache, so that the next start tokenizes only what is new."""

import hashlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from wav2tok.errors import UserError
from wav2tok.files import cache
from wav2tok.matching import Tokenized
from wav2tok.progress import log
from wav2tok.search.index import Index
from wav2tok.tokenizer.tokenizer import Tokenizer

KEPT = 20
"""Folders; those that were used longest ago go first."""


def place() -> Path:
    """The folder with an index for each folder of recordings and model."""
    return cache() / "demo"


class Kept:
    """What is kept of a folder of recordings for one model. A cache that cannot be used is as good as an empty one."""

    def __init__(self, folder: Path, tokenizer: Tokenizer) -> None:
        # The index counts paths from the folder as it was named, which may be relative.
        about = "\0".join([tokenizer.identity, os.path.realpath(folder), str(folder)])
        name = hashlib.sha256(about.encode("utf-8", "surrogateescape")).hexdigest()[:32]
        self.path = place() / name
        self._index: Index | None = None
        try:
            try:
                self._index = Index.load(self.path, tokenizer)
            except UserError:  # none yet, or damaged
                shutil.rmtree(self.path, ignore_errors=True)
                self._index = Index.create(self.path, tokenizer, [], str(folder))
            os.utime(self.path)
            for old in sorted(place().iterdir(), key=lambda one: one.stat().st_mtime)[:-KEPT]:
                shutil.rmtree(old, ignore_errors=True)
        except (OSError, UserError) as error:
            self._give_up(error)

    def unchanged(self, files: Sequence[str]) -> dict[str, Tokenized]:
        """What is kept of those files that are as they were, by path; what is kept of other files is forgotten."""
        if self._index is None:
            return {}
        try:
            gone = set(self._index.paths()).difference(files)
            if gone:
                self._index = self._index.remove(gone)
            new = set(self._index.changed(files))
            return {one.path: one for one in self._index.entries if one.path not in new}
        except (OSError, UserError) as error:
            self._give_up(error)
            return {}

    def add(self, strings: Sequence[Tokenized]) -> None:
        """Keep more token strings."""
        if self._index is not None and strings:
            try:
                self._index = self._index.add(strings)
            except (OSError, UserError) as error:
                self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        log.debug(f"token strings are not kept in {self.path}: {error}")
        self._index = None
