"""Verbs on audio, with a finished model: tokenize, search, spot, replay."""

import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wav2tok import progress
from wav2tok.cli import bulk, console
from wav2tok.cli.options import Device, Model, Threads, Variant
from wav2tok.cli.rows import Format, FormatOption, printing, say_failure
from wav2tok.errors import UserError

if TYPE_CHECKING:
    from wav2tok.matching.strings import Tokenized
    from wav2tok.search.answers import Answers
    from wav2tok.search.index import Index
    from wav2tok.search.nearest import Measure
    from wav2tok.tokenizer.tokenizer import Tokenizer

CHAMPION = "models:/wav2tok@champion"
Paths = Annotated[
    list[str] | None, typer.Argument(help="Files and folders; none, or -, reads a list from standard input.")
]
IndexFolder = Annotated[Path, typer.Option("--index", help="The folder that index wrote.")]
IndexModel = Annotated[
    str | None, typer.Option("--model", help="As for tokenize; by default the model that the index was made with.")
]
INDEX = Path("index")
By = Annotated[
    str,
    typer.Option(help="The distance: edit, or one that reads the codebook and needs an extra: weighted, dtw, local."),
]
Top = Annotated[int, typer.Option(min=1, max=1_000_000, help="Maximum number of answers.")]


def tokenized(files: list[str], tokenizer: "Tokenizer") -> Iterator["Tokenized | None"]:
    """The token strings of ``files`` in order; None for a file that cannot be read, with the reason on stderr."""
    from wav2tok.tokenizer.batch import Failure, tokenize_files

    for result in progress.track(tokenize_files(files, tokenizer), "tokenizing", len(files)):
        if isinstance(result, Failure):
            say_failure(result)
            yield None
        else:
            yield result


def _made_by(tokenizer: "Tokenizer") -> dict[str, str]:
    """What every row says of its model: where it is, with the version's number, and the digest of its graph."""
    return {"model": tokenizer.source, "identity": tokenizer.identity}


def tokenize(
    paths: Paths = None,
    model: Model = CHAMPION,
    form: FormatOption = Format.JSONL,
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Tokenize on a Ray cluster into Parquet, --out: local, auto, or HOST:PORT. What has a row is skipped.",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="With --ray: the folder of the Parquet parts.")] = None,
    device: Device = "auto",
    threads: Threads = None,
    variant: Variant = None,
) -> None:
    """Print the token string of each recording, one JSON line each; exit code 1 if some cannot be read."""
    from wav2tok.tokenizer.batch import expand
    from wav2tok.tokenizer.tokenizer import Tokenizer

    console.keep_output_clean()
    if ray is not None:
        if form == Format.CSV:
            raise UserError("a cluster's rows are written as Parquet; omit --format.", "format")
        bulk.tokenize(paths, model, out, ray, device, threads, variant)
        return
    if out is not None:
        raise UserError("rows are printed unless --ray is given; redirect them: > rows.jsonl", "out")
    files = expand(paths or [], sys.stdin)
    tokenizer = Tokenizer.from_pretrained(model, device, threads, variant)
    failed = False
    with printing(form) as emit:
        for result in tokenized(files, tokenizer):
            if result is None:
                failed = True
                continue
            row = {"path": result.path, "duration_s": result.seconds, "tokens": result.tokens.tolist()}
            emit(row | _made_by(tokenizer))
    if failed:
        raise typer.Exit(1)


def search(
    query: Annotated[str, typer.Argument(help="A recording.")],
    index: IndexFolder = INDEX,
    model: IndexModel = None,
    top: Top = 10,
    by: By = "edit",
    form: FormatOption = Format.JSONL,
    device: Device = "auto",
    threads: Threads = None,
    variant: Variant = None,
) -> None:
    """Print the recordings of an index nearest to QUERY, one JSON line each, best first."""
    from wav2tok.search.query import tokens_of

    console.keep_output_clean()
    loaded, tokenizer = opened(index, model, device, threads, variant)
    measure = _measure(by, tokenizer)
    with printing(form) as emit:
        found = loaded.search(tokens_of(query, tokenizer), top, measure)
        _say(found, len(loaded))
        for match in found:
            place = {"start_s": match.start, "end_s": match.end}
            distance = {"distance": match.distance, "expected_by_chance": match.expected_by_chance}
            emit({"path": match.path} | distance | place | _made_by(tokenizer))


def spot(
    query: Annotated[str, typer.Argument(help="A recording of what to look for.")],
    index: IndexFolder = INDEX,
    model: IndexModel = None,
    top: Top = 10,
    form: FormatOption = Format.JSONL,
    device: Device = "auto",
    threads: Threads = None,
    variant: Variant = None,
) -> None:
    """Print where QUERY occurs in the recordings of an index, one JSON line each with start and end in seconds."""
    from wav2tok.search.query import tokens_of

    console.keep_output_clean()
    loaded, tokenizer = opened(index, model, device, threads, variant)
    with printing(form) as emit:
        found = loaded.spot(tokens_of(query, tokenizer), top)
        _say(found, len(loaded))
        for hit in found:
            times = {"start_s": hit.start, "end_s": hit.end}
            likeness = {"similarity": hit.similarity, "expected_by_chance": hit.expected_by_chance}
            emit({"path": hit.path} | times | likeness | _made_by(tokenizer))


def replay(
    log: Annotated[Path, typer.Argument(help="What serve --log-queries wrote.")],
    index: IndexFolder = INDEX,
    audio: Annotated[
        Path | None, typer.Option(help="What serve --log-audio wrote: needed for an index of another model.")
    ] = None,
    model: IndexModel = None,
    by: By = "edit",
    form: FormatOption = Format.JSONL,
    device: Device = "auto",
    threads: Threads = None,
    variant: Variant = None,
) -> None:
    """Ask logged searches of another index, and print those whose first answer changed, one JSON line each."""
    from dataclasses import asdict

    from wav2tok.stages.replay import Replay

    console.keep_output_clean()
    loaded, tokenizer = opened(index, model, device, threads, variant)
    again = Replay(loaded, tokenizer, audio, _measure(by, tokenizer))
    with printing(form) as emit:
        for one in again.run(log):
            emit(asdict(one))
    print(again.sentence, file=sys.stderr, flush=True)


def _measure(by: str, tokenizer: "Tokenizer") -> "Measure | None":
    """The distance of a name; None for that of edits.

    Raises:
        UserError: no distance has that name.
    """
    from wav2tok.matching.transposed import is_transposable
    from wav2tok.search.nearest import measures

    measure = measures(tokenizer.codebook, is_transposable(tokenizer.metadata.config)).get(by)
    if measure is None:
        raise UserError(f"{by!r} is not a distance; use edit, weighted, dtw or local.", "by")
    return None if by == "edit" else measure


def opened(
    folder: Path, model: str | None, device: str, threads: int | None, variant: str | None = None
) -> tuple["Index", "Tokenizer"]:
    """An index, and the tokenizer for it: ``model``, or by default the one that made it."""
    from wav2tok.search.index import Index
    from wav2tok.tokenizer.tokenizer import Tokenizer

    if model is not None:
        tokenizer = Tokenizer.from_pretrained(model, device, threads, variant)
        return Index.load(folder, tokenizer), tokenizer
    index = Index.load(folder)
    tokenizer = Tokenizer.from_pretrained(index.manifest.model, device, threads, variant)
    index.require(tokenizer)
    return index, tokenizer


def _say(found: "Answers[Any]", recordings: int) -> None:
    """Say on standard error how an index was searched."""
    if progress.log.isEnabledFor(logging.INFO):
        how = "compared with all" if found.method == "scan" else "compared with the candidates among"
        print(f"{found.method}: {how} {progress.counted(recordings, 'recording')}", file=sys.stderr, flush=True)
