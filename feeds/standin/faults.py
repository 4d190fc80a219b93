"""What can go wrong between an exchange and its client, made to happen on request."""

import asyncio
import json
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from threading import Lock
from typing import TypeVar

import numpy as np
from aiohttp import web

T = TypeVar("T")


class FaultKind(StrEnum):
    """The shapes of trouble, as a client sees them."""

    TOO_MANY_REQUESTS = "429 with Retry-After"
    BANNED = "418 with Retry-After"
    SERVER_ERROR = "500"
    BAD_GATEWAY = "502 with html"
    MAINTENANCE = "503 with a code"
    GATEWAY_TIMEOUT = "504 with html"
    FIREWALL = "403 with html"
    RESTRICTED_PLACE = "451"
    HTML = "200 with html"
    CUT_JSON = "200 with half of the JSON"
    CUT_BODY = "a body shorter than its Content-Length"
    RESET = "connection reset"
    SLOW = "an answer that takes its time"
    EMPTY = "an empty list"
    SHORT_PAGE = "the first rows only"
    OVERLAPPING_PAGE = "rows before the start, too"
    MISSING_ROWS = "rows missing in the middle"
    REPEATED_ROWS = "rows that come twice"
    REVERSED_PAGE = "newest row first"


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that goes wrong, where and how often.

    Attributes
    ----------
    kind : what goes wrong
    path : the endpoint, like `klines`; None is all of them
    times : how often, at most; None is for ever
    skip : so many requests to the endpoint go well first
    probability : of each request after those
    seed : of that chance
    seconds : the Retry-After, or how long a slow answer takes
    rows : how many are left in a short page, come before the start, are missing, or come twice
    """

    kind: FaultKind
    path: str | None = "klines"
    times: int | None = None
    skip: int = 0
    probability: float = 1.0
    seed: int = 0
    seconds: float = 1.0
    rows: int = 3

    def __post_init__(self) -> None:
        if not 0 < self.probability <= 1:
            raise ValueError(
                f"the probability of a fault must be above 0 and at most 1, "
                f"found {self.probability}"
            )
        for name, least in (("times", 1), ("skip", 0), ("seconds", 0), ("rows", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ValueError(f"{name} of a fault must be {least} or more, found {value}")


class FaultPlan:
    """The faults that are still to come. Any thread may add to it and ask it."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self._lock = Lock()
        self._waiting: list[_Waiting] = []
        self._added = 0
        for fault in faults:
            self.add(fault)

    def add(self, fault: Fault) -> None:
        """Plan one more fault; of two that could happen the older one does."""
        with self._lock:
            self._waiting.append(_Waiting(fault, np.random.default_rng([fault.seed, self._added])))
            self._added += 1

    def clear(self) -> None:
        """Let everything go well from now on."""
        with self._lock:
            self._waiting.clear()

    def next_for(self, path: str) -> Fault | None:
        """Return what goes wrong with a request to `path`, if anything does."""
        with self._lock:
            due = [waiting for waiting in self._waiting if waiting.due(path)]
            if not due:
                return None
            due[0].happened += 1
            return due[0].fault


@dataclass(slots=True)
class _Waiting:
    """A fault and what has become of it."""

    fault: Fault
    rng: np.random.Generator
    asked: int = 0
    happened: int = 0

    def due(self, path: str) -> bool:
        fault = self.fault
        if fault.path not in (None, path) or self.happened == fault.times:
            return False
        self.asked += 1
        return self.asked > fault.skip and self.rng.random() < fault.probability


def spoil_rows(rows: list[T], fault: Fault | None) -> list[T]:
    """Return what a fault leaves of a page of rows.

    >>> spoil_rows([1, 2, 3, 4], Fault(FaultKind.MISSING_ROWS, rows=1))
    [1, 3, 4]
    """
    match fault:
        case Fault(kind=FaultKind.SHORT_PAGE, rows=kept):
            return rows[:kept]
        case Fault(kind=FaultKind.MISSING_ROWS, rows=missing):
            missing = max(0, min(missing, len(rows) - 2))  # the edges stay
            first = (len(rows) - missing) // 2
            return rows[:first] + rows[first + missing :]
        case Fault(kind=FaultKind.REPEATED_ROWS, rows=repeated):
            return [row for row in rows[:repeated] for _ in range(2)] + rows[repeated:]
        case Fault(kind=FaultKind.REVERSED_PAGE):
            return rows[::-1]
        case _:
            return rows


def _html(text: str) -> str:
    return f"<html><head><title>{text}</title></head><body><h1>{text}</h1></body></html>"


def _refusal(code: int, message: str) -> str:
    return json.dumps({"code": code, "msg": message})


_JSON, _HTML = "application/json", "text/html"
_ANSWERS = {
    FaultKind.TOO_MANY_REQUESTS: (429, _JSON, _refusal(-1003, "Too much request weight used.")),
    FaultKind.BANNED: (418, _JSON, _refusal(-1003, "Way too much request weight used; IP banned.")),
    FaultKind.SERVER_ERROR: (500, _JSON, _refusal(-1000, "An unknown error occurred.")),
    FaultKind.BAD_GATEWAY: (502, _HTML, _html("502 Bad Gateway")),
    FaultKind.MAINTENANCE: (503, _JSON, _refusal(-1016, "This service is no longer available.")),
    FaultKind.GATEWAY_TIMEOUT: (504, _HTML, _html("504 Gateway Time-out")),
    FaultKind.FIREWALL: (403, _HTML, _html("ERROR: The request could not be satisfied")),
    FaultKind.RESTRICTED_PLACE: (
        451,
        _JSON,
        _refusal(0, "Service unavailable from a restricted location."),
    ),
    FaultKind.HTML: (200, _HTML, _html("System maintenance")),
}
_ASK_LATER = (FaultKind.TOO_MANY_REQUESTS, FaultKind.BANNED)


async def spoiled(request: web.Request, fault: Fault, answer: web.Response) -> web.StreamResponse:
    """Return what a fault leaves of an answer."""
    body = answer.text or ""
    match fault.kind:
        case kind if kind in _ANSWERS:
            return _other_answer(fault)
        case FaultKind.EMPTY:
            return web.Response(text="[]", content_type=_JSON)
        case FaultKind.CUT_JSON:
            return web.Response(text=body[: len(body) // 2], content_type=_JSON)
        case FaultKind.CUT_BODY:
            return await _cut_short(request, body)
        case FaultKind.RESET:
            reset(request)
        case FaultKind.SLOW:
            await asyncio.sleep(fault.seconds)
        case _:
            pass  # it spoiled the rows
    return answer


def _other_answer(fault: Fault) -> web.Response:
    status, content_type, text = _ANSWERS[fault.kind]
    headers = {"Retry-After": f"{fault.seconds:g}"} if fault.kind in _ASK_LATER else {}
    return web.Response(status=status, text=text, content_type=content_type, headers=headers)


async def _cut_short(request: web.Request, body: str) -> web.StreamResponse:
    """Announce the whole body, send half of it and hang up."""
    whole = body.encode()
    response = web.StreamResponse(headers={"Content-Type": _JSON})
    response.content_length = len(whole)
    await response.prepare(request)
    await response.write(whole[: len(whole) // 2])
    if request.transport is not None:
        request.transport.close()
    return response


def reset(request: web.Request) -> None:
    """Drop the connection such that the client is told of a reset, not of an end."""
    if request.transport is not None:
        connection: socket.socket = request.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.transport.abort()
