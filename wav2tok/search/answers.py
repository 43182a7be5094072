"""What a search answers."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Match:
    """A recording that is like the query as a whole.

    Attributes:
        path: the recording.
        distance: to the query, 0 to 1 (by time warping, to 2): of edits, unless the search had another measure.
        expected_by_chance: how many recordings of the index would be as near by chance.
        start, end: where in the recording the query is most like it, in seconds; None unless the recording is more than
            twice as long as the query.
    """

    path: str
    distance: float
    expected_by_chance: float
    start: float | None = None
    end: float | None = None


@dataclass(frozen=True)
class Hit:
    """A passage of a recording.

    Attributes:
        path: the recording.
        start, end: in seconds.
        similarity: 100 for the query's own string, 0 for nothing in common: 100 (1 - edits / tokens of the query).
        expected_by_chance: how many passages of the index would be as near by chance.
    """

    path: str
    start: float
    end: float
    similarity: float
    expected_by_chance: float


class Answers(list[T]):
    """Answers, best first.

    Attributes:
        method: ``scan`` if the query was compared with every recording, ``candidates`` if with those that share most
            seeds with it.
    """

    def __init__(self, answers: Iterable[T], method: str) -> None:
        super().__init__(answers)
        self.method = method
