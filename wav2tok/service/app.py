"""The routes of the service.

app = create_app(Settings("wav2tok:speech"))    # an ASGI application; wav2tok.service.server runs it
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response

from wav2tok import __version__
from wav2tok.audio.foreign import NeedsFfmpegError
from wav2tok.audio.source import Content
from wav2tok.errors import UserError
from wav2tok.matching import Tokenized
from wav2tok.service import schemas
from wav2tok.service.consent import ANSWER, HEADER, QueryLog
from wav2tok.service.engine import Engine
from wav2tok.service.gate import Gate, answer
from wav2tok.service.page import routes as page
from wav2tok.service.page.collection import Collection
from wav2tok.service.refusals import Refused, later
from wav2tok.service.reload import Loaded, signed
from wav2tok.service.settings import Settings
from wav2tok.tokenizer.tokenizer import Tokenizer

MAX_FILES = 1000
"""Recordings in one request."""
MAX_TOP = 1000
"""Answers to one recording."""
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_FORM = {
    "schema": {
        "type": "object",
        "required": ["file"],
        "properties": {"file": {"type": "array", "minItems": 1, "items": {"type": "string", "format": "binary"}}},
    }
}
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "WAV, FLAC, OGG or MP3 of any sampling rate (with ffmpeg on the server, also M4A, AAC, WebM): "
        "the bytes of one recording, or a form with a file for each.",
        "content": {
            "multipart/form-data": _FORM,
            **dict.fromkeys(
                ("audio/wav", "audio/flac", "audio/ogg", "audio/mpeg", "application/octet-stream"), _BINARY
            ),
        },
    }
}
_REASONS = {
    HTTPStatus.BAD_REQUEST: "The request holds no recording, or its form is broken.",
    HTTPStatus.UNAUTHORIZED: "The API key is missing or wrong.",
    HTTPStatus.CONFLICT: "The index is of another model.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The request has too many bytes.",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The format takes ffmpeg, which the service does not have.",
    HTTPStatus.MISDIRECTED_REQUEST: "The request names another host.",
    HTTPStatus.UNPROCESSABLE_ENTITY: "A recording cannot be read or is too long, or a parameter is wrong.",
    HTTPStatus.INTERNAL_SERVER_ERROR: "The service has made a mistake.",
    HTTPStatus.SERVICE_UNAVAILABLE: "The service is busy, starting or stopping; Retry-After says when to try again.",
    HTTPStatus.GATEWAY_TIMEOUT: "The request took too long.",
}
_KEEPS = {
    "nothing": "This service keeps no searches.",
    "tokens": f"With the header {HEADER}: tokens the tokens of the query and its first answers are kept, for comparing "
    f"models; without it nothing is. {ANSWER} in the answer says what was kept.",
    "audio": f"With the header {HEADER}: tokens the tokens of the query and its first answers are kept, for comparing "
    f"models, with {HEADER}: audio the recording as well; without it nothing is. {ANSWER} in the answer says what was "
    "kept.",
}
_ALWAYS = (HTTPStatus.MISDIRECTED_REQUEST, HTTPStatus.INTERNAL_SERVER_ERROR)
_LOCKED = (HTTPStatus.UNAUTHORIZED, *_ALWAYS)
_WORKING = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
    *_LOCKED,
)


def _errors(*statuses: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    return {int(status): {"model": schemas.Error, "description": _REASONS[status]} for status in statuses}


def create_app(settings: Settings) -> FastAPI:
    """The service as an ASGI application; ``app.state.engine`` is what works in it.

    Its lifespan starts the threads and loads the model. Until that is done, ``/ready`` answers 503.
    """
    engine = Engine(settings)
    collection = Collection(settings.recordings) if settings.recordings else None

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        engine.start()
        if collection is not None:
            collection.start(engine.models.first)
        yield
        if collection is not None:
            collection.stop()
        await run_in_threadpool(engine.stop)

    app = FastAPI(
        title="wav2tok",
        version=__version__,
        description="Recordings in, tokens and the nearest recordings out.",
        lifespan=lifespan,
        docs_url=None,  # these pages load scripts from another site
        redoc_url=None,
    )
    app.state.engine = engine
    _work(app, engine)
    _care(app, engine)
    if collection is not None:
        page.add(app, engine, collection, partial(_strings, engine))
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    paths = frozenset(route.path for route in app.routes)  # type: ignore[attr-defined]
    app.add_middleware(Gate, engine=engine, routes=paths)
    if settings.cors:
        app.add_middleware(CORSMiddleware, allow_origins=settings.cors, allow_methods=["*"], allow_headers=["*"])
    return app


def _work(app: FastAPI, engine: Engine) -> None:
    """The routes that take audio."""

    @app.post(
        "/tokenize",
        summary="Tokens of recordings",
        response_model=schemas.TokenizeAnswer,
        responses=_errors(*_WORKING),
        openapi_extra=_BODY,
    )
    async def tokenize(request: Request) -> Response:
        loaded = engine.loaded()
        step = loaded.tokenizer.frame_seconds
        strings = await _strings(engine, request, loaded.tokenizer)
        return _made_by(
            loaded,
            recordings=[
                {
                    "name": string.path,
                    "duration_s": string.seconds,
                    "tokens": string.tokens.tolist(),
                    "times_s": (string.starts * step).round(3).tolist(),
                }
                for string in strings
            ],
        )

    if engine.settings.index is None:
        return
    queries = QueryLog(engine.settings)

    @app.post(
        "/search",
        summary="The recordings of the index nearest to recordings",
        response_model=schemas.SearchAnswer,
        description=_KEEPS[engine.settings.logs],
        responses=_errors(HTTPStatus.CONFLICT, *_WORKING),
        openapi_extra=_BODY,
    )
    async def search(
        request: Request, top: Annotated[int, Query(ge=1, le=MAX_TOP, description="Answers per recording.")] = 10
    ) -> Response:
        loaded = engine.loaded()
        index = loaded.index
        if index is None:
            raise Refused(HTTPStatus.CONFLICT, loaded.problem or "the index is of another model.")
        found, served = [], []
        contents, strings = await _read(engine, request, loaded.tokenizer, asks=True)
        for content, string in zip(contents, strings, strict=True):
            try:
                answers = await asyncio.get_running_loop().run_in_executor(
                    engine.pool, index.search, string.tokens, top
                )
            except UserError as error:
                raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, f"{string.path}: {error}") from None
            matches = [
                {
                    "path": match.path,
                    "distance": match.distance,
                    "expected_by_chance": match.expected_by_chance,
                    "start_s": match.start,
                    "end_s": match.end,
                }
                for match in answers
            ]
            found.append({"name": string.path, "duration_s": string.seconds, "matches": matches})
            served.append((content, string, answers))
        response, agreed = _made_by(loaded, recordings=found), queries.agreed(request.headers)
        if agreed is not None and await run_in_threadpool(queries.keep, agreed, loaded.tokenizer, served):
            response.headers[ANSWER] = agreed
        return response


def _care(app: FastAPI, engine: Engine) -> None:
    """The routes for those who watch over the service."""
    settings = engine.settings

    @app.get("/health", summary="Whether the service runs", response_model=schemas.State, responses=_errors(*_ALWAYS))
    async def health() -> Response:
        return _json({"status": "ok"})

    @app.get(
        "/ready",
        summary="Whether it takes requests",
        response_model=schemas.State,
        responses=_errors(HTTPStatus.SERVICE_UNAVAILABLE, *_ALWAYS),
    )
    async def ready() -> Response:
        engine.loaded()
        return _json({"status": "ready"})

    @app.get(
        "/version",
        summary="What runs",
        response_model=schemas.VersionAnswer,
        responses=_errors(HTTPStatus.SERVICE_UNAVAILABLE, *_LOCKED),
    )
    async def version() -> Response:
        loaded = engine.loaded()
        tokenizer = loaded.tokenizer
        return _made_by(
            loaded,
            wav2tok=__version__,
            sample_rate=tokenizer.sample_rate,
            num_tokens=tokenizer.num_tokens,
            frame_seconds=tokenizer.frame_seconds,
            provider=tokenizer.provider,
            index=None if settings.index is None else str(settings.index),
            logs=settings.logs,
        )

    @app.get(
        "/metrics",
        summary="Counters for Prometheus",
        response_class=Response,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **_errors(*_LOCKED)},
    )
    async def metrics() -> Response:
        return Response(engine.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.post(
        "/reload",
        summary="Look at the registry now, and load what is new",
        description="A webhook of MLflow may call this, signed with the secret that the service knows.",
        response_model=schemas.ReloadAnswer,
        responses=_errors(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.SERVICE_UNAVAILABLE, *_LOCKED),
    )
    async def reload(request: Request) -> Response:
        engine.loaded()
        secret = settings.webhook_secret
        by_webhook = secret is not None and (not settings.keys or "x-mlflow-signature" in request.headers)
        if by_webhook and not signed(request.headers, await request.body(), secret or ""):
            raise Refused(
                HTTPStatus.UNAUTHORIZED,
                "the webhook is not signed with the secret of this service, or more than five minutes ago.",
            )
        try:
            changed = await run_in_threadpool(engine.models.check)
        except UserError as error:
            raise later(f"{error} The present model stays.") from None
        return _made_by(engine.loaded(), changed=changed)


async def _strings(engine: Engine, request: Request, tokenizer: Tokenizer, *, asks: bool = False) -> list[Tokenized]:
    """The token strings of the recordings of a request; arguments and errors as for `_read`."""
    return (await _read(engine, request, tokenizer, asks=asks))[1]


async def _read(
    engine: Engine, request: Request, tokenizer: Tokenizer, *, asks: bool = False
) -> tuple[list[Content], list[Tokenized]]:
    """The recordings of a request and their token strings.

    Args:
        asks: whether they ask an index (`Engine.tokenize`).

    Raises:
        Refused: it holds none, one of them cannot be read, or it takes too long.
    """
    limit = engine.settings.timeout
    try:
        async with asyncio.timeout(limit):
            contents = await _contents(request)
            return contents, await engine.tokenize(contents, tokenizer, asks=asks)
    except TimeoutError:
        raise Refused(
            HTTPStatus.GATEWAY_TIMEOUT,
            f"the request took more than {limit:g} s, which is the limit of this service; send less at once.",
        ) from None
    except NeedsFfmpegError as error:
        raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, str(error)) from None
    except UserError as error:
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from None


async def _contents(request: Request) -> list[Content]:
    """The recordings of a request: the files of a form, or its body."""
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        body = await request.body()
        if not body:
            raise Refused(HTTPStatus.BAD_REQUEST, "the request holds no recording; send the bytes of one, or a form.")
        return [Content("recording", body)]
    async with request.form(max_files=MAX_FILES) as form:
        files = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
        if not files:
            raise Refused(HTTPStatus.BAD_REQUEST, "the form holds no file; add one with: curl -F file=@FILE")
        return [Content(file.filename or "recording", await file.read()) for file in files]


def _json(content: dict[str, Any]) -> Response:
    return Response(json.dumps(content), media_type="application/json")


def _made_by(loaded: Loaded, **content: Any) -> Response:
    """An answer that says which model made it."""
    return _json({"model": loaded.tokenizer.source, "identity": loaded.tokenizer.identity} | content)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return answer(request.scope, error)


async def _http_error(request: Request, error: Exception) -> Response:
    """No such route, a wrong method, a broken form."""
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    return answer(request.scope, Refused(status, f"{error.detail}.", dict(error.headers or {})))


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    (first, *_) = error.errors()
    name = ".".join(map(str, first["loc"]))
    return answer(request.scope, Refused(HTTPStatus.UNPROCESSABLE_ENTITY, f"{name} is wrong: {first['msg']}."))
