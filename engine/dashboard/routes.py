"""What can be asked for: the files of the page, a window of the session, and the stream of news."""

import asyncio
import json
from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated, Any

from fastapi import FastAPI, Header, Query, Request
from fastapi.responses import PlainTextResponse, Response, StreamingResponse

from engine.dashboard.access import METHODS, Door, brings_token
from engine.dashboard.assets import Asset, read_assets
from engine.dashboard.guard import Receive, Scope, Send, asking
from engine.dashboard.session_view import SessionView
from engine.dashboard.watcher import Watcher
from engine.errors import EngineError, UsageError

MOST_STREAMS = 16
PULSE_SECONDS = 0.25  # between looks for something new
MOST_TEXT = 100  # characters of a parameter

Text = Annotated[str | None, Query(max_length=MOST_TEXT)]


def routes(door: Door, watcher: Watcher) -> FastAPI:
    """Return the application."""
    # Without its pages of documentation: they load scripts from other hosts.
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    for path, asset in read_assets().items():
        app.api_route(path, methods=METHODS)(_sender(asset))
    _add_sign_in(app, door)
    _add_session(app, watcher)
    _add_stream(app, watcher)
    app.add_exception_handler(
        UsageError, lambda _request, error: PlainTextResponse(str(error), 404)
    )
    app.add_exception_handler(EngineError, _troubled)
    return app


def _troubled(_request: Request, _error: Exception) -> Response:
    # The error names the state's path, and the session's log has it.
    return PlainTextResponse("the session's state cannot be read", 500)


def _sender(asset: Asset) -> Any:
    async def send() -> Response:
        return Response(asset.content, media_type=asset.media_type)

    return send


def _add_sign_in(app: FastAPI, door: Door) -> None:
    @app.api_route("/api/sign-in", methods=METHODS)
    async def sign_in(request: Request) -> Response:
        """Change the token for a cookie, which scripts cannot read."""
        if door.token is not None and not brings_token(asking(request.scope), door):
            return PlainTextResponse("the dashboard's token is needed", 401)
        answer = Response(status_code=204)
        if door.token is not None:
            answer.set_cookie(door.cookie, door.key, httponly=True, samesite="strict")
        return answer


def _add_session(app: FastAPI, watcher: Watcher) -> None:
    @app.api_route("/api/session", methods=METHODS)
    async def session(symbol: Text = None, only: bool = False) -> Response:
        return _json(await watcher.ask(lambda view: view.window(symbol, only=only)))

    @app.api_route("/api/bars", methods=METHODS)
    async def bars(
        symbol: Annotated[str, Query(max_length=MOST_TEXT)],
        before: Annotated[int, Query(ge=0, lt=2**53)],
        count: Annotated[int, Query(ge=1, le=500)],
    ) -> Response:
        return _json(await watcher.ask(lambda view: view.earlier(symbol, before, count)))


def _add_stream(app: FastAPI, watcher: Watcher) -> None:
    streams = asyncio.Semaphore(MOST_STREAMS)

    @app.get("/api/events")
    async def events(
        symbol: Annotated[str, Query(max_length=MOST_TEXT)],
        after: Text = None,
        only: bool = False,
        last_event_id: Annotated[str | None, Header(max_length=MOST_TEXT)] = None,
    ) -> Response:
        last = last_event_id or after or ""
        # Whatever is wrong with the question is said before the stream begins.
        await watcher.ask(lambda view: view.news(symbol, last, only=only))
        return _Stream(_news(watcher, symbol, last, only=only), streams)


class _Stream(StreamingResponse):
    """A stream of events, if there are not too many yet."""

    def __init__(self, content: AsyncIterator[str], streams: asyncio.Semaphore) -> None:
        super().__init__(content, media_type="text/event-stream")
        self._streams = streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._streams.locked():
            full = PlainTextResponse("too many pages are open", 503, {"Retry-After": "10"})
            await full(scope, receive, send)
            return
        async with self._streams:
            await super().__call__(scope, receive, send)


async def _news(watcher: Watcher, symbol: str, last: str, *, only: bool) -> AsyncIterator[str]:
    """Yield moments as they are committed, and how the session is doing where that changes."""
    told: dict[str, Any] = {}
    while not watcher.stopping:
        look = partial(SessionView.pulse, symbol=symbol, last=last, only=only)
        try:
            news, standing = await watcher.ask(look)
        except EngineError:
            return  # whoever asks for the window next is told why
        if news is not None and "id" not in news:
            yield _event("reset", {})
            return
        if news is not None:
            last = news["id"]
            yield _event("moment", news, last)
        changed = {name: part for name, part in standing.items() if told.get(name) != part}
        if changed:
            told = standing
            yield _event("health", changed)
        await asyncio.sleep(PULSE_SECONDS)


def _event(kind: str, data: Any, name: str | None = None) -> str:
    """Return an event of a stream; one with a name is where the next stream goes on."""
    id_line = "" if name is None else f"id: {name}\n"
    return f"event: {kind}\n{id_line}data: {_text(data)}\n\n"


def _json(data: Any) -> Response:
    return Response(_text(data), media_type="application/json")


def _text(data: Any) -> str:
    return json.dumps(data, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
