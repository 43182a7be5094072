"""The folders that ``wav2tok evaluate`` and ``wav2tok register`` write: what each file in them is called."""

from pathlib import Path


class ReportFolder:
    """The files of an evaluation report."""

    def __init__(self, path: Path) -> None:
        self.path = path
        # All figures, for ``dvc metrics``.
        self.metrics = path / "metrics.json"
        # MRR and MAP along each robustness axis.
        self.curves = path / "curves.json"
        # The comparisons with the baselines.
        self.significance = path / "significance.json"
        # The retrieval estimates with their intervals, one row per system, view and metric.
        self.retrieval = path / "retrieval.csv"
        # The gate's verdict: {"approved", "reasons"}.
        self.gate = path / "gate.json"
        # What champions are compared by: {"score", "test_digest", "approved"}.
        self.held_out = path / "heldout.json"
        # The report as text, and as one HTML page.
        self.markdown = path / "report.md"
        self.page = path / "report.html"
        # The retrieval table for the terminal.
        self.table = path / "table.txt"
        # A folder of PNG files.
        self.plots = path / "plots"


class RegisteredFolder:
    """What registration leaves behind."""

    def __init__(self, path: Path) -> None:
        self.path = path
        # Whether a version was registered, and which.
        self.outcome = path / "registered.json"
        # The same in words, with the retrieval table.
        self.summary = path / "summary.txt"
