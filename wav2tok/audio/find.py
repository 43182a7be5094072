"""Find the recordings of a folder: each real file once, with a log line for whatever is left out."""

import os
import shutil
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from wav2tok.audio import foreign
from wav2tok.errors import UserError
from wav2tok.progress import counted, log

SUFFIXES = frozenset(
    {".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aiff", ".aif", ".aifc", ".au", ".snd", ".caf", ".w64",
     ".rf64", ".sph"}
)  # fmt: skip
"""Of files that libsndfile reads."""
UNREAD = frozenset(
    {".ac3", ".ape", ".dff", ".dsf", ".dts", ".eac3", ".flv", ".m4p", ".mid", ".midi", ".mpc", ".mpeg", ".mpg", ".ra",
     ".ram", ".rm", ".shn", ".spx", ".tta", ".ts", ".wv", ".avi", ".mp2", ".gsm", ".voc", ".raw", ".pcm"}
)  # fmt: skip
"""Of other files with sound, which are not read."""
_SHOWN = 3


def readable_suffixes() -> frozenset[str]:
    """The suffixes of files that are read on this machine."""
    return SUFFIXES | foreign.SUFFIXES if shutil.which("ffmpeg") else SUFFIXES


def identity(path: str | Path) -> tuple[int, int] | str:
    """What a path means, however it is spelled: device and inode of the file; without a file the path, normalised."""
    try:
        about = os.stat(path)
    except (OSError, ValueError):  # the latter for a NUL
        return unicodedata.normalize("NFC", os.path.abspath(path))
    return about.st_dev, about.st_ino


def once(paths: Iterable[str]) -> list[str]:
    """``paths`` without those that mean a file that was there before, which a warning names."""
    first: dict[tuple[int, int] | str, str] = {}
    out = []
    again: list[tuple[str, str]] = []
    for path in paths:
        key = identity(path)
        if key in first:
            again.append((path, first[key]))
        else:
            first[key] = path
            out.append(path)
    if again:
        path, known = again[0]
        spelled = "is named twice" if path == known else f"is the same file as {known}"
        more = f", and {len(again) - 1} more are such" if len(again) > 1 else ""
        log.warning(f"{path} {spelled} and is taken once{more}", extra={"path": path, "kind": "twice"})
    return out


def find(root: Path | str) -> list[Path]:
    """The recordings below ``root``, by suffix, sorted by their names in NFC; hidden files and folders are skipped.

    Each real file is there once, also where links lead in a circle. Warnings say what is left out: links that lead
    nowhere, and files with sound that are not read.

    Raises:
        UserError: ``root`` is not a folder.
    """
    root = Path(root)
    if not root.is_dir():
        raise UserError(f"{root} is not a folder; name one that holds recordings, such as data.")
    suffixes = readable_suffixes()
    left_out: list[Path] = []
    nowhere: list[Path] = []
    empty: list[Path] = []

    linked: set[Path] = set()

    def walk(folder: Path, above: frozenset[tuple[int, int] | str], by_link: bool = False) -> Iterator[Path]:
        files = 0
        for entry in sorted(folder.iterdir(), key=lambda entry: (unicodedata.normalize("NFC", entry.name), entry.name)):
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                here = identity(entry)
                if here in above:
                    log.warning(f"{entry} leads back to a folder that it is in, and is not followed")
                else:
                    yield from walk(entry, above | {here}, by_link or entry.is_symlink())
            elif entry.is_symlink() and not entry.exists():
                nowhere.append(entry)
            elif entry.suffix.lower() in suffixes:
                if by_link or entry.is_symlink():
                    linked.add(entry)
                yield entry
            else:
                files += 1
                if entry.suffix.lower() in UNREAD | foreign.SUFFIXES:
                    left_out.append(entry)
        if files:
            empty.append(folder)

    found = list(walk(root, frozenset({identity(root)})))
    _say_left_out(root, left_out, nowhere)
    # A file has its own name where it has one here, and not that of a link.
    own = {*once(map(str, sorted(found, key=linked.__contains__)))}
    kept = [path for path in found if str(path) in own]
    _say_empty(root, empty, kept)
    return kept


def recordings_of(folder: Path | str) -> list[Path]:
    """The recordings below a folder that must hold some (`find`).

    Raises:
        UserError: it is not a folder, or holds none.
    """
    found = find(folder)
    if not found:
        suffixes = ", ".join(sorted(readable_suffixes()))
        raise UserError(f"{folder} holds no recordings ({suffixes}); name another folder.")
    return found


def _say_left_out(root: Path, left_out: list[Path], nowhere: list[Path]) -> None:
    """Warn of recordings that are not read, and say how to convert them, and of links without a file."""
    if left_out:
        kinds = Counter(path.suffix.lower() for path in left_out)
        what = ", ".join(f"{count} {suffix}" for suffix, count in sorted(kinds.items()))
        by_ffmpeg = all(path.suffix.lower() in foreign.SUFFIXES for path in left_out)
        example = left_out[0]
        way = "install ffmpeg, which reads them, or convert them" if by_ffmpeg else "convert them"
        log.warning(
            f"{counted(len(left_out), 'file')} with sound in {root} not read ({what}); {way}: "
            f"ffmpeg -i {example} {example.with_suffix('.flac')}"
        )
    if nowhere:
        names = ", ".join(map(str, nowhere[:_SHOWN])) + (", ..." if len(nowhere) > _SHOWN else "")
        log.warning(f"{counted(len(nowhere), 'link')} to no file in {root} left out: {names}")


def _say_empty(root: Path, folders: list[Path], recordings: list[Path]) -> None:
    """Warn of folders that hold files, none of which is a recording."""
    full = {parent for path in recordings for parent in path.parents}
    silent = [folder for folder in folders if folder not in full]
    if silent and recordings:
        names = ", ".join(map(str, silent[:_SHOWN])) + (", ..." if len(silent) > _SHOWN else "")
        log.warning(f"{counted(len(silent), 'folder')} in {root} with files but no recording that is read: {names}")
