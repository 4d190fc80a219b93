"""The guard: asks the rules before a route is looked at, and marks every answer."""

from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from engine.dashboard.access import METHODS, Asking, Door, Refusal, refusal

# ASGI's own words.
Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
HeaderLines: TypeAlias = list[tuple[bytes, bytes]]

POLICY = (
    "default-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "object-src 'none'",
    # Text from an exchange cannot become markup: the browser refuses to parse any.
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
)

HEADERS: HeaderLines = [
    (b"content-security-policy", "; ".join(POLICY).encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
]

# A header that is given twice is read differently by different readers, so it is not read at all.
ONCE = ("host", "origin", "authorization")


class Guard:
    """An ASGI application that answers what the rules refuse, and passes on the rest."""

    def __init__(self, app: App, door: Door) -> None:
        self._app, self._door = app, door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return  # uvicorn is told to do nothing else

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *HEADERS]
            await send(message)

        no = _twice(scope["headers"]) or refusal(asking(scope), self._door)
        if no is None:
            await self._app(scope, receive, marked)
        else:
            await _refuse(no, marked)


def asking(scope: Scope) -> Asking:
    """Return what the rules want to know of a request."""
    headers = {name.decode("latin-1"): line.decode("latin-1") for name, line in scope["headers"]}
    return Asking(scope["method"], scope["path"], headers)


def _twice(lines: HeaderLines) -> Refusal | None:
    count = Counter(name.decode("latin-1") for name, _ in lines)
    double = [name for name in ONCE if count[name] > 1]
    return Refusal(400, f"{double[0]} was given twice") if double else None


async def _refuse(no: Refusal, send: Send) -> None:
    body = f"{no.reason}\n".encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"%d" % len(body)),
    ]
    if no.status == 405:
        headers.append((b"allow", ", ".join(METHODS).encode()))
    await send({"type": "http.response.start", "status": no.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
