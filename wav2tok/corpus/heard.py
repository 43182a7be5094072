"""What a model has heard: the digests of the recordings that it was trained or validated on.

They go with the model, as `HEARD_FILE` in its folder and next to its graph in the registry, so that a later comparison
can leave these recordings out, whatever they are called by then and whichever split they are in.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from wav2tok.corpus.digests import contents
from wav2tok.corpus.recordings import Recordings
from wav2tok.files import read_json, write_json

HEARD_FILE = "heard.json"
"""In a model folder, an export folder and a registered version: ``{"recordings": [SHA-256 in hexadecimal, ...]}``."""


@dataclass(frozen=True)
class _Heard:
    recordings: list[str]


def write(folder: Path, recordings: Recordings, before: Iterable[str] = ()) -> None:
    """Write the digests of ``recordings`` to a model folder.

    Args:
        before: digests of what the model's initial weights had heard.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / HEARD_FILE, {"recordings": sorted({*contents(recordings), *before})})


def read(folder: Path) -> frozenset[str]:
    """The digests that a folder holds.

    Raises:
        UserError: it holds none; then it is unknown which recordings are unseen.
    """
    return frozenset(read_json(folder / HEARD_FILE, _Heard)["recordings"])


def known(folder: Path) -> frozenset[str]:
    """`read`, or nothing where a folder holds no such file: a model of an earlier release, or of another program."""
    return read(folder) if (folder / HEARD_FILE).is_file() else frozenset()


def unheard(recordings: Recordings, heard: Iterable[str]) -> Recordings:
    """The recordings whose contents, as they are now, are not among the digests ``heard``."""
    left_out = frozenset(heard)
    return recordings.take(i for i, digest in enumerate(contents(recordings)) if digest not in left_out)
