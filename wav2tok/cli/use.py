"""Verbs on audio, with a finished model: tokenize, index, search, spot."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wav2tok.cli.options import Device, Model, Out

if TYPE_CHECKING:
    import numpy as np

    from wav2tok.search.collection import Collection

CHAMPION = "models:/wav2tok@champion"
Paths = Annotated[
    list[str] | None, typer.Argument(help="Files and folders; a list on standard input if there are none, or for -.")
]


def _print(values: dict[str, object]) -> None:
    print(json.dumps(values, ensure_ascii=False), flush=True)


def _complain(path: str, error: str) -> None:
    print(json.dumps({"path": path, "error": error}, ensure_ascii=False), file=sys.stderr, flush=True)


def tokenize(paths: Paths = None, model: Model = CHAMPION, device: Device = "auto") -> None:
    """Print the token string of every recording, a JSON line each; exit code 1 if some cannot be read."""
    from wav2tok.tokenizer.batch import Failure, expand, tokenize_files
    from wav2tok.tokenizer.tokenizer import Tokenizer

    files = expand(paths or [], sys.stdin)
    tokenizer = Tokenizer.from_pretrained(model, device)
    failed = False
    for result in tokenize_files(files, tokenizer):
        if isinstance(result, Failure):
            failed = True
            _complain(result.path, result.error)
        else:
            _print(
                {"path": result.path, "duration_s": result.seconds, "tokens": result.tokens.tolist(), "model": model}
            )
    if failed:
        raise typer.Exit(1)


def index(paths: Paths = None, model: Model = CHAMPION, out: Out = Path("index.json"), device: Device = "auto") -> None:
    """Tokenize a collection into an index that search and spot take; exit code 1 if some cannot be read."""
    from wav2tok.search.collection import Collection, write
    from wav2tok.tokenizer.batch import Failure, expand, tokenize_files
    from wav2tok.tokenizer.tokenizer import Tokenizer

    files = expand(paths or [], sys.stdin)
    tokenizer = Tokenizer.from_pretrained(model, device)
    entries = []
    failed = False
    for result in tokenize_files(files, tokenizer):
        if isinstance(result, Failure):
            failed = True
            _complain(result.path, result.error)
        else:
            entries.append(result)
    write(out, Collection(tokenizer.identity, tokenizer.frame_seconds, entries))
    print(f"{len(entries)} recordings, {sum(len(e.tokens) for e in entries)} tokens; {out}", file=sys.stderr)
    if failed:
        raise typer.Exit(1)


def _ask(query: str, collection: Path, model: str, device: str) -> tuple["Collection", "np.ndarray"]:
    """The index, and the query's token string by the tokenizer that made it."""
    from wav2tok.audio import decode
    from wav2tok.search.collection import read
    from wav2tok.tokenizer.tokenizer import Tokenizer

    tokenizer = Tokenizer.from_pretrained(model, device)
    known = read(collection, tokenizer.identity)
    return known, tokenizer.encode([decode.read(query, tokenizer.sample_rate)], tokenizer.sample_rate)[0]


def search(
    query: Annotated[str, typer.Argument(help="A recording.")],
    collection: Annotated[Path, typer.Option("--index", help="What index wrote.")] = Path("index.json"),
    model: Model = CHAMPION,
    top: Annotated[int, typer.Option(help="How many answers.")] = 10,
    device: Device = "auto",
) -> None:
    """The recordings of an index that are nearest to QUERY by edit distance, a JSON line each, best first."""
    from wav2tok.search import collection as collections

    known, string = _ask(query, collection, model, device)
    for path, distance in collections.nearest(known, string, top):
        _print({"path": path, "distance": distance})


def spot(
    query: Annotated[str, typer.Argument(help="A recording of what is looked for.")],
    collection: Annotated[Path, typer.Option("--index", help="What index wrote.")] = Path("index.json"),
    model: Model = CHAMPION,
    top: Annotated[int, typer.Option(help="How many answers.")] = 10,
    device: Device = "auto",
) -> None:
    """Where in the recordings of an index QUERY occurs, a JSON line each with start and end in seconds, best first."""
    from wav2tok.search import collection as collections

    known, string = _ask(query, collection, model, device)
    for hit in collections.spot(known, string, top):
        _print({"path": hit.path, "start_s": hit.start, "end_s": hit.end, "similarity": hit.similarity})
