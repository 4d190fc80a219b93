"""A websocket connection of one client, and the streams that it has subscribed to."""

import asyncio
import json
from collections.abc import Callable, Iterable
from contextlib import suppress

from aiohttp import WSMsgType, web

from feeds.standin.wire import Json

MOST_WAITING = 20_000  # messages; who reads more slowly is disconnected, as the exchange does


class Session:
    """What is pushed waits in line, so that a client that does not read holds up nobody else."""

    def __init__(self, request: web.Request, subscribed: Callable[[], None]) -> None:
        self.streams: set[str] = set()
        self._request = request
        self._subscribed = subscribed
        self._socket = web.WebSocketResponse(compress=False)
        self._waiting: asyncio.Queue[str] = asyncio.Queue(MOST_WAITING)

    async def run(self) -> web.WebSocketResponse:
        """Answer what the client asks, and send what is pushed, until one of them hangs up."""
        await self._socket.prepare(self._request)
        sender = asyncio.create_task(self._send())
        try:
            async for message in self._socket:
                if message.type is WSMsgType.TEXT:
                    self.push(json.dumps(self._answer(message.data)))
        finally:
            sender.cancel()
        return self._socket

    def push(self, text: str) -> None:
        """Let the client have a message, after those that wait already."""
        try:
            self._waiting.put_nowait(text)
        except asyncio.QueueFull:
            self.hang_up()

    def hang_up(self) -> None:
        """End the connection without a word."""
        if self._request.transport is not None:
            self._request.transport.close()

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
                self._subscribed()
            case "UNSUBSCRIBE":
                self.streams.difference_update(_names(names))
            case "LIST_SUBSCRIPTIONS":
                return {"result": sorted(self.streams), "id": number}
            case _:
                unknown = {"code": 2, "msg": f"Invalid request: unknown variant `{method}`"}
                return {"error": unknown, "id": number}
        return {"result": None, "id": number}


def _names(params: object) -> Iterable[str]:
    """Return the names of streams. One that does not exist is as good as any: it stays silent."""
    return map(str, params) if isinstance(params, list) else ()
