"""A condition of a decision, with the figure that it was decided by."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Clause:
    """One condition, of the gate or of a promotion.

    Attributes:
        name: such as "mrr" or "gain".
        met: whether it holds.
        sentence: what was found and what was asked, with the figures, for people.
        figures: the same for programs.
    """

    name: str
    met: bool
    sentence: str
    figures: Mapping[str, float | int | str | None]

    def to_json(self) -> dict[str, Any]:
        """The clause as JSON values."""
        return asdict(self) | {"figures": dict(self.figures)}
