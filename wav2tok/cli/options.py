"""Options that several verbs share."""

from pathlib import Path
from typing import Annotated

import typer

from wav2tok.device import MOST_THREADS

Params = Annotated[Path | None, typer.Option("--params", help="Parameter file; by default params.yaml, if it exists.")]
Sets = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override one parameter; may be repeated.")
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N; cuda never falls back silently.")]
Model = Annotated[
    str,
    typer.Option(
        help="An ONNX file, a folder that train, export or pull wrote, an MLflow URI, or a ready-made model such as "
        "wav2tok:speech."
    ),
]
Variant = Annotated[
    str | None, typer.Option(help="A smaller graph that was exported with the model: int8 or fp16; by default none.")
]
DataFile = Annotated[Path, typer.Option("--data", help="The split, audios.bin.")]
Threads = Annotated[
    int | None, typer.Option(min=1, max=MOST_THREADS, help="CPU threads; by default all that this process may use.")
]
Out = Annotated[Path, typer.Option("--out", help="Where the result goes.")]
