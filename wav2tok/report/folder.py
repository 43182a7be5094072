"""The folders that ``wav2tok evaluate`` and ``wav2tok register`` write: what each file in them is called."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ReportFolder:
    """The files of an evaluation report."""

    path: Path

    @property
    def headline(self) -> Path:
        """The few figures that runs are compared by, for ``dvc exp show`` and ``dvc metrics``."""
        return self.path / "headline.json"

    @property
    def metrics(self) -> Path:
        """All figures."""
        return self.path / "metrics.json"

    @property
    def curves(self) -> Path:
        """MRR and MAP along each robustness axis."""
        return self.path / "curves.json"

    @property
    def significance(self) -> Path:
        """The comparisons with the baselines."""
        return self.path / "significance.json"

    @property
    def retrieval(self) -> Path:
        """The retrieval estimates with their intervals, one row per system, view and metric."""
        return self.path / "retrieval.csv"

    @property
    def gate(self) -> Path:
        """The gate's verdict: ``{"approved", "reasons"}``."""
        return self.path / "gate.json"

    @property
    def held_out(self) -> Path:
        """What champions are compared by: ``{"score", "test_digest", "approved"}``."""
        return self.path / "heldout.json"

    @property
    def markdown(self) -> Path:
        """The report as text."""
        return self.path / "report.md"

    @property
    def page(self) -> Path:
        """The report as one HTML page."""
        return self.path / "report.html"

    @property
    def table(self) -> Path:
        """The retrieval table for the terminal."""
        return self.path / "table.txt"

    @property
    def plots(self) -> Path:
        """A folder of PNG files."""
        return self.path / "plots"

    @property
    def names(self) -> list[str]:
        """What the folder holds."""
        files = (self.metrics, self.headline, self.curves, self.significance, self.retrieval, self.gate, self.held_out)
        return [path.name for path in (*files, self.markdown, self.page, self.table, self.plots)]


@dataclass(frozen=True)
class RegisteredFolder:
    """What registration leaves behind."""

    path: Path

    @property
    def outcome(self) -> Path:
        """Whether a version was registered, and which."""
        return self.path / "registered.json"

    @property
    def summary(self) -> Path:
        """The same in words, with the retrieval table."""
        return self.path / "summary.txt"
