"""The manifest of an index: which segments are the index, and which tokenizer made their strings."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from wav2tok.errors import UserError
from wav2tok.untrusted import parse_json, read_text, why_not_regular

MANIFEST = "index.json"
LOCK = "writer.lock"
FORMAT = 2
OWN = re.compile(rf"{re.escape(MANIFEST)}|{LOCK}|\.index-.*|\d{{8}}-[0-9a-f]{{8}}\.(segment|dead)")
"""The names of an index's files."""


@dataclass(frozen=True)
class Part:
    """A segment as the manifest names it.

    Attributes:
        file, sha256: of the segment.
        recordings, units, tokens: how many it has.
        dead, dead_sha256: the file of its removed recordings; empty if none was removed.
        removed: how many were.
    """

    file: str
    sha256: str
    recordings: int
    units: int
    tokens: int
    dead: str = ""
    dead_sha256: str = ""
    removed: int = 0


@dataclass(frozen=True)
class Manifest:
    """What an index is.

    Attributes:
        generation: how many changes were made.
        identity: `wav2tok.tokenizer.tokenizer.Tokenizer.identity` of the tokenizer that made the strings.
        model: its `source`: the model's name, with the registry's version.
        frame_seconds, num_tokens: of that tokenizer.
        root: the folder that the paths of the segments are relative to; empty: paths are as they were given.
        parts: the segments.
    """

    identity: str
    model: str
    frame_seconds: float
    num_tokens: int
    root: str = ""
    generation: int = 0
    parts: tuple[Part, ...] = field(default=())

    @property
    def files(self) -> set[str]:
        """The names of the files that belong to the index, beside the manifest."""
        return {name for part in self.parts for name in (part.file, part.dead) if name}


def read(folder: Path) -> Manifest:
    """The manifest of an index.

    Raises:
        UserError: there is none, or it is not of this release.
    """
    if folder.exists() and not folder.is_dir():
        raise UserError(
            f"{folder} is a file, and an index is a folder; if an earlier release wrote it, move it away and index "
            f"again: wav2tok index FOLDER --out {folder}",
            "index",
        )
    try:
        if why_not_regular(folder / MANIFEST) == "does not exist":
            raise FileNotFoundError
        values = parse_json(read_text(folder / MANIFEST))
        written = values.pop("format")
        if written == 1:
            raise UserError(
                f"{folder} was written by an older wav2tok; index again: wav2tok index FOLDER --out {folder}", "index"
            )
        if written != FORMAT:
            raise UserError(f"{folder} was written by a newer wav2tok; update wav2tok, or index again.", "index")
        manifest = Manifest(**values | {"parts": tuple(Part(**part) for part in values["parts"])})
        if not _sound(manifest):
            raise ValueError
        return manifest
    except FileNotFoundError:
        problem = "does not exist" if not folder.exists() else f"has no {MANIFEST}, so it is not an index"
        raise UserError(f"{folder} {problem}; make one with: wav2tok index FOLDER --out {folder}", "index") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UserError(
            f"{folder / MANIFEST} is damaged; make the index again: wav2tok index FOLDER --out {folder}", "index"
        ) from None


def _sound(manifest: Manifest) -> bool:
    """Whether the values of a manifest can be those of an index; its files lie in its folder."""
    return (
        isinstance(manifest.num_tokens, int)
        and 2 <= manifest.num_tokens <= 65_536
        and isinstance(manifest.frame_seconds, int | float)
        and 0 < manifest.frame_seconds < 3600
        and all(isinstance(text, str) for text in (manifest.identity, manifest.model, manifest.root))
        and all(isinstance(name, str) and OWN.fullmatch(name) for name in manifest.files)
    )
