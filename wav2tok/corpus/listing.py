"""Which recordings a folder holds, with their classes and groups."""

from pathlib import Path

from wav2tok.audio import decode
from wav2tok.config.schema import Split
from wav2tok.corpus.manifest import read_csv
from wav2tok.corpus.recordings import Recordings
from wav2tok.errors import UserError


def listing(folder: Path, config: Split, manifest: Path | None) -> tuple[Recordings, list[str] | None]:
    """The recordings below ``folder``; dictionary data has a class a subfolder.

    Args:
        manifest: of ``validate``; given, what it calls unreadable is left out and groups may come from its column.

    Returns:
        (recordings, the group of each where a column says it).

    Raises:
        UserError: no recordings, files outside class folders in dictionary data, or no manifest for a column.
    """
    if config.group_by == "column" and manifest is None:
        raise UserError("--group-by column needs --manifest FILE, a manifest.csv with the column group.")
    if manifest is None:
        names, groups = [path.relative_to(folder).as_posix() for path in decode.find(folder)], None
    else:
        entries = [entry for entry in read_csv(manifest) if not entry.error]
        names = [entry.path for entry in entries]
        groups = [entry.group for entry in entries] if config.group_by == "column" else None
    if not names:
        raise UserError(
            f"{folder} holds no readable recordings; put some there, or sing a sample with: wav2tok sample {folder}"
        )
    paths = tuple((folder / name).as_posix() for name in names)
    # A folder without subfolders has no classes, so that it is a list whatever the parameter says.
    if config.kind == "list" or all("/" not in name for name in names):
        return Recordings(paths), groups
    loose = [name for name in names if "/" not in name]
    if loose:
        raise UserError(f"{folder / loose[0]} lies in no class folder; move it into one, or split with --kind list.")
    return Recordings(paths, tuple(name.split("/", 1)[0] for name in names)), groups
