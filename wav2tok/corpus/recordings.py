"""Recordings as training, evaluation and reports see them, and how they are divided."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Recordings:
    """Paths with their classes; ``classes`` is None for list data."""

    paths: tuple[str, ...]
    classes: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def groups(self) -> tuple[str, ...]:
        """The speaker or singer of each recording: the file name up to its first ``_``."""
        return tuple(group_of(path) for path in self.paths)

    def take(self, indices: Iterable[int]) -> "Recordings":
        """The recordings at ``indices``, in that order."""
        chosen = list(indices)
        classes = None if self.classes is None else tuple(self.classes[i] for i in chosen)
        return Recordings(tuple(self.paths[i] for i in chosen), classes)


@dataclass(frozen=True)
class Splits:
    train: Recordings
    valid: Recordings | None
    test: Recordings


@dataclass(frozen=True)
class TrainingSplits(Splits):
    """Splits that have a validation part."""

    valid: Recordings


def group_of(path: str) -> str:
    """The file name up to its first ``_`` (the whole stem if there is none)."""
    return Path(path).stem.split("_", 1)[0]
