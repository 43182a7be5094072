"""Verbs on audio, with a finished model: tokenize, index, search, spot."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wav2tok import progress
from wav2tok.cli import console
from wav2tok.cli.options import Device, Model, Out

if TYPE_CHECKING:
    import numpy as np

    from wav2tok.matching.strings import Tokenized
    from wav2tok.search.collection import Collection
    from wav2tok.tokenizer.tokenizer import Tokenizer

CHAMPION = "models:/wav2tok@champion"
Paths = Annotated[
    list[str] | None, typer.Argument(help="Files and folders; none, or -, reads a list from standard input.")
]
Index = Annotated[Path, typer.Option("--index", help="What index wrote.")]
Top = Annotated[int, typer.Option(help="Maximum number of answers.")]


def _print(values: dict[str, object]) -> None:
    print(json.dumps(values, ensure_ascii=False), flush=True)


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


def tokenize(paths: Paths = None, model: Model = CHAMPION, device: Device = "auto") -> None:
    """Print the token string of each recording, one JSON line each; exit code 1 if some cannot be read."""
    from wav2tok.tokenizer.batch import expand
    from wav2tok.tokenizer.tokenizer import Tokenizer

    files = expand(paths or [], sys.stdin)
    failed = False
    for result in _tokenized(files, Tokenizer.from_pretrained(model, device)):
        if result is None:
            failed = True
            continue
        _print({"path": result.path, "duration_s": result.seconds, "tokens": result.tokens.tolist(), "model": model})
    if failed:
        raise typer.Exit(1)


def index(paths: Paths = None, model: Model = CHAMPION, out: Out = Path("index.json"), device: Device = "auto") -> None:
    """Tokenize recordings into an index for search and spot; exit code 1 if some cannot be read."""
    from wav2tok.search.collection import Collection, require_own, write
    from wav2tok.tokenizer.batch import expand
    from wav2tok.tokenizer.tokenizer import Tokenizer

    require_own(out)
    files = expand(paths or [], sys.stdin)
    tokenizer = Tokenizer.from_pretrained(model, device)
    entries = [result for result in _tokenized(files, tokenizer) if result is not None]
    write(out, Collection(tokenizer.identity, tokenizer.frame_seconds, entries))
    print(f"{len(entries)} recordings, {sum(len(e.tokens) for e in entries)} tokens; {out}", file=sys.stderr)
    if len(entries) < len(files):
        raise typer.Exit(1)


def _read(query: str, index: Path, model: str, device: str) -> tuple["Collection", "np.ndarray"]:
    """The index, and the token string of the query by the tokenizer that made the index."""
    from wav2tok.audio import decode
    from wav2tok.search.collection import read
    from wav2tok.tokenizer.tokenizer import Tokenizer

    tokenizer = Tokenizer.from_pretrained(model, device)
    collection = read(index, tokenizer.identity)
    return collection, tokenizer.encode([decode.read(query, tokenizer.sample_rate)], tokenizer.sample_rate)[0]


def search(
    query: Annotated[str, typer.Argument(help="A recording.")],
    index: Index = Path("index.json"),
    model: Model = CHAMPION,
    top: Top = 10,
    device: Device = "auto",
) -> None:
    """Print the recordings of an index nearest to QUERY by edit distance, one JSON line each, best first."""
    from wav2tok.search.collection import nearest

    for path, distance in nearest(*_read(query, index, model, device), top):
        _print({"path": path, "distance": distance})


def spot(
    query: Annotated[str, typer.Argument(help="A recording of what to look for.")],
    index: Index = Path("index.json"),
    model: Model = CHAMPION,
    top: Top = 10,
    device: Device = "auto",
) -> None:
    """Print where QUERY occurs in the recordings of an index, one JSON line each with start and end in seconds."""
    from wav2tok.search import collection

    for hit in collection.spot(*_read(query, index, model, device), top):
        _print({"path": hit.path, "start_s": hit.start, "end_s": hit.end, "similarity": hit.similarity})
