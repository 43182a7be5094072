"""Interface for reporting metrics, so the core does not depend on a tracking server.

`wav2tok.tracking.runs` implements it for MLflow; the implementation here ignores everything.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol


class Recorder(Protocol):
    """Receives the metrics of the training loop."""

    def metrics(self, rows: Sequence[tuple[int, Mapping[str, float]]]) -> None:
        """Record rows of (optimiser step, metrics)."""
        ...


class SilentRecorder:
    """Ignores all metrics; the loop still logs its progress."""

    def metrics(self, rows: Sequence[tuple[int, Mapping[str, float]]]) -> None:
        """Ignore ``rows``."""
