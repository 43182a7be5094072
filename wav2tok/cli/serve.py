"""The verb serve."""

import os
from pathlib import Path
from typing import Annotated

import typer

from wav2tok.cli.options import Device, Model, Threads, Variant
from wav2tok.cli.use import CHAMPION
from wav2tok.extras import need


def serve(
    model: Model = CHAMPION,
    index: Annotated[Path | None, typer.Option(help="What index wrote, for searches.")] = None,
    host: Annotated[str, typer.Option(help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen at; 0 takes a free one.")] = 8000,
    api_keys: Annotated[
        Path | None, typer.Option(help="A file with API keys, one a line; WAV2TOK_API_KEYS may hold them, too.")
    ] = None,
    no_auth: Annotated[bool, typer.Option("--no-auth", help="Let other machines in without a key.")] = False,
    cors: Annotated[list[str] | None, typer.Option(help="Origin whose pages may ask; may be repeated.")] = None,
    max_mb: Annotated[float, typer.Option(min=0.001, max=4096, help="MiB in a request.")] = 32,
    max_seconds: Annotated[float, typer.Option(min=0.1, max=86400, help="Seconds of audio in a request.")] = 600,
    max_requests: Annotated[int, typer.Option(min=1, max=65536, help="Requests worked on at the same time.")] = 256,
    timeout: Annotated[float, typer.Option(min=0.1, max=86400, help="Seconds that a request may take.")] = 60,
    poll: Annotated[
        float, typer.Option(min=0, max=86400, help="Seconds between looks at the registry; 0: only by /reload.")
    ] = 10,
    log_queries: Annotated[
        Path | None,
        typer.Option(help="Append searches to this file, for replay: of requests with the header X-Log-Query alone."),
    ] = None,
    log_mb: Annotated[
        float, typer.Option(min=0.001, max=1_000_000, help="Of --log-queries: MiB before FILE is renamed to FILE.1.")
    ] = 100,
    log_audio: Annotated[
        Path | None,
        typer.Option(help="With --log-queries: keep the sound of requests with X-Log-Query: audio in this folder."),
    ] = None,
    audio_days: Annotated[float, typer.Option(min=0.01, max=3650, help="Of --log-audio: delete older sounds.")] = 30,
    audio_mb: Annotated[
        float, typer.Option(min=1, max=1_000_000, help="Of --log-audio: MiB beyond which the oldest are deleted.")
    ] = 1024,
    device: Device = "auto",
    threads: Threads = None,
    variant: Variant = None,
) -> None:
    """Answer over HTTP: recordings in, tokens and matches out."""
    need("serve")
    from wav2tok.service.server import serve as run
    from wav2tok.service.settings import WEBHOOK_SECRET, Settings, read_keys, require_index_for_log, require_protected

    settings = Settings(
        model,
        index,
        device,
        threads,
        variant,
        host=host,
        keys=read_keys(api_keys),
        webhook_secret=os.environ.get(WEBHOOK_SECRET) or None,
        cors=tuple(cors or ()),
        max_bytes=round(max_mb * (1 << 20)),
        max_seconds=max_seconds,
        max_requests=max_requests,
        timeout=timeout,
        poll=poll,
        log_queries=log_queries,
        log_mb=log_mb,
        log_audio=log_audio,
        audio_days=audio_days,
        audio_mb=audio_mb,
    )
    require_index_for_log(settings)
    require_protected(settings, no_auth)
    run(settings, port)
