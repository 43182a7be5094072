"""The routes of the page. Recordings are served by their number in the collection, never by a path."""

import asyncio
import mimetypes
import time
from collections.abc import Awaitable
from enum import StrEnum
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, Protocol

import numpy as np
from fastapi import FastAPI, Query, Request
from starlette.responses import FileResponse, JSONResponse, Response

from wav2tok import __version__
from wav2tok.errors import UserError
from wav2tok.matching import Tokenized
from wav2tok.progress import counted
from wav2tok.service.engine import Engine
from wav2tok.service.page import answers
from wav2tok.service.page.collection import Collection, Ready
from wav2tok.service.refusals import Refused, later
from wav2tok.tokenizer.tokenizer import Tokenizer

STATIC = Path(__file__).parent / "static"
FILES = {file.name: mimetypes.guess_type(file.name)[0] for file in sorted(STATIC.iterdir()) if file.suffix != ".html"}
"""The scripts and styles of the page, with their types."""
MAX_TOP = 100
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}
"""The page loads nothing from elsewhere, is in no frame of another page, and its recordings are for it alone."""
TYPES = {".flac": "audio/flac", ".ogg": "audio/ogg", ".mp3": "audio/mpeg", ".wav": "audio/wav"}


class Strings(Protocol):
    """The token strings of the recordings in a request, within the limits of the service."""

    def __call__(self, request: Request, tokenizer: Tokenizer, *, asks: bool = False) -> Awaitable[list[Tokenized]]:
        """``asks``: whether an index will be asked for them (`wav2tok.service.engine.Engine.tokenize`)."""


class By(StrEnum):
    """What is looked for."""

    WHOLE = "whole"
    PASSAGES = "passages"


def add(app: FastAPI, engine: Engine, collection: Collection, strings: Strings) -> None:
    """Add the routes to a service."""

    def ready() -> Ready:
        if collection.error is not None:
            raise Refused(HTTPStatus.CONFLICT, collection.error)
        if collection.ready is None:
            raise later(f"the collection is being indexed, {collection.done} of {collection.total} recordings so far.")
        return collection.ready

    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        return FileResponse(STATIC / "index.html", media_type="text/html; charset=utf-8", headers=HEADERS)

    @app.get("/page/files/{name}", include_in_schema=False)
    async def file(name: str) -> Response:
        if name not in FILES:
            raise Refused(HTTPStatus.NOT_FOUND, "the page has no such file.")
        return FileResponse(STATIC / name, media_type=FILES[name], headers=HEADERS)

    @app.get("/page/state", include_in_schema=False)
    async def state() -> Response:
        loaded = engine.models.current
        about: dict[str, Any] = {"version": __version__, "model": engine.settings.model, "loaded": loaded is not None}
        if loaded is not None:
            about |= {
                "sample_rate": loaded.tokenizer.sample_rate,
                "num_tokens": loaded.tokenizer.num_tokens,
                "max_seconds": engine.settings.max_seconds,
            }
        return _json(about | collection.state())

    @app.get("/page/recordings", include_in_schema=False)
    async def recordings() -> Response:
        return _json({"recordings": collection.recordings(ready())})

    @app.get("/page/audio/{number}", include_in_schema=False)
    async def audio(number: int) -> Response:
        entries = ready().entries
        if not 0 <= number < len(entries):
            raise Refused(
                HTTPStatus.NOT_FOUND,
                f"the collection has {counted(len(entries), 'recording')}, and no number {number}.",
            )
        path = Path(entries[number].path)
        if not path.is_file():
            raise Refused(HTTPStatus.NOT_FOUND, f"{path.name} was moved or deleted since it was indexed.")
        return FileResponse(
            path, media_type=TYPES.get(path.suffix.lower(), "application/octet-stream"), headers=HEADERS
        )

    @app.post("/page/search", include_in_schema=False)
    async def search(
        request: Request,
        top: Annotated[int, Query(ge=1, le=MAX_TOP)] = 10,
        by: By = By.WHOLE,
        leave_out: int | None = None,
    ) -> Response:
        have = ready()
        started = time.perf_counter()
        (query, *_) = await strings(request, have.tokenizer, asks=True)
        tokenized = time.perf_counter()
        try:
            found = await asyncio.get_running_loop().run_in_executor(
                engine.pool, _search, collection, have, query.tokens, by, top, leave_out
            )
        except UserError as error:
            raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from None
        return _json(
            {
                "query": answers.string(query, have.tokenizer.frame_seconds),
                "tokenize_ms": round(1e3 * (tokenized - started), 1),
            }
            | found
        )

    @app.post("/page/compare", include_in_schema=False)
    async def compare(request: Request) -> Response:
        have = ready()
        both = await strings(request, have.tokenizer)
        if len(both) != 2:
            raise Refused(HTTPStatus.BAD_REQUEST, f"the form holds {len(both)} recordings; send two to compare.")
        found = await asyncio.get_running_loop().run_in_executor(
            engine.pool, answers.comparison, both[0].tokens, both[1].tokens
        )
        return _json({"recordings": [answers.string(one, have.tokenizer.frame_seconds) for one in both]} | found)


def _search(
    collection: Collection, have: Ready, query: np.ndarray, by: By, top: int, leave_out: int | None
) -> dict[str, Any]:
    """The ``top`` matches of a token string, int [L], without recording ``leave_out``."""
    started = time.perf_counter()
    ask = have.index.search if by is By.WHOLE else have.index.spot
    asked = top
    while True:  # the query itself may be among its answers, more than once
        found = ask(query, asked)
        kept = [one for one in found if have.numbers[one.path] != leave_out][:top]
        if len(kept) == top or len(found) < asked:
            break
        asked *= 2
    seconds = time.perf_counter() - started
    matches = [answers.match(query, one, collection, have) for one in kept]
    return {"by": by, "matches": matches, "search_ms": round(1e3 * seconds, 1)}


def _json(content: dict[str, Any]) -> Response:
    return JSONResponse(content, headers=HEADERS)
