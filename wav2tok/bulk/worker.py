"""What runs in each worker process of a cluster: one session of the model, to which blocks of files come."""

import contextlib
import logging
import os
from collections import defaultdict
from collections.abc import Iterator

import pyarrow

from wav2tok.bulk.rows import table
from wav2tok.progress import log
from wav2tok.tokenizer.batch import tokenize_files
from wav2tok.tokenizer.tokenizer import Tokenizer


class Encode:
    """The actor of `wav2tok.bulk.job`. A copy of the model comes with it, so the machine needs no model files."""

    def __init__(self, tokenizer: Tokenizer, device: str) -> None:
        """Keep ``tokenizer``, or load its graph on another device."""
        self._tokenizer = tokenizer if device == "cpu" else tokenizer.on(device)

    def __call__(self, block: pyarrow.Table) -> pyarrow.Table:
        """A block of files, binary column ``path``, to their rows (`wav2tok.bulk.rows`)."""
        paths = [os.fsdecode(path) for path in block["path"].to_pylist()]
        with _warnings() as warnings:
            found = list(tokenize_files(paths, self._tokenizer))
        return table(found, warnings, self._tokenizer)


@contextlib.contextmanager
def _warnings() -> Iterator[dict[str, list[str]]]:
    """What the library warns of within the block: {path of a recording: sentences}."""
    heard: dict[str, list[str]] = defaultdict(list)

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            path = getattr(record, "path", None)
            if path is not None:
                heard[path].append(record.getMessage())

    listener = Listener(logging.WARNING)
    log.addHandler(listener)
    try:
        yield heard
    finally:
        log.removeHandler(listener)
