"""Token strings of recordings, kept on disk, and search in them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rapidfuzz import fuzz

from wav2tok.errors import UserError
from wav2tok.files import read_json, write_json
from wav2tok.matching import Tokenized, as_text, edit_distances, rank
from wav2tok.tokenizer.batch import Failure, expand, tokenize_files
from wav2tok.tokenizer.tokenizer import Tokenizer


@dataclass(frozen=True)
class Match:
    """A recording and its normalised edit distance to the query, 0 to 1."""

    path: str
    distance: float


@dataclass(frozen=True)
class Hit:
    """A passage of a recording, in seconds, and its similarity to the query, 0 to 100."""

    path: str
    start: float
    end: float
    similarity: float


@dataclass(frozen=True)
class Index:
    """Token strings with the identity of their tokenizer: strings of two tokenizers do not compare.

    >>> index = Index.build(["recordings"], tokenizer)
    >>> index.save(Path("index.json"))
    >>> index = Index.load(Path("index.json"), tokenizer)
    >>> best = index.search(tokenizer.encode_file("query.flac"), top=1)[0]
    >>> best.path, best.distance
    ('recordings/arch/ada_0.flac', 0.0)

    Attributes:
        identity: `Tokenizer.identity`.
        frame_seconds: `Tokenizer.frame_seconds`, the unit of `Tokenized.starts`.
        entries: one per recording.
    """

    identity: str
    frame_seconds: float
    entries: Sequence[Tokenized]

    def __repr__(self) -> str:
        return f"Index({len(self.entries)} recordings, identity={self.identity!r})"

    @classmethod
    def of(cls, tokenizer: Tokenizer, entries: Iterable[Tokenized]) -> "Index":
        """An index of strings that ``tokenizer`` made."""
        return cls(tokenizer.identity, tokenizer.frame_seconds, list(entries))

    @classmethod
    def build(cls, paths: Sequence[str | Path], tokenizer: Tokenizer) -> "Index":
        """Tokenize files, and the recordings in folders, into an index.

        Raises:
            UserError: a folder holds no recordings, or a file cannot be read.
        """
        entries = []
        for result in tokenize_files(expand([str(path) for path in paths]), tokenizer):
            if isinstance(result, Failure):
                raise UserError(result.error)
            entries.append(result)
        return cls.of(tokenizer, entries)

    @classmethod
    def load(cls, path: Path, tokenizer: Tokenizer) -> "Index":
        """Read an index that ``tokenizer`` made.

        Raises:
            UserError: there is no such file, it is not an index, or another tokenizer made it.
        """
        values = read_json(path)
        try:
            entries = [
                Tokenized(
                    e["path"],
                    e["seconds"],
                    np.array(e["tokens"], dtype=np.int64),
                    np.array(e["starts"], dtype=np.int64),
                )
                for e in values["recordings"]
            ]
            index = cls(values["tokenizer"], values["frame_seconds"], entries)
        except (KeyError, TypeError, ValueError):
            raise UserError(f"{path} is not an index; make one with: wav2tok index FOLDER --out {path}") from None
        if index.identity != tokenizer.identity:
            raise UserError(f"{path} was made with another tokenizer than this one; index again with this one.")
        return index

    def save(self, path: Path) -> None:
        """Write the index as JSON, whole or not at all.

        Raises:
            UserError: ``path`` is a file of another kind, or a folder.
        """
        require_replaceable(path)
        entries = [
            {"path": e.path, "seconds": e.seconds, "tokens": e.tokens.tolist(), "starts": e.starts.tolist()}
            for e in self.entries
        ]
        write_json(path, {"tokenizer": self.identity, "frame_seconds": self.frame_seconds, "recordings": entries})

    def search(self, query: np.ndarray, top: int = 10) -> list[Match]:
        """The ``top`` recordings nearest to a token string, int [L], by normalised edit distance.

        Returns:
            Best first; ties keep the order of the index.
        """
        distances = edit_distances([query], [e.tokens for e in self.entries])
        order = rank(distances, np.ones(distances.shape, dtype=bool))[0, :top]
        return [Match(self.entries[i].path, round(float(distances[0, i]), 4)) for i in order if i >= 0]

    def spot(self, query: np.ndarray, top: int = 10) -> list[Hit]:
        """The passage of each recording that is most similar to the query, int [L]; the ``top`` of them, best first."""
        text = as_text(query)
        hits: list[Hit] = []
        for entry in self.entries:
            match = fuzz.partial_ratio_alignment(text, as_text(entry.tokens))
            if match is None or not text or match.dest_end <= match.dest_start:
                continue
            if len(text) <= len(entry.tokens):
                first, last = match.dest_start, match.dest_end
            else:  # the whole recording: it is shorter than the query
                first, last = 0, len(entry.tokens)
            end = entry.starts[last] * self.frame_seconds if last < len(entry.starts) else entry.seconds
            hits.append(
                Hit(
                    entry.path,
                    round(float(entry.starts[first] * self.frame_seconds), 3),
                    round(float(min(end, entry.seconds)), 3),
                    round(match.score, 2),
                )
            )
        return sorted(hits, key=lambda hit: -hit.similarity)[:top]


def require_replaceable(path: Path) -> None:
    """Refuse to replace a file that is not an index.

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
