"""What each fault of a stream or a market makes a listener and ccxt.pro see."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import aiohttp
import ccxt
import numpy as np
import pytest

from feeds.bars import PRICES
from feeds.errors import UnknownMarketError
from feeds.standin.faults import Fault, FaultKind
from feeds.standin.stream_faults import StreamFault, StreamFaultKind
from feeds.timeframe import Timeframe
from tests.feeds.standin.listener import (
    BTC,
    ETH,
    FIRST,
    MINUTE,
    PATIENCE,
    Replay,
    client_of,
    listener,
    patiently,
    replay,
    subscribed,
    until,
)

Kind = StreamFaultKind
Told: TypeAlias = tuple[object, ...]


def told(message: Any) -> Told:
    """Return which bar a push is of, whether it is closed, and what is wrong with its numbers."""
    if not isinstance(message, dict):
        return ("no JSON",)
    k = message["k"]
    minute = (k["t"] - FIRST) / MINUTE
    if minute % 1:
        return "no bar", k["x"]
    right = BTC[int(minute) : int(minute) + 1]
    numbers = [k[name] and float(k[name]) for name in "ohlcv"]
    expected = [float(getattr(right, name)[0]) for name in (*PRICES, "volume")]
    if not k["x"] or numbers == expected:
        return int(minute), k["x"]
    return int(minute), k["x"], *(n for n, e in zip(numbers, expected, strict=True) if n != e)


def heard(played: Replay, *minutes: float) -> list[Told]:
    async def main() -> list[Told]:
        async with listener(played) as listening:
            return [told(message) for message in await listening.at(*minutes)]

    with played.exchange:
        return asyncio.run(main())


CLOSES = (3.5, 4.0, 5.0, 6.0, 7.0)
GOOD: list[Told] = [
    (3, False), (3, True), (4, False), (4, True), (5, False), (5, True), (6, False), (6, True),
    (7, False),
]  # fmt: skip
CLOSE = float(BTC.close[4])
HIGH = float(BTC.high[4])
SPOILED: dict[StreamFaultKind, list[Told]] = {
    Kind.MALFORMED: [*GOOD[:4], ("no JSON",), *GOOD[4:]],
    Kind.DUPLICATE: [*GOOD[:4], (4, True), (4, True), *GOOD[4:]],
    Kind.OUT_OF_ORDER: [*GOOD[:3], (5, False), (4, True), (3, True), *GOOD[5:]],
    Kind.GAP: [*GOOD[:2], *GOOD[6:]],
    Kind.LOST_LAST: [*GOOD[:3], *GOOD[4:]],
    Kind.SPIKE: [*GOOD[:3], (4, True, round(HIGH * 1.02, 8)), *GOOD[4:]],
    Kind.ZERO_VOLUME: [*GOOD[:4], (4, True, CLOSE, CLOSE, CLOSE, 0.0), *GOOD[4:]],
    Kind.ZERO_ROW: [*GOOD[:4], (4, True, 0.0, 0.0, 0.0, 0.0, 0.0), *GOOD[4:]],
    Kind.NULLS: [*GOOD[:4], (4, True, None, None, None, None, None), *GOOD[4:]],
    Kind.OFF_GRID: [*GOOD[:4], ("no bar", True), *GOOD[4:]],
}


def test_without_faults_all_goes_well() -> None:
    assert heard(replay(begin=3), *CLOSES) == GOOD


@pytest.mark.parametrize("kind", SPOILED)
def test_what_a_fault_makes_of_the_pushes(kind: StreamFaultKind) -> None:
    fault = StreamFault(kind=kind, bar=1, symbol="BTC/USDT", times=2)
    assert heard(replay(fault, begin=3), *CLOSES) == SPOILED[kind]


def test_a_fault_without_a_bar_is_of_the_one_that_forms_when_it_is_added() -> None:
    played = replay(begin=3)
    fault = StreamFault(kind=Kind.LOST_LAST, symbol="BTC/USDT")

    async def main() -> list[Told]:
        async with listener(played) as listening:
            messages = await listening.at(3.5, 4.0)
            played.exchange.add_fault(fault)
            return [told(message) for message in [*messages, *await listening.at(5.0, 6.0, 7.0)]]

    with played.exchange:
        assert asyncio.run(main()) == SPOILED[Kind.LOST_LAST]


def test_what_was_planned_is_forgotten_when_faults_are_cleared() -> None:
    played = replay(StreamFault(kind=Kind.GAP, bar=2, times=9, symbol="BTC/USDT"), begin=3)

    async def main() -> list[Told]:
        async with listener(played) as listening:
            messages = await listening.at(3.5, 4.0)
            played.exchange.clear_faults()
            return [told(message) for message in [*messages, *await listening.at(5.0, 6.0, 7.0)]]

    with played.exchange:
        assert asyncio.run(main()) == GOOD


def newest_rows(client: Any) -> list[list[Any]]:
    return [list(row) for row in client.ohlcvs["BTC/USDT"]["1m"]]


async def watch(client: Any, played: Replay, *minutes: float) -> None:
    """Let ccxt watch while the clock goes on; ETH/USDT tells when all has come."""
    wanted = [["ETH/USDT", "1m"], ["BTC/USDT", "1m"]]
    watching = asyncio.ensure_future(client.watch_ohlcv_for_symbols(wanted))
    await subscribed(played)
    for minute in minutes:
        played.clock.minute = minute
        while newest_of(client, "ETH/USDT") < FIRST + int(minute) * MINUTE:
            await patiently(watching)
            watching = asyncio.ensure_future(client.watch_ohlcv_for_symbols(wanted))
    watching.cancel()


def newest_of(client: Any, symbol: str) -> int:
    rows = client.ohlcvs.get(symbol, {}).get("1m")
    return int(rows[-1][0]) if rows else 0


WATCHED: dict[StreamFaultKind, list[Any]] = {
    Kind.DUPLICATE: [3, 4, 5, 6, 7],
    Kind.OUT_OF_ORDER: [3, 4, 5, 6, 7],
    Kind.GAP: [3, 6, 7],
    Kind.LOST_LAST: [3, 4, 5, 6, 7],  # but the fourth is not what it should be
    Kind.NULLS: [3, 4, 5, 6, 7],
    Kind.ZERO_ROW: [3, 4, 5, 6, 7],
    Kind.OFF_GRID: [3, 4, 4 + 17 / 60, 5, 6, 7],
}


@pytest.mark.parametrize("kind", WATCHED)
def test_what_ccxt_makes_of_spoiled_pushes(kind: StreamFaultKind) -> None:
    played = replay(StreamFault(kind=kind, bar=1, symbol="BTC/USDT", times=2), begin=3)

    async def main() -> list[list[Any]]:
        async with client_of(played.exchange) as client:
            await watch(client, played, 3.5, 4, 5, 6, 7)
            return newest_rows(client)

    with played.exchange:
        rows = asyncio.run(main())
    assert [(row[0] - FIRST) / MINUTE for row in rows] == WATCHED[kind]
    fourth = [row[4] for row in rows if row[0] == FIRST + 4 * MINUTE]
    if kind is not Kind.GAP:
        right = kind in (Kind.DUPLICATE, Kind.OUT_OF_ORDER, Kind.OFF_GRID)
        assert (fourth == [BTC.close[4]]) is right


def test_a_malformed_message_makes_ccxt_deaf() -> None:
    played = replay(StreamFault(kind=Kind.MALFORMED, bar=1), begin=3)
    complaints = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, c: complaints.append(c))
        async with client_of(played.exchange) as client:
            watching = asyncio.ensure_future(watch(client, played, 3.5, 4.5, 5.0, 6.0))
            await until(lambda: bool(complaints))
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(watching, 0.5)

    with played.exchange:
        asyncio.run(main())
    assert "JSONDecodeError" in repr(complaints[0]["exception"])


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


def fetched(
    played: Replay, *minutes: float, bar: int, symbol: str = "BTC/USDT"
) -> list[list[float]]:
    """Return what REST says at each of the minutes of a bar, by ccxt."""

    async def main() -> list[list[float]]:
        rows = []
        async with client_of(played.exchange) as client:
            for played.clock.minute in minutes:
                page = await client.fetch_ohlcv(symbol, "1m", since=FIRST + bar * MINUTE, limit=1)
                rows += page
        return [row[1:] for row in rows]

    return asyncio.run(main())


def row_of(bar: int) -> list[float]:
    return [float(getattr(BTC, name)[bar]) for name in (*PRICES, "volume")]


@pytest.mark.parametrize("is_told", [True, False])
def test_a_revision_changes_a_closed_bar_and_is_told_or_not(is_told: bool) -> None:
    fault = StreamFault(
        kind=Kind.REVISION, bar=1, symbol="BTC/USDT", seconds=25, factor=1.1, told=is_told
    )
    played = replay(fault, begin=3)
    close = round(float(BTC.close[4]) * 1.1, 8)
    revised = [*row_of(4)[:1], close, row_of(4)[2], close, row_of(4)[4]]
    assert heard(played, 3.5, 4, 5, 5.5, 6) == [
        *GOOD[:5], (5, False), *([(4, True, close, close)] if is_told else []), *GOOD[5:7]
    ]  # fmt: skip
    played = replay(fault, begin=3)
    with played.exchange:
        assert fetched(played, 5.4, 5.5, bar=4) == [row_of(4), revised]
    truth = played.exchange.truth("BTC/USDT")
    assert [truth.close[4], truth.high[4]] == [close, close]
    assert np.delete(truth.close, 4).tolist() == np.delete(BTC.close, 4).tolist()


def test_rest_shows_a_closed_bar_unfinished_for_a_while() -> None:
    fault = StreamFault(kind=Kind.STALE_REST, bar=1, symbol="BTC/USDT", seconds=30)
    played = replay(fault, begin=3)
    with played.exchange:
        *stale, good = fetched(played, 4.9, 5.0, 5.4, 5.5, bar=4)
        assert stale[0] == stale[1] == stale[2] != row_of(4)
        assert good == row_of(4)
        other = fetched(played, 5.1, bar=4, symbol="ETH/USDT")
        assert other == [[float(getattr(ETH, name)[4]) for name in (*PRICES, "volume")]]
    assert heard(replay(fault, begin=3), *CLOSES) == GOOD


@pytest.mark.parametrize("seconds", [None, 120.0])
def test_a_halted_symbol_is_listed_as_such_and_silent(seconds: float | None) -> None:
    fault = StreamFault(kind=Kind.HALT, bar=1, symbol="BTC/USDT", seconds=seconds)
    played = replay(fault, begin=3)
    resumed = [] if seconds is None else GOOD[6:]
    assert heard(played, *CLOSES) == [*GOOD[:2], *resumed]

    async def main() -> tuple[Any, Any]:
        async with client_of(played.exchange) as client:
            rows = await client.fetch_ohlcv("BTC/USDT", "1m", limit=4)
            return client.market("BTC/USDT")["active"], [(r[0] - FIRST) // MINUTE for r in rows]

    played = replay(fault, begin=3)
    with played.exchange:
        played.clock.minute = 4.6
        assert asyncio.run(main()) == (False, [0, 1, 2, 3])
        played.clock.minute = 7.6
        later = [0, 1, 2, 3] if seconds is None else [2, 3, 6, 7]
        assert asyncio.run(main()) == (seconds is not None, later)
    assert len(played.exchange.truth("BTC/USDT")) == (4 if seconds is None else 40)
    assert int(played.exchange.truth("BTC/USDT").filled.sum()) == (0 if seconds is None else 2)


def test_under_maintenance_everything_is_refused_until_it_ends() -> None:
    played = replay(StreamFault(kind=Kind.MAINTENANCE, bar=1, part=0.0, seconds=60), begin=3)

    async def main() -> None:
        async with client_of(played.exchange) as client:
            played.clock.minute = 4.0
            with pytest.raises(ccxt.BadRequest, match="-1016"):
                await client.fetch_ohlcv("BTC/USDT", "1m")
            with pytest.raises(ccxt.NetworkError, match="503"):
                await patiently(client.watch_ohlcv("BTC/USDT", "1m"))
            played.clock.minute = 5.0
            assert len(await client.fetch_ohlcv("BTC/USDT", "1m")) == 6

    with played.exchange:
        asyncio.run(main())
    faults = [(asked.path, asked.fault) for asked in played.exchange.requests]
    assert faults[1:] == [
        ("klines", FaultKind.MAINTENANCE), ("stream", Kind.MAINTENANCE), ("klines", None)
    ]  # fmt: skip


@pytest.mark.parametrize("seconds", [90.0, -90.0])
def test_the_exchange_tells_another_time_than_it_keeps(seconds: float) -> None:
    fault = StreamFault(kind=Kind.CLOCK, bar=1, part=0.0, seconds=seconds)
    played = replay(fault, begin=3)

    async def main() -> list[float]:
        async with client_of(played.exchange) as client, listener(played) as listening:
            before = await client.fetch_time()
            messages = await listening.at(4.0)
            return [before, await client.fetch_time(), messages[-1]["E"], messages[-1]["k"]["t"]]

    with played.exchange:
        told_times = asyncio.run(main())
    after = FIRST + 4 * MINUTE + seconds * 1000
    assert told_times == [FIRST + 3 * MINUTE, after, after, FIRST + 4 * MINUTE]


@pytest.mark.parametrize(
    "wrong", [{"bar": -1}, {"part": 1.0}, {"times": 0}, {"seconds": 0.0}, {"factor": np.nan}]
)
def test_a_fault_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} of a stream's fault"):
        StreamFault(kind=Kind.STALL, **wrong)


def test_a_fault_of_a_symbol_that_is_not_there_is_refused() -> None:
    with pytest.raises(UnknownMarketError, match="found FOO/USDT"):
        replay().exchange.add_fault(StreamFault(kind=Kind.GAP, symbol="FOO/USDT"))
    with pytest.raises(UnknownMarketError, match="one of 1m, found 5m"):
        replay().exchange.truth("BTC/USDT", Timeframe.parse("5m"))


def test_faults_of_both_kinds_are_told_apart() -> None:
    played = replay(StreamFault(kind=Kind.GAP, bar=1, symbol="BTC/USDT", times=2), begin=3)
    played.exchange.add_fault(Fault(FaultKind.EMPTY, times=1))
    with played.exchange:
        assert fetched(played, 5.0, bar=4) == []
    played.clock.minute = 3
    assert heard(played, *CLOSES) == SPOILED[Kind.GAP]


def test_every_kind_is_tried_here() -> None:
    alone = {Kind.STALL, Kind.BLACK_HOLE, Kind.REFUSED, Kind.REVISION, Kind.STALE_REST, Kind.HALT}
    assert {*SPOILED, *BROKEN, *alone, Kind.CLOCK} == set(Kind)
