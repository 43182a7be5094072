"""Options that several verbs share."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

Params = Annotated[Path | None, typer.Option("--params", help="Parameters; params.yaml here, if there is one.")]
Sets = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override one parameter; may be repeated.")
]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda; cuda never falls back in silence.")]
Model = Annotated[str, typer.Option(help="An ONNX file, a folder that train, export or pull wrote, or an MLflow URI.")]
DataFile = Annotated[Path, typer.Option("--data", help="The split, audios.bin.")]
Out = Annotated[Path, typer.Option("--out", help="Where the result goes.")]


def say(line: str) -> None:
    """A line of progress, at once."""
    print(line, flush=True)


def counter(what: str) -> Callable[[int, int], None]:
    """Progress of ``what``: a line that is written over on a terminal, a line each tenth elsewhere."""
    terminal = sys.stderr.isatty()

    def show(done: int, total: int) -> None:
        if terminal:
            end = "\n" if done == total else ""
            print(f"\r{what}: {done}/{total}", end=end, file=sys.stderr, flush=True)
        elif done == total or done % max(1, total // 10) == 0:
            say(f"{what}: {done}/{total}")

    return show
