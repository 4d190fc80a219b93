"""A stand-in whose clock the test sets forward, and who listens to its streams."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import ccxt.pro

from feeds.standin.server import StandIn
from feeds.standin.stream_faults import StreamFault
from feeds.standin.trades import RecordedTrades
from tests.makers import make_bars

NEW_YEAR = datetime(2024, 1, 1, tzinfo=UTC)
FIRST = 1_704_067_200_000  # the same, in ms
MINUTE = 60_000
BTC = make_bars(40, 0, timeframe="1m")
ETH = make_bars(40, 1, timeframe="1m", symbol="ETH/USDT")
PATIENCE = 20.0  # seconds; a busy machine may need some


@dataclass
class HandClock:
    """A clock that the test sets; in minutes since the recording's begin."""

    minute: float = 0.0

    def now(self) -> datetime:
        return NEW_YEAR + timedelta(minutes=self.minute)


@dataclass
class Replay:
    """BTC/USDT, whose faults are tested, and ETH/USDT, which tells when all has been pushed."""

    exchange: StandIn
    clock: HandClock


def replay(*faults: StreamFault, trades: Sequence[RecordedTrades] = (), begin: float = 0) -> Replay:
    """Return a stand-in that is not started yet."""
    clock = HandClock(begin)
    exchange = StandIn([BTC, ETH], trades=trades, clock=clock, faults=faults, push_every=30)
    return Replay(exchange, clock)


class Listener:
    """A plain websocket connection, subscribed to the bars of both symbols."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, clock: HandClock) -> None:
        self._socket = socket
        self._clock = clock

    async def ask(self, method: str, *params: str) -> Any:
        """Return the answer to a request."""
        await self._socket.send_json({"method": method, "params": params, "id": 7})
        return await self.next()

    async def next(self) -> Any:
        """Return the next message; one that is not JSON as its text."""
        message = await self._socket.receive(PATIENCE)
        assert message.type is aiohttp.WSMsgType.TEXT, message
        try:
            return json.loads(message.data)
        except ValueError:
            return message.data

    async def at(self, *minutes: float) -> list[Any]:
        """Set the clock to each of the minutes; return what is said of all but ETH/USDT."""
        heard = []
        for minute in minutes:
            self._clock.minute = minute
            while (message := await self.next()) and not _is_sign(message, minute):
                if "ETHUSDT" not in str(message):
                    heard.append(message)
        return heard


def _is_sign(message: Any, minute: float) -> bool:
    """Return whether ETH/USDT tells of its forming bar, which is pushed last, at that minute."""
    if not isinstance(message, dict) or message.get("s") != "ETHUSDT" or message["k"]["x"]:
        return False
    return bool(message["k"]["t"] == FIRST + int(minute) * MINUTE)


@asynccontextmanager
async def listener(played: Replay, *streams: str) -> AsyncIterator[Listener]:
    """Listen to the bars of ETH/USDT and to the streams, by default the bars of BTC/USDT."""
    names = ("ethusdt@kline_1m", *(streams or ("btcusdt@kline_1m",)))
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{played.exchange.stream_url}/3") as socket,
    ):
        listening = Listener(socket, played.clock)
        assert await listening.ask("SUBSCRIBE", *names) == {"result": None, "id": 7}
        yield listening


@asynccontextmanager
async def client_of(exchange: StandIn) -> AsyncIterator[Any]:
    """Yield ccxt.pro's own client; nothing but its urls knows of the stand-in."""
    client = ccxt.pro.binance(
        {
            "enableRateLimit": False,
            "options": {"fetchMarkets": {"types": ["spot"]}},
            "urls": {"api": {"public": exchange.url, "ws": {"spot": exchange.stream_url}}},
        }
    )
    try:
        await client.load_markets()
        yield client
    finally:
        await client.close()


async def until(happened: Callable[[], bool]) -> None:
    """Wait for something to happen."""

    async def wait() -> None:
        while not happened():
            await asyncio.sleep(0.01)

    await patiently(wait())


async def subscribed(played: Replay, times: int = 1) -> None:
    """Wait until so many subscriptions have come in, over all."""
    asked = played.exchange.requests
    await until(lambda: [request.path for request in asked].count("SUBSCRIBE") >= times)


async def patiently(waiting: Any) -> Any:
    """Return what is waited for, and fail where it never comes."""
    return await asyncio.wait_for(waiting, PATIENCE)
