"""The folders that ``wav2tok evaluate`` and ``wav2tok register`` write: what each file in them is called."""

from dataclasses import dataclass
from pathlib import Path


class ReportFolder:
    """The files of an evaluation report."""

    def __init__(self, path: Path) -> None:
        self.path = path
        # The few figures that runs are compared by, for ``dvc exp show`` and ``dvc metrics``.
        self.headline = path / "headline.json"
        # All figures.
        self.metrics = path / "metrics.json"
        # MRR and MAP along each robustness axis.
        self.curves = path / "curves.json"
        # The comparisons with the baselines.
        self.significance = path / "significance.json"
        # The retrieval estimates with their intervals, one row per system, view and metric.
        self.retrieval = path / "retrieval.csv"
        # The gate's verdict: {"approved", "reasons", "clauses"}.
        self.gate = path / "gate.json"
        # What champions are compared by: {"score", "test_digest", "approved"}.
        self.held_out = path / "heldout.json"
        # Which model and data the report is of, and the digests of the files that decide (`wav2tok.report.seal`).
        self.seal = path / "seal.json"
        # The report as text, and as one HTML page.
        self.markdown = path / "report.md"
        self.page = path / "report.html"
        # The retrieval table for the terminal.
        self.table = path / "table.txt"
        # A folder of pictures.
        self.plots = path / "plots"
        # Among them a query and its nearest right answer, as tokens.
        self.match = self.plots / "match.svg"

    @property
    def names(self) -> list[str]:
        """What the folder holds."""
        files = (self.metrics, self.headline, self.curves, self.significance, self.retrieval, self.gate, self.held_out)
        return [path.name for path in (*files, self.seal, self.markdown, self.page, self.table, self.plots)]

    @property
    def sealed(self) -> tuple[Path, ...]:
        """The files that export and register act on."""
        return (self.gate, self.held_out, self.headline, self.retrieval, self.markdown, self.table)


@dataclass(frozen=True)
class GateFile:
    """What ``gate.json`` holds, apart from the clauses."""

    approved: bool
    reasons: list[str]


@dataclass(frozen=True)
class HeldOutFile:
    """What ``heldout.json`` holds."""

    score: float
    test_digest: str
    approved: bool


class RegisteredFolder:
    """What registration leaves behind."""

    def __init__(self, path: Path) -> None:
        self.path = path
        # Whether a version was registered, and which.
        self.outcome = path / "registered.json"
        # The same in words, with the retrieval table.
        self.summary = path / "summary.txt"
