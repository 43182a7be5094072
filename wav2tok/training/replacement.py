"""A training that replaces a finished one: it runs in a folder of its own, and takes its place when it is whole.

Until then the old model is what it was, whatever becomes of the new training. A process that is killed in between
leaves a state that the next one completes.
"""

import shutil
from pathlib import Path

from wav2tok.model.folder import ModelFolder
from wav2tok.tokenizer.format import GRAPH_NAMES
from wav2tok.tracking.runs import RUN_FILE
from wav2tok.tracking.unsent import UNSENT

NEXT, SETTLING = ".next", ".settling"
"""In a model folder: the training that will replace the one there, and what is left to be moved of a whole one."""


def place_of(out: Path) -> Path:
    """Where a new training writes that was asked to start over in ``out``; a former attempt there is deleted."""
    shutil.rmtree(out / NEXT, ignore_errors=True)
    return out / NEXT if (out / GRAPH_NAMES[0]).exists() else out


def settle(out: Path, name: str) -> None:
    """Put the training ``name`` that `NEXT` holds into the place of the one in ``out``, if it is whole."""
    new, moving = out / NEXT, out / SETTLING
    if (new / GRAPH_NAMES[0]).is_file() and not moving.exists():
        kept = {path.name for path in new.iterdir()}
        for path in (*ModelFolder(out).outdated_by(name), out / RUN_FILE, out / UNSENT):
            if path.name not in kept:
                path.unlink(missing_ok=True)
        new.rename(moving)
    if moving.is_dir():
        for path in sorted(moving.iterdir(), key=lambda path: path.name == GRAPH_NAMES[0]):
            path.replace(out / path.name)
        moving.rmdir()
