"""``wav2tok index``: make an index of recordings, and keep it up to date."""

import contextlib
import itertools
import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from wav2tok.cli import console
from wav2tok.cli.options import Device, Model, Out, Threads, Variant
from wav2tok.cli.rows import say_failure
from wav2tok.cli.use import CHAMPION, INDEX, IndexFolder, IndexModel, Paths, opened, tokenized
from wav2tok.errors import UserError
from wav2tok.extras import need
from wav2tok.files import locked
from wav2tok.progress import counted
from wav2tok.untrusted import is_address
from wav2tok.writable import require_local

if TYPE_CHECKING:
    from wav2tok.matching.strings import Tokenized
    from wav2tok.tokenizer.tokenizer import Tokenizer

_AT_ONCE = 4096
"""Recordings that add writes in one change."""


class _BuildByDefault(TyperGroup):
    """``index FOLDER`` stands for ``index build FOLDER``."""

    default = "build"

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] not in self.get_help_option_names(ctx)):
            args = [self.default, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_BuildByDefault,
    help="Tokenize recordings into an index for search and spot, and change it. index PATHS is short for index build "
    "PATHS; a folder that is called like a verb needs its path, ./add.",
)
Root = Annotated[
    Path | None,
    typer.Option(
        help="The folder of the recordings; if it moves, index add --root says where it is now. By default PATHS, if "
        "it is one folder."
    ),
]


def build(
    paths: Paths = None,
    model: Model = CHAMPION,
    out: Out = INDEX,
    root: Root = None,
    tokens: Annotated[
        Path | None,
        typer.Option(help="Take the token strings that tokenize --ray wrote to this folder; without PATHS."),
    ] = None,
    device: Device = "auto",
    threads: Threads = None,
    variant: Variant = None,
) -> None:
    """Tokenize recordings into an index; exit code 1 if some cannot be read.

    An index that is there answers until the new one is whole, also if another model made it, and is then replaced.
    """
    from wav2tok.search.folder import require_own
    from wav2tok.search.index import Index, root_of
    from wav2tok.tokenizer.batch import expand
    from wav2tok.tokenizer.tokenizer import Tokenizer

    console.keep_output_clean()
    require_own(out)
    if tokens is not None and paths:
        raise UserError(f"{tokens} says which recordings there are; omit PATHS.", "tokens")
    files = expand(paths or [], sys.stdin) if tokens is None else []
    if tokens is None and not files:
        raise UserError(f"nothing is listed to make an index of, so {out} is left as it was; name recordings.", "paths")
    tokenizer = Tokenizer.from_pretrained(model, device, threads, variant)
    with _strings(files, tokenizer) if tokens is None else _readable(_made(tokens, tokenizer)) as strings:
        made = Index.create(out, tokenizer, strings, root_of(paths or []) if root is None else str(root))
        held = f"{counted(len(made), 'recording')}, {counted(made.collection.tokens, 'token')}"
        print(f"{held} by {tokenizer.source}; {out}", file=sys.stderr)


def add(
    paths: Paths = None,
    index: IndexFolder = INDEX,
    model: IndexModel = None,
    root: Root = None,
    device: Device = "auto",
    threads: Threads = None,
    variant: Variant = None,
) -> None:
    """Add recordings that are new or have changed to an index; exit code 1 if some cannot be read.

    With --root alone, say where the folder of the recordings is now.
    """
    from wav2tok.search.index import Index
    from wav2tok.tokenizer.batch import expand

    if root is not None:
        Index.load(index).reroot(str(root))
        if not paths:
            print(f"the recordings of {index} are below {root}", file=sys.stderr)
            return
    console.keep_output_clean()
    loaded, tokenizer = opened(index, model, device, threads, variant)
    files = expand(paths or [], sys.stdin)
    changed = loaded.changed(files)
    added = 0
    with _strings(changed, tokenizer) as strings:
        while some := list(itertools.islice(strings, _AT_ONCE)):
            loaded = loaded.add(some)
            added += len(some)
        done = f"{counted(added, 'recording')} added, {len(files) - len(changed)} unchanged"
        print(f"{done}, {len(loaded)} in all; {index}", file=sys.stderr)


def remove(paths: Paths = None, index: IndexFolder = INDEX) -> None:
    """Remove recordings from an index: files, or all that it holds of a folder."""
    from wav2tok.search.index import Index
    from wav2tok.tokenizer.batch import listed

    loaded = Index.load(index)
    names = [*listed(sys.stdin)] if paths is None or paths in ([], ["-"]) else paths
    removed = loaded.below(names)
    left = loaded.remove(removed)
    print(f"{counted(len(removed), 'recording')} removed, {len(left)} in all; {index}", file=sys.stderr)


def stats(index: IndexFolder = INDEX) -> None:
    """Print what an index holds, as one JSON object."""
    from wav2tok.search.index import Index

    print(json.dumps(Index.load(index).stats(), ensure_ascii=False))


def verify(index: IndexFolder = INDEX) -> None:
    """Read all of an index and compare it with the digests that were written; exit code 1 if something differs."""
    from wav2tok.search.folder import verify
    from wav2tok.search.manifest import read

    problems = verify(index)
    for problem in problems:
        print(f"{problem}; restore it, or make the index again.", file=sys.stderr)
    if problems:
        raise typer.Exit(1)
    print(f"{index} is whole: {counted(len(read(index).parts), 'segment')}", file=sys.stderr)


class Engine(StrEnum):
    """What an index is exported for."""

    OPENSEARCH = "opensearch"
    LANCEDB = "lancedb"


def export(
    out: Annotated[str, typer.Option(help="A folder; for lancedb also a URI of object storage, s3://BUCKET/FOLDER.")],
    form: Annotated[Engine, typer.Option("--format", help="The engine.")],
    index: IndexFolder = INDEX,
) -> None:
    """Write the recordings of an index for an engine that runs on many machines.

    For opensearch, a mapping and files of bulk requests; for lancedb, a table. docs/pages/howto/search-at-scale.md says
    how to load and ask them.
    """
    from wav2tok.search.elsewhere import lance, opensearch
    from wav2tok.search.index import Index

    if form == Engine.OPENSEARCH:
        require_local(out, "out")
    loaded = Index.load(index)
    if form == Engine.OPENSEARCH:
        count = opensearch.export(loaded, Path(out))
    else:
        with contextlib.nullcontext() if is_address(out) else locked(Path(out)):
            count = lance.export(loaded, out)
    print(f"{counted(count, 'recording')} for {form.value}; {out}", file=sys.stderr)


for verb in (build, add, remove, stats, verify, export):
    app.command()(console.adjustable(verb))


def _strings(files: list[str], tokenizer: "Tokenizer") -> "AbstractContextManager[Iterator[Tokenized]]":
    """The token strings of files, in order (`_readable`)."""
    return _readable(tokenized(files, tokenizer))


def _made(folder: Path, tokenizer: "Tokenizer") -> "Iterator[Tokenized | None]":
    """The token strings in a folder of ``tokenize --ray``, checked at once; None for what could not be read."""
    need("ray", "pyarrow")
    from wav2tok.bulk import parts, rows
    from wav2tok.tokenizer.batch import Failure

    parts.require_made_by(folder, tokenizer.identity, "tokens")
    if not parts.parts(folder):
        raise UserError(f"{folder} holds no part-00000.parquet; name a folder that tokenize --ray wrote.", "tokens")

    def read() -> "Iterator[Tokenized | None]":
        for result in itertools.chain.from_iterable(map(rows.results, parts.read(folder))):
            if isinstance(result, Failure):
                say_failure(result)
                yield None
            else:
                yield result

    return read()


@contextlib.contextmanager
def _readable(found: "Iterable[Tokenized | None]") -> "Iterator[Iterator[Tokenized]]":
    """What could be read; the block ends with exit code 1 if some could not."""
    failed = read = 0

    def readable() -> "Iterator[Tokenized]":
        nonlocal failed, read
        for result in found:
            if result is None:
                failed += 1
            else:
                read += 1
                yield result
        if failed and not read:
            raise UserError("none of the recordings can be read, so the index is left as it was.", "paths")

    yield readable()
    if failed:
        raise typer.Exit(1)
