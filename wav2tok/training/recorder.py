"""Where training reports to: a small interface, so that the core needs no tracking server.

`wav2tok.tracking.runs` has the MLflow form; the one here keeps nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol


class Recorder(Protocol):
    """What the training loop tells of itself."""

    def metrics(self, rows: Sequence[tuple[int, Mapping[str, float]]]) -> None:
        """Figures by optimiser step."""
        ...


class SilentRecorder:
    """Keeps nothing; the loop prints its progress itself."""

    def metrics(self, rows: Sequence[tuple[int, Mapping[str, float]]]) -> None:
        """Ignore ``rows``."""
