"""``wav2tok tokenize --ray``: what the verb prints when a cluster does the work."""

import contextlib
import sys
from pathlib import Path

import typer

from wav2tok import progress
from wav2tok.cli.rows import say_failure
from wav2tok.errors import UserError
from wav2tok.extras import need
from wav2tok.writable import require_outside


def tokenize(
    paths: list[str] | None,
    model: str,
    out: Path | None,
    ray: str,
    device: str,
    threads: int | None,
    variant: str | None,
) -> None:
    """Tokenize recordings on a Ray cluster; the arguments are those of ``wav2tok tokenize``."""
    if out is None:
        raise UserError("a cluster's rows go to a folder of Parquet parts; name one.", "out")
    require_outside(out, *(paths or []))
    need("ray")
    from wav2tok.bulk import job
    from wav2tok.tokenizer.batch import expand
    from wav2tok.tokenizer.tokenizer import Tokenizer

    files = expand(paths or [], sys.stdin)
    threads = threads or 1
    tokenizer = Tokenizer.from_pretrained(model, "cpu", threads, variant)
    made = failed = 0
    with contextlib.closing(job.tokenize(files, tokenizer, out, ray, device, threads)) as rows:
        for failure in progress.track(rows, "tokenizing", len(files)):
            made += 1
            if failure is not None:
                failed += 1
                say_failure(failure)
    print(
        f"{made} rows written, {failed} of them with an error, {len(files) - made} were there; {out}", file=sys.stderr
    )
    if failed:
        raise typer.Exit(1)
