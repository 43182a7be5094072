"""A recording and what is known about it, and how recordings are divided into parts."""

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload


@dataclass(frozen=True)
class Recording:
    """One recording of a corpus; None means unknown.

    Attributes:
        path: the audio file.
        label: its class; None in list data.
        group: its speaker or singer.
        seconds: its length.
        sha256: hexadecimal digest of the file's bytes, as they were when the corpus was validated.
        source: what it shares audio with (`wav2tok.corpus.sources`): the same for all recordings of one source, and
            empty where it shares audio with none.
    """

    path: str
    label: str | None
    group: str
    seconds: float | None
    sha256: str | None
    source: str = ""


@dataclass(frozen=True)
class Recordings(Sequence[Recording]):
    """A sequence of `Recording`, kept as columns.

    Attributes:
        paths: the audio files.
        classes: their classes; None for list data.
        groups: their speakers or singers; by default the file names up to the first ``_`` (`group_of`).
        seconds, digests: their lengths and SHA-256; unknown by default.
        sources: what they share audio with; by default nothing.
    """

    paths: tuple[str, ...]
    classes: tuple[str, ...] | None = None
    groups: tuple[str, ...] = ()
    seconds: tuple[float | None, ...] = ()
    digests: tuple[str | None, ...] = ()
    sources: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        unknown = (None,) * len(self.paths)
        defaults = {
            "groups": tuple(map(group_of, self.paths)),
            "seconds": unknown,
            "digests": unknown,
            "sources": ("",) * len(self.paths),
        }
        for name, default in defaults.items():
            if not getattr(self, name):
                object.__setattr__(self, name, default)

    def _each(self, change: Callable[[Any], Any]) -> list[Any]:
        """``change`` of every field, in the order of those of `Recording`; None stays None."""
        columns = (self.paths, self.classes, self.groups, self.seconds, self.digests, self.sources)
        return [None if column is None else change(column) for column in columns]

    def __len__(self) -> int:
        return len(self.paths)

    @overload
    def __getitem__(self, index: int) -> Recording: ...

    @overload
    def __getitem__(self, index: slice) -> "Recordings": ...

    def __getitem__(self, index: int | slice) -> "Recording | Recordings":
        if isinstance(index, slice):
            return self.take(range(len(self))[index])
        return Recording(*self._each(lambda column: column[index]))

    def __add__(self, other: "Recordings") -> "Recordings":
        """These recordings, then the other ones; without classes if either has none."""
        classes = None if self.classes is None or other.classes is None else self.classes + other.classes
        return Recordings(
            self.paths + other.paths,
            classes,
            self.groups + other.groups,
            self.seconds + other.seconds,
            self.digests + other.digests,
            self.sources + other.sources,
        )

    def take(self, indices: Iterable[int]) -> "Recordings":
        """The recordings at ``indices``, in that order."""
        chosen = list(indices)
        return Recordings(*self._each(lambda column: tuple(column[i] for i in chosen)))


@dataclass(frozen=True)
class Splits:
    """The parts of a corpus; ``valid`` is None where it is still to be cut from ``train``."""

    train: Recordings
    valid: Recordings | None
    test: Recordings


@dataclass(frozen=True)
class TrainingSplits(Splits):
    """Splits that have a validation part."""

    valid: Recordings


def name_of(text: str) -> str:
    """A class or group in NFC: a letter with an accent can be encoded in two ways, and both are one name."""
    return unicodedata.normalize("NFC", text)


def class_of(name: str) -> str:
    """The class of a recording by its path below the corpus: the first folder; "" directly in the corpus."""
    return name_of(name.split("/", 1)[0]) if "/" in name else ""


def group_of(path: str) -> str:
    """The speaker or singer by the file name: its stem up to the first ``_``, or the whole stem."""
    return name_of(Path(path).stem.split("_", 1)[0])


def names_group(path: str) -> bool:
    """Whether a file name says a speaker or singer: whether something stands before a ``_``."""
    return Path(path).stem.find("_") > 0
