"""What ccxt.pro, and who looks closer, sees of connections that break or go silent."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import ccxt
import pytest

from feeds.standin.stream_faults import ON_CONNECTIONS, StreamFault, StreamFaultKind
from tests.feeds.standin.listener import (
    FIRST,
    MINUTE,
    PATIENCE,
    Replay,
    client_of,
    listener,
    patiently,
    replay,
    subscribed,
)

Kind = StreamFaultKind
BROKEN = {
    Kind.RESET: "Connection lost|reset|1006",
    Kind.END: "1006|closed|None",
    Kind.HALF_FRAME: "1006|closed|None",
    Kind.GOING_AWAY: "1001",
    Kind.ABNORMAL: "1006",
    Kind.POLICY: "1008",
    Kind.FLAPPING: "Connection lost|reset|1006",
    Kind.MAINTENANCE: "1001",
}


async def rows_seen(client: Any, played: Replay, connection: int) -> Any:
    """Return what ccxt sees next on its so many-th connection, while the clock goes on."""
    watching = asyncio.ensure_future(client.watch_ohlcv("BTC/USDT", "1m"))
    await subscribed(played, connection)
    while not watching.done():
        played.clock.minute += 0.25
        await asyncio.sleep(0.05)
    return await watching


@pytest.mark.parametrize("kind", BROKEN)
def test_a_connection_that_breaks_is_a_network_error_and_the_next_call_connects_again(
    kind: StreamFaultKind,
) -> None:
    played = replay(StreamFault(kind=kind, bar=1, part=0.25, seconds=0.3), begin=3)

    async def main() -> None:
        async with client_of(played.exchange) as client:
            await rows_seen(client, played, 1)
            watching = asyncio.ensure_future(client.watch_ohlcv("BTC/USDT", "1m"))
            played.clock.minute = 4.25
            with pytest.raises(ccxt.NetworkError, match=BROKEN[kind]):
                await patiently(watching)
            if kind is Kind.FLAPPING:
                with pytest.raises(ccxt.NetworkError):
                    await patiently(client.watch_ohlcv("BTC/USDT", "1m"))
            played.clock.minute = 4.5
            rows = await rows_seen(client, played, 3 if kind is Kind.FLAPPING else 2)
            assert rows[-1][0] >= FIRST + 4 * MINUTE

    with played.exchange:
        asyncio.run(main())


def test_a_stall_says_nothing_and_answers_pings_until_it_ends() -> None:
    played = replay(StreamFault(kind=Kind.STALL, bar=1, seconds=1.0), begin=3)

    async def main(socket: aiohttp.ClientWebSocketResponse) -> float:
        await socket.send_json({"method": "SUBSCRIBE", "params": ["btcusdt@kline_1m"], "id": 1})
        await socket.receive(PATIENCE)
        played.clock.minute = 4.5
        await asyncio.sleep(0.1)
        played.clock.minute = 5
        await asyncio.sleep(0.2)
        await socket.ping()
        assert (await socket.receive(PATIENCE)).type is aiohttp.WSMsgType.PONG
        await asyncio.sleep(1.0)
        played.clock.minute = 5.5
        return float((await socket.receive_json(timeout=PATIENCE))["k"]["t"])

    assert on_socket(played, main) == FIRST + 5 * MINUTE


def test_a_black_hole_answers_no_ping() -> None:
    played = replay(StreamFault(kind=Kind.BLACK_HOLE, bar=1), begin=3)

    async def main(socket: aiohttp.ClientWebSocketResponse) -> None:
        await socket.send_json({"method": "SUBSCRIBE", "params": ["btcusdt@kline_1m"], "id": 1})
        await socket.receive(PATIENCE)
        played.clock.minute = 4.5
        await asyncio.sleep(0.2)
        await socket.ping()
        with pytest.raises(TimeoutError):
            await socket.receive(0.3)

    on_socket(played, main)


def on_socket(
    played: Replay, action: Callable[[aiohttp.ClientWebSocketResponse], Awaitable[Any]]
) -> Any:
    async def main() -> Any:
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"{played.exchange.stream_url}/0", autoping=False) as socket,
        ):
            return await action(socket)

    with played.exchange:
        return asyncio.run(main())


def test_only_connections_to_the_symbol_break() -> None:
    played = replay(StreamFault(kind=Kind.RESET, bar=1, symbol="BTC/USDT"), begin=3)

    async def main() -> None:
        async with listener(played, "nothing@trade") as spared, listener(played) as broken:
            await spared.at(4, 5)
            with pytest.raises(AssertionError):
                await broken.at(5)

    with played.exchange:
        asyncio.run(main())


def test_so_many_handshakes_are_refused() -> None:
    played = replay(StreamFault(kind=Kind.REFUSED, times=2))

    async def main() -> list[int]:
        seen = []
        async with aiohttp.ClientSession() as session:
            for _ in range(4):
                try:
                    async with session.ws_connect(played.exchange.stream_url):
                        seen.append(101)
                except aiohttp.WSServerHandshakeError as refused:
                    seen.append(refused.status)
        return seen

    with played.exchange:
        assert asyncio.run(main()) == [503, 503, 101, 101]
    assert [asked.fault for asked in played.exchange.requests] == [
        Kind.REFUSED, Kind.REFUSED, None, None
    ]  # fmt: skip


def test_ccxt_takes_a_refused_handshake_for_a_network_error_and_tries_again() -> None:
    played = replay(StreamFault(kind=Kind.REFUSED), begin=3)

    async def main() -> Any:
        async with client_of(played.exchange) as client:
            with pytest.raises(ccxt.NetworkError, match="503"):
                await patiently(client.watch_ohlcv("BTC/USDT", "1m"))
            return await rows_seen(client, played, 1)

    with played.exchange:
        assert asyncio.run(main())[-1][0] >= FIRST + 3 * MINUTE


def test_every_kind_is_tried_here() -> None:
    assert {*BROKEN, Kind.STALL, Kind.BLACK_HOLE} == ON_CONNECTIONS
