"""Whether a result would lie among the recordings that it is made of."""

from collections.abc import Iterator
from pathlib import Path, PurePath

from wav2tok.corpus.recordings import Recordings
from wav2tok.progress import log


def warn_among(out: Path, *parts: Recordings) -> None:
    """Warn if ``out`` lies in a folder of recordings.

    This is not an error, because a result is never mistaken for a recording. But whatever reads or hashes the whole
    folder includes it.
    """
    place = out.resolve()
    for root in sorted({root for part in parts for root in _roots(part)}):
        if place.is_relative_to(Path(root).resolve()):
            log.warning(
                f"{out} lies in {root}, where the recordings are, so whatever reads all of that folder, such as DVC, "
                "takes it for data; name a place outside it"
            )
            return


def _roots(recordings: Recordings) -> Iterator[PurePath]:
    """The folder of each corpus: above the class folders, or where there are none, that of the files."""
    labels = [""] * len(recordings) if recordings.classes is None else recordings.classes
    for folder, label in {(PurePath(path).parent, label) for path, label in zip(recordings.paths, labels, strict=True)}:
        above = [one.parent for one in (folder, *folder.parents) if one.name == label]
        yield above[-1] if label and above else folder
