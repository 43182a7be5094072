"""Check a corpus and measure its recordings: what ``wav2tok validate`` does."""

from pathlib import Path

from wav2tok.config.schema import Config
from wav2tok.corpus.validation import validate as judge
from wav2tok.extras import need
from wav2tok.progress import counted, log
from wav2tok.writable import require_outside


def validate(
    folder: Path, out: Path, config: Config, expectations: Path | None = None, accepted: Path | None = None
) -> None:
    """Write the manifest, ``validation.json`` and the Data Docs of the recordings in ``folder`` to the folder ``out``.

    Args:
        expectations: the project's own; None: ``expectations.yaml`` in the working folder, if it exists.
        accepted: what ``wav2tok accept`` wrote; None: ``accepted.csv`` in the working folder, if it exists.

    Raises:
        UserError: a critical check failed, there is nothing to check, or ``out`` lies in ``folder``.
    """
    require_outside(out, folder)
    need("workflow", "great_expectations", "pandas")
    report = judge(folder, out, config, expectations, accepted)
    summary = report.summary
    log.info(
        f"{counted(summary['recordings'], 'recording')} of {counted(summary['classes'], 'class')} and "
        f"{counted(summary['groups'], 'group')}, "
        f"{summary['hours']:.2f} hours; manifest {out / 'manifest.csv'}, Data Docs {report.docs}. "
        f"{summary['compared']['says']}"
    )
