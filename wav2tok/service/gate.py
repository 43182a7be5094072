"""What every request passes: its id, who may come in, how much may be sent and worked on at once, log and counters."""

import hashlib
import hmac
import json
import time
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wav2tok.progress import log
from wav2tok.service.engine import Engine
from wav2tok.service.events import event, request_id
from wav2tok.service.refusals import Refused, later
from wav2tok.service.settings import is_loopback

WORK = frozenset({"/tokenize", "/search", "/page/search", "/page/compare"})
"""The routes that take audio."""
OPEN = frozenset({"/health", "/ready"})
"""The routes that take no key: whoever watches over the service asks them."""
OTHER = "other"
"""What metrics call a path that is not a route."""
QUIET = OPEN | {"/metrics"}
"""The routes that are asked every few seconds, and are not logged."""
PAGE = "/page/"
"""What the paths that only the page asks for begin with; whoever reads the log of a service asks for others."""


def answer(scope: Scope, refused: Refused) -> Response:
    """The answer to a refused request: one sentence, and the id by which the log knows it."""
    content = {"error": refused.sentence, "request_id": scope["state"]["request_id"]}
    return Response(json.dumps(content), refused.status, refused.headers, "application/json")


class Gate:
    """The ASGI application ``app`` behind a gate; ``routes`` are its paths.

    No fault ever reaches a client as a traceback: it is logged, and answered with 500 and a sentence.
    """

    def __init__(self, app: ASGIApp, engine: Engine, routes: frozenset[str]) -> None:
        self._app, self._engine, self._routes = app, engine, routes
        self._keys = [hashlib.sha256(key.encode()).digest() for key in engine.settings.keys]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        headers, path = Headers(scope=scope), scope["path"]
        ident = request_id(headers.get("x-request-id"))
        scope["state"] = {**scope.get("state", {}), "request_id": ident}
        status = 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-ID"] = ident
            await send(message)

        try:
            self._admit(path, headers)
            await self._pass(scope, self._counted(receive, headers), sending)
        except Refused as refused:
            if not status:
                await answer(scope, refused)(scope, receive, sending)
        except Exception:
            log.exception(f"request {ident} failed")
            if not status:
                sentence = "the service has made a mistake; its log says more under the id of this request."
                await answer(scope, Refused(HTTPStatus.INTERNAL_SERVER_ERROR, sentence))(scope, receive, sending)
        finally:
            seconds = time.perf_counter() - started
            route = path if path in self._routes else OTHER
            self._engine.metrics.requests.labels(route, status).inc()
            self._engine.metrics.seconds.labels(route).observe(seconds)
            if path not in QUIET and (status >= 500 or not path.startswith(PAGE)):
                event("request", id=ident, method=scope["method"], path=path, status=status, ms=round(seconds * 1e3, 1))

    def _admit(self, path: str, headers: Headers) -> None:
        """Raise `Refused` unless this request may come in."""
        engine, settings = self._engine, self._engine.settings
        if settings.loopback and not is_loopback(_host(headers)):
            # A page of another site whose name was made to point to this machine asks under that name.
            raise Refused(
                HTTPStatus.MISDIRECTED_REQUEST,
                f"this service is reached at {settings.host}, and not by another name; ask it there.",
            )
        webhook = path == "/reload" and settings.webhook_secret is not None and "x-mlflow-signature" in headers
        if path not in OPEN and not webhook and not self._knows(headers):
            raise Refused(
                HTTPStatus.UNAUTHORIZED,
                "this service takes an API key, in the header X-API-Key or as Authorization: Bearer KEY.",
                {"WWW-Authenticate": "Bearer"},
            )
        if path in WORK:
            engine.loaded()
            if engine.active >= settings.max_requests:
                raise later(
                    f"the service works on {settings.max_requests} requests, which is its limit; try again in a second."
                )

    def _knows(self, headers: Headers) -> bool:
        """Whether a request brings a key, or needs none. How long it takes does not depend on the key."""
        if not self._keys:
            return True
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        given = headers.get("x-api-key") or (bearer.strip() if scheme.lower() == "bearer" else "")
        digest = hashlib.sha256(given.encode("utf-8", "surrogateescape")).digest()
        return sum(hmac.compare_digest(digest, key) for key in self._keys) > 0

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] not in WORK:
            await self._app(scope, receive, send)
            return
        engine = self._engine
        engine.active += 1
        engine.metrics.active.set(engine.active)
        try:
            await self._app(scope, receive, send)
        finally:
            engine.active -= 1
            engine.metrics.active.set(engine.active)

    def _counted(self, receive: Receive, headers: Headers) -> Receive:
        """``receive``, until more bytes have come than allowed."""
        most, count = self._engine.settings.max_bytes, 0
        too_many = Refused(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"the request is larger than {most / (1 << 20):g} MiB, the limit of this service; send less at once.",
        )
        announced = headers.get("content-length", "0")
        if announced.isdigit() and int(announced) > most:
            raise too_many

        async def receiving() -> Message:
            nonlocal count
            message = await receive()
            count += len(message.get("body", b""))
            if count > most:
                raise too_many
            return message

        return receiving


def _host(headers: Headers) -> str:
    """The host that a request names, without its port."""
    host = headers.get("host", "")
    return host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]
