"""Verbs on audio, with a finished model: tokenize, index, search, spot."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wav2tok import progress
from wav2tok.cli import console
from wav2tok.cli.options import Device, Model, Out, Threads, Variant
from wav2tok.cli.rows import Format, FormatOption, printing

if TYPE_CHECKING:
    from wav2tok.matching.strings import Tokenized
    from wav2tok.tokenizer.tokenizer import Tokenizer

CHAMPION = "models:/wav2tok@champion"
Paths = Annotated[
    list[str] | None, typer.Argument(help="Files and folders; none, or -, reads a list from standard input.")
]
IndexFile = Annotated[Path, typer.Option("--index", help="What index wrote.")]
Top = Annotated[int, typer.Option(help="Maximum number of answers.")]


def _tokenized(files: list[str], tokenizer: "Tokenizer") -> Iterator["Tokenized | None"]:
    """The token strings of ``files`` in order; None for a file that cannot be read, with the reason on stderr."""
    from wav2tok.tokenizer.batch import Failure, tokenize_files

    console.keep_output_clean()
    for result in progress.track(tokenize_files(files, tokenizer), "tokenizing", len(files)):
        if isinstance(result, Failure):
            failure = {"path": result.path, "error": result.error}
            print(json.dumps(failure, ensure_ascii=False), file=sys.stderr, flush=True)
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
    device: Device = "auto",
    threads: Threads = None,
    variant: Variant = None,
) -> None:
    """Print the token string of each recording, one JSON line each; exit code 1 if some cannot be read."""
    from wav2tok.tokenizer.batch import expand
    from wav2tok.tokenizer.tokenizer import Tokenizer

    files = expand(paths or [], sys.stdin)
    tokenizer = Tokenizer.from_pretrained(model, device, threads, variant)
    failed = False
    with printing(form) as emit:
        for result in _tokenized(files, tokenizer):
            if result is None:
                failed = True
                continue
            row = {"path": result.path, "duration_s": result.seconds, "tokens": result.tokens.tolist()}
            emit(row | _made_by(tokenizer))
    if failed:
        raise typer.Exit(1)


def index(
    paths: Paths = None,
    model: Model = CHAMPION,
    out: Out = Path("index.json"),
    device: Device = "auto",
    threads: Threads = None,
    variant: Variant = None,
) -> None:
    """Tokenize recordings into an index for search and spot; exit code 1 if some cannot be read."""
    from wav2tok.search.index import Index, require_replaceable
    from wav2tok.tokenizer.batch import expand
    from wav2tok.tokenizer.tokenizer import Tokenizer

    require_replaceable(out)
    files = expand(paths or [], sys.stdin)
    tokenizer = Tokenizer.from_pretrained(model, device, threads, variant)
    made = Index.of(tokenizer, [result for result in _tokenized(files, tokenizer) if result is not None])
    made.save(out)
    tokens = sum(len(entry.tokens) for entry in made.entries)
    print(f"{len(made.entries)} recordings, {tokens} tokens by {tokenizer.source}; {out}", file=sys.stderr)
    if len(made.entries) < len(files):
        raise typer.Exit(1)


def search(
    query: Annotated[str, typer.Argument(help="A recording.")],
    index: IndexFile = Path("index.json"),
    model: Model = CHAMPION,
    top: Top = 10,
    form: FormatOption = Format.JSONL,
    device: Device = "auto",
    threads: Threads = None,
    variant: Variant = None,
) -> None:
    """Print the recordings of an index nearest to QUERY by edit distance, one JSON line each, best first."""
    from wav2tok.search.index import Index
    from wav2tok.tokenizer.tokenizer import Tokenizer

    tokenizer = Tokenizer.from_pretrained(model, device, threads, variant)
    loaded = Index.load(index, tokenizer)
    with printing(form) as emit:
        for match in loaded.search(tokenizer.encode_file(query), top):
            emit({"path": match.path, "distance": match.distance} | _made_by(tokenizer))


def spot(
    query: Annotated[str, typer.Argument(help="A recording of what to look for.")],
    index: IndexFile = Path("index.json"),
    model: Model = CHAMPION,
    top: Top = 10,
    form: FormatOption = Format.JSONL,
    device: Device = "auto",
    threads: Threads = None,
    variant: Variant = None,
) -> None:
    """Print where QUERY occurs in the recordings of an index, one JSON line each with start and end in seconds."""
    from wav2tok.search.index import Index
    from wav2tok.tokenizer.tokenizer import Tokenizer

    tokenizer = Tokenizer.from_pretrained(model, device, threads, variant)
    loaded = Index.load(index, tokenizer)
    with printing(form) as emit:
        for hit in loaded.spot(tokenizer.encode_file(query), top):
            times = {"start_s": hit.start, "end_s": hit.end, "similarity": hit.similarity}
            emit({"path": hit.path} | times | _made_by(tokenizer))
