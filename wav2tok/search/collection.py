"""A collection of token strings on disk, and search in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rapidfuzz import fuzz

from wav2tok.errors import UserError
from wav2tok.files import read_json, write_json
from wav2tok.matching import Tokenized, as_text, edit_distances, rank


@dataclass(frozen=True)
class Collection:
    """Token strings, with the identity of their tokenizer: strings of two tokenizers do not compare.

    Attributes:
        identity: `Tokenizer.identity`.
        frame_seconds: `Tokenizer.frame_seconds`, the unit of `Tokenized.starts`.
        entries: one per recording.
    """

    identity: str
    frame_seconds: float
    entries: Sequence[Tokenized]


@dataclass(frozen=True)
class Hit:
    """A passage of a recording, in seconds, and its similarity to the query, 0 to 100."""

    path: str
    start: float
    end: float
    similarity: float


def require_own(path: Path) -> None:
    """Refuse to replace a file that is not a collection.

    Raises:
        UserError: ``path`` is such a file, or a folder.
    """
    if not path.exists():
        return
    try:
        values = read_json(path) if path.is_file() else {}
    except UserError:
        values = {}
    if "recordings" not in values:
        raise UserError(f"{path} would be replaced and is not an index; name another file.", "out")


def write(path: Path, collection: Collection) -> None:
    """Write a collection as JSON, whole or not at all."""
    entries = [
        {"path": e.path, "seconds": e.seconds, "tokens": e.tokens.tolist(), "starts": e.starts.tolist()}
        for e in collection.entries
    ]
    write_json(
        path, {"tokenizer": collection.identity, "frame_seconds": collection.frame_seconds, "recordings": entries}
    )


def read(path: Path, identity: str) -> Collection:
    """Read a collection.

    Raises:
        UserError: there is no such file, it is not a collection, or its tokenizer is not ``identity``.
    """
    values = read_json(path)
    try:
        entries = [
            Tokenized(
                e["path"], e["seconds"], np.array(e["tokens"], dtype=np.int64), np.array(e["starts"], dtype=np.int64)
            )
            for e in values["recordings"]
        ]
        collection = Collection(values["tokenizer"], values["frame_seconds"], entries)
    except (KeyError, TypeError, ValueError):
        raise UserError(f"{path} is not an index; make one with: wav2tok index FOLDER --out {path}") from None
    if collection.identity != identity:
        raise UserError(f"{path} was made with another tokenizer than this one; index again with this one.")
    return collection


def nearest(collection: Collection, query: np.ndarray, top: int) -> list[tuple[str, float]]:
    """The ``top`` recordings nearest to a token string by normalised edit distance.

    Returns:
        (path, distance) of each, best first; ties keep the order of the collection.
    """
    distances = edit_distances([query], [e.tokens for e in collection.entries])
    order = rank(distances, np.ones(distances.shape, dtype=bool))[0, :top]
    return [(collection.entries[i].path, round(float(distances[0, i]), 4)) for i in order if i >= 0]


def spot(collection: Collection, query: np.ndarray, top: int) -> list[Hit]:
    """The passage of each recording that is most similar to the query; the ``top`` of them, best first."""
    text = as_text(query)
    hits: list[Hit] = []
    for entry in collection.entries:
        match = fuzz.partial_ratio_alignment(text, as_text(entry.tokens))
        if match is None or not text or match.dest_end <= match.dest_start:
            continue
        if len(text) <= len(entry.tokens):
            first, last = match.dest_start, match.dest_end
        else:  # the whole recording: it is shorter than the query
            first, last = 0, len(entry.tokens)
        end = entry.starts[last] * collection.frame_seconds if last < len(entry.starts) else entry.seconds
        hits.append(
            Hit(
                entry.path,
                round(float(entry.starts[first] * collection.frame_seconds), 3),
                round(float(min(end, entry.seconds)), 3),
                round(match.score, 2),
            )
        )
    return sorted(hits, key=lambda hit: -hit.similarity)[:top]
