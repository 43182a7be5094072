"""benchmark: how fast this machine trains and tokenizes."""

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from wav2tok.cli.options import Device, Params, Sets
from wav2tok.extras import need


def benchmark(
    seconds: Annotated[float, typer.Option(min=0.1, max=60.0, help="Length of the synthetic recordings.")] = 1.0,
    recordings: Annotated[int, typer.Option(min=96, max=1_000_000, help="Number of recordings.")] = 600,
    device: Device = "auto",
    params: Params = None,
    sets: Sets = None,
) -> None:
    """Time each part of training and tokenizing on synthetic recordings, compared with what the machine could do."""
    need("train")
    from wav2tok.config import parameters
    from wav2tok.device import choose
    from wav2tok.machine import describe
    from wav2tok.speed.parts import Bench
    from wav2tok.speed.table import text_table

    settings = parameters.load(params, sets or ())
    chosen = choose(device)
    typer.echo("; ".join(f"{name.replace('_', ' ')}: {value}" for name, value in describe(chosen).items()))
    with tempfile.TemporaryDirectory(prefix="wav2tok-") as folder:
        rows = Bench(settings, chosen, Path(folder), seconds, recordings).rows()
    typer.echo(text_table(rows))
    for row in rows:
        if row.note:
            typer.echo(f"{row.part}: {row.note}")
