"""The verb demo."""

from pathlib import Path
from typing import Annotated

import typer

from wav2tok.cli.options import Device, Model, Threads
from wav2tok.extras import need

DATA = Path("data")
MELODIES, SINGERS = 12, 8
"""The size of the sample that is made where there are no recordings."""


def demo(
    folder: Annotated[
        Path | None, typer.Argument(help="Recordings to search; by default data, or else a sample that is made once.")
    ] = None,
    model: Model = "wav2tok:humming",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen at; 0 takes a free one.")] = 8080,
    show: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    device: Device = "auto",
    threads: Threads = None,
) -> None:
    """Try it in the browser: hum or drop a recording, and hear what matches. Only this machine can reach the page."""
    need("serve")
    from wav2tok.audio.find import find, recordings_of
    from wav2tok.service.server import listen, serve
    from wav2tok.service.settings import Settings
    from wav2tok.tokenizer.tokenizer import Tokenizer

    if folder is None:
        if DATA.is_dir() and find(DATA):
            folder = DATA
        else:
            # Whatever the service would refuse is refused before the sample is written.
            listen("127.0.0.1", port).close()
            Tokenizer.from_pretrained(model, device, threads)
            folder = _sample()
    recordings_of(folder)
    serve(Settings(model, recordings=folder, device=device, threads=threads, poll=0), port, show)


def _sample() -> Path:
    """A small part of the sample corpus in the user's cache; made if it is not there."""
    from wav2tok.files import cache
    from wav2tok.sample.corpus import make

    folder = cache() / f"sample-{MELODIES}x{SINGERS}"
    if not folder.is_dir():
        make(folder, melodies=MELODIES, singers=SINGERS)
    return folder
