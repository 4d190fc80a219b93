"""A websocket connection of one client, and the streams that it has subscribed to."""

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress

from aiohttp import WSMsgType, web

from feeds.standin.faults import reset
from feeds.standin.stream_faults import StreamFaultKind
from feeds.standin.wire import Json

MOST_WAITING = 20_000  # messages; who reads more slowly is disconnected, as the exchange does

_CODES = {
    StreamFaultKind.GOING_AWAY: 1001,
    StreamFaultKind.OLD_AGE: 1001,
    StreamFaultKind.MAINTENANCE: 1001,
    StreamFaultKind.ABNORMAL: 1006,
    StreamFaultKind.POLICY: 1008,
}
_HALF_FRAME = b'\x81\x7e\x02\x00{"e":"kline","E":17'  # a text of 512 bytes is announced


class Connection:
    """What is pushed waits in line, so that a client that does not read holds up nobody else.

    Parameters
    ----------
    asked : called when the client has asked for streams, or not to have them any more

    Attributes
    ----------
    streams : the names of those that it wants
    silent : whether nothing is sent any more
    """

    def __init__(self, request: web.Request, asked: Callable[[str, list[str]], None]) -> None:
        self.streams: set[str] = set()
        self.silent = False
        self._request = request
        self._asked = asked
        self._socket = web.WebSocketResponse(compress=False)
        self._waiting: asyncio.Queue[str] = asyncio.Queue(MOST_WAITING)

    async def run(self) -> web.WebSocketResponse:
        """Answer what the client asks, and send what is pushed, until one of them hangs up.

        Whoever hangs up may still have a greeting or the answer to a ping coming: aiohttp raises
        where it writes to nobody, and would tell of an error in here.
        """
        with suppress(ConnectionError):
            await self._socket.prepare(self._request)
            sender = asyncio.create_task(self._send())
            try:
                await self._listen()
            finally:
                sender.cancel()
        return self._socket

    async def _listen(self) -> None:
        async for message in self._socket:
            if message.type is WSMsgType.TEXT:
                self.push(json.dumps(self._answer(message.data)))

    def push(self, text: str) -> None:
        """Let the client have a message, after those that wait already."""
        if self.silent:
            return
        try:
            self._waiting.put_nowait(text)
        except asyncio.QueueFull:
            self.hang_up()

    def hang_up(self) -> None:
        """End the connection without a word."""
        if self._request.transport is not None:
            self._request.transport.close()

    def hears_of(self, market: str) -> bool:
        """Return whether the client has subscribed to a stream of that market."""
        return any(name.startswith(f"{market.lower()}@") for name in self.streams)

    def speak_again(self) -> None:
        """End a stall."""
        self.silent = False

    def suffer(self, kind: StreamFaultKind) -> None:
        """Let something go wrong with the connection."""
        transport = self._request.transport
        match kind:
            case StreamFaultKind.STALL:
                self.silent = True
            case StreamFaultKind.BLACK_HOLE if transport is not None:
                self.silent = True
                transport.pause_reading()
            case StreamFaultKind.HALF_FRAME if transport is not None:
                transport.write(_HALF_FRAME)
                self.hang_up()
            case StreamFaultKind.END:
                self.hang_up()
            case _ if kind in _CODES:
                self._closing = asyncio.create_task(self._close(_CODES[kind]))
            case _:
                reset(self._request)

    async def _close(self, code: int) -> None:
        with suppress(ConnectionError):  # the client has gone
            await self._socket.close(code=code, message=b"closed by a fault")

    async def _send(self) -> None:
        with suppress(ConnectionError):  # the client has gone
            while True:
                await self._socket.send_str(await self._waiting.get())

    def _answer(self, text: str) -> Json:
        try:
            asked = json.loads(text)
            method, number, names = asked["method"], asked.get("id"), asked.get("params", [])
        except (ValueError, LookupError, TypeError):
            return {"error": {"code": 3, "msg": "Invalid JSON: expected value at line 1 column 1"}}
        match method:
            case "SUBSCRIBE":
                self.streams.update(_names(names))
            case "UNSUBSCRIBE":
                self.streams.difference_update(_names(names))
            case "LIST_SUBSCRIPTIONS":
                return {"result": sorted(self.streams), "id": number}
            case _:
                unknown = {"code": 2, "msg": f"Invalid request: unknown variant `{method}`"}
                return {"error": unknown, "id": number}
        self._asked(method, _names(names))
        return {"result": None, "id": number}


def _names(params: object) -> list[str]:
    """Return the names of streams. One that does not exist is as good as any: it stays silent."""
    return list(map(str, params)) if isinstance(params, list) else []
