"""Which recordings a folder holds, with what is known about each."""

from dataclasses import replace
from pathlib import Path

from wav2tok.audio.find import find
from wav2tok.config.schema import Split
from wav2tok.corpus.groups import TABLE, groups_of
from wav2tok.corpus.manifest import read_csv
from wav2tok.corpus.recordings import Recordings, class_of, names_group
from wav2tok.corpus.sources import joined
from wav2tok.errors import UserError


def listing(folder: Path, config: Split, manifest: Path | None) -> Recordings:
    """The recordings below ``folder``; in dictionary data each subfolder is a class.

    Args:
        config: ``kind`` decides whether there are classes; ``group_by`` "column" takes groups from the manifest, or
            without one from the folder's ``groups.csv``.
        manifest: the ``manifest.csv`` of ``validate``. Its unreadable files are left out, its lengths and digests are
            carried on, and recordings of one source are of one group. None lists the files of the folder, whose
            lengths, digests and sources stay unknown.

    Raises:
        UserError: no recordings, files outside class folders in dictionary data, or no manifest to take groups from.
    """
    by_column = config.group_by == "column"
    if by_column and manifest is None and not (folder / TABLE).is_file():
        raise UserError(
            f"groups by column are read from a manifest.csv, and none is given; write {folder / TABLE} with the "
            "columns path and group, or a manifest with wav2tok validate.",
            parameter="manifest",
        )
    if manifest is None:
        names = [path.relative_to(folder).as_posix() for path in find(folder)]
        recordings = Recordings(_below(folder, names), groups=tuple(groups_of(folder, names)) if by_column else ())
    else:
        entries = [entry for entry in read_csv(manifest) if not entry.error]
        names = [entry.path for entry in entries]
        recordings = _with_sources(
            Recordings(
                _below(folder, names),
                groups=tuple(entry.group for entry in entries) if by_column else (),
                seconds=tuple(entry.seconds for entry in entries),
                digests=tuple(entry.sha256 for entry in entries),
                sources=tuple(entry.source for entry in entries),
            ),
            by_column,
        )
    if not names:
        raise UserError(
            f"{folder} holds no readable recordings; put some there, or make a sample with: wav2tok sample {folder}"
        )
    # A folder without subfolders has no classes, so it is a list whatever the parameter is.
    if config.kind == "list" or all("/" not in name for name in names):
        return recordings
    loose = [name for name in names if "/" not in name]
    if loose:
        raise UserError(
            f"{folder / loose[0]} is not in a class folder; move it into one, or split without classes (kind: list)."
        )
    return replace(recordings, classes=tuple(map(class_of, names)))


def _below(folder: Path, names: list[str]) -> tuple[str, ...]:
    """Names relative to ``folder`` as paths."""
    return tuple((folder / name).as_posix() for name in names)


def _with_sources(recordings: Recordings, by_column: bool) -> Recordings:
    """``recordings`` with the groups joined that share a source; unchanged where none does."""
    if not any(recordings.sources):
        return recordings
    named = [by_column or names_group(path) for path in recordings.paths]
    return replace(recordings, groups=joined(recordings.groups, recordings.sources, named))
