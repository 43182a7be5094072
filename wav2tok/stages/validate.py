"""Check a corpus and measure its recordings: what ``wav2tok validate`` does."""

from collections.abc import Callable
from pathlib import Path

from wav2tok.config.schema import Config
from wav2tok.corpus.validation import validate as judge
from wav2tok.extras import need
from wav2tok.progress import say


def validate(folder: Path, out: Path, config: Config, progress: Callable[[int, int], None]) -> None:
    """Write the manifest and the Data Docs of ``folder`` to the folder ``out``."""
    need("workflow", "great_expectations", "pandas")
    report = judge(folder, out, config, progress)
    for warning in report.warnings:
        say(f"warning: {warning}")
    summary = report.summary
    say(
        f"{summary['recordings']} recordings of {summary['classes']} classes, "
        f"{summary['hours']:.2f} hours; manifest {out / 'manifest.csv'}, Data Docs {report.docs}"
    )
