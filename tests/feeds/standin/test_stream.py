"""What is pushed, when; to a plain listener, and to ccxt.pro."""

import asyncio
import gc
import threading
import time
from datetime import timedelta
from itertools import groupby
from typing import Any

import numpy as np
import pytest

from feeds.bars import PRICES, Bars
from feeds.clock import ReplayClock
from feeds.standin.connection import MOST_WAITING
from feeds.standin.server import StandIn
from tests.feeds.standin.listener import (
    BTC,
    ETH,
    FIRST,
    MINUTE,
    NEW_YEAR,
    Listener,
    client_of,
    listener,
    patiently,
    replay,
)
from tests.makers import candles, make_bars, with_hole


def brief(message: Any) -> tuple[int, bool]:
    """Return which bar a push is of, and whether it is closed."""
    return (message["k"]["t"] - FIRST) // MINUTE, message["k"]["x"]


def values(message: Any) -> list[float]:
    return [float(message["k"][name]) for name in "ohlcv"]


def recorded(bars: Bars, i: int) -> list[float]:
    return [float(getattr(bars, name)[i]) for name in (*PRICES, "volume")]


def test_a_bar_is_pushed_while_it_forms_when_it_closes_and_the_next_opens_at_once() -> None:
    async def heard() -> list[Any]:
        async with listener(played) as listening:
            return await listening.at(10.5, 11, 11.6, 12)

    played = replay(begin=10)
    with played.exchange:
        messages = asyncio.run(heard())
    assert [brief(message) for message in messages] == [
        (10, False), (10, True), (11, False), (11, False), (11, True), (12, False)
    ]  # fmt: skip
    assert values(messages[1]) == recorded(BTC, 10)
    assert values(messages[4]) == recorded(BTC, 11)
    assert values(messages[0]) != recorded(BTC, 10)
    assert [message["E"] for message in messages[:2]] == [FIRST + 630_000, FIRST + 660_000]
    assert (
        messages[1]["k"] | {"i": "1m", "s": "BTCUSDT", "T": FIRST + 11 * MINUTE - 1}
        == (messages[1]["k"])
    )


def test_who_was_late_is_told_every_last_word_in_order() -> None:
    async def heard() -> list[Any]:
        async with listener(played) as listening:
            await listening.at(3.5)
            return await listening.at(9.25)

    played = replay(begin=3)
    with played.exchange:
        messages = asyncio.run(heard())
    assert [brief(m) for m in messages] == [*((i, True) for i in range(3, 9)), (9, False)]
    assert [values(m) for m in messages[:-1]] == [recorded(BTC, i) for i in range(3, 9)]


def test_nothing_is_pushed_of_bars_that_nobody_recorded() -> None:
    flat = (10.0, 10.0, 10.0, 10.0)
    filled = candles([(9.0, 11.0, 8.0, 10.0), flat, (10.0, 12.0, 9.0, 11.0)], filled=[1])
    assert stream_of(filled, 5) == [(0, False), (0, True), (10, False), (10, True)]
    hole = with_hole(make_bars(8), at=2, missing=3)
    opened = [0, 1, 5, 6]
    assert stream_of(hole, 5)[:8] == [(5 * i, closed) for i in opened for closed in (False, True)]


def stream_of(bars: Bars, step: int) -> list[tuple[int, bool]]:
    """Return what is pushed of 5-minute bars, looked at each half and each close."""

    async def heard() -> list[Any]:
        async with listener(played, "btcusdt@kline_5m") as listening:
            return await listening.at(*np.arange(0.5 * step, 8 * step, 0.5 * step).tolist())

    played = replay()
    played.exchange = StandIn([bars, ETH], clock=played.clock, push_every=0.5 * step * 60)
    with played.exchange:
        messages = asyncio.run(heard())
    told = [brief(message) for message in messages]
    return [one for one, _ in groupby(told)]


def test_streams_are_subscribed_to_and_left_on_each_connection_by_itself() -> None:
    async def heard() -> Any:
        async with listener(played) as first, listener(played, "nothing@trade") as second:
            before = await second.at(1.5)
            assert await first.at(1.5) != before == []
            assert (await second.ask("LIST_SUBSCRIPTIONS"))["result"] == [
                "ethusdt@kline_1m", "nothing@trade"
            ]  # fmt: skip
            await first.ask("UNSUBSCRIBE", "btcusdt@kline_1m")
            await second.ask("SUBSCRIBE", "btcusdt@kline_1m", "btcusdt@kline_7m")
            return [await second.at(2.5), await first.at(2.5)]

    played = replay(begin=1)
    with played.exchange:
        now, before = asyncio.run(heard())
    assert [brief(message) for message in now] == [(1, True), (2, False)]
    assert before == []


@pytest.mark.parametrize(
    ("said", "code"),
    [("{", 3), ("[]", 3), ("{}", 3), ('{"method": "JUMP", "id": 2}', 2)],
)
def test_what_is_no_request_is_refused(said: str, code: int) -> None:
    async def answer() -> Any:
        async with listener(played) as listening:
            await listening._socket.send_str(said)
            return await listening.next()

    played = replay()
    with played.exchange:
        assert asyncio.run(answer())["error"]["code"] == code


def test_the_clock_of_a_replay_starts_with_the_first_subscription() -> None:
    clock = ReplayClock(NEW_YEAR, speed=600)

    async def wait_and_subscribe() -> None:
        async with client_of(exchange) as client:
            await asyncio.sleep(0.2)
            assert clock.now() == NEW_YEAR
            await patiently(client.watch_ohlcv("BTC/USDT", "1m"))

    with StandIn([BTC], clock=clock) as exchange:
        asyncio.run(wait_and_subscribe())
    assert clock.now() > NEW_YEAR


@pytest.mark.parametrize(("speed", "begin"), [(300, 0), (600, 0), (600, 13)])
def test_ccxt_pro_sees_every_bar_as_it_was_recorded(speed: float, begin: int) -> None:
    closed: list[list[float]] = []

    async def watch(client: Any) -> None:
        newest: list[float] = []
        while len(closed) < 8:
            for row in map(list, await patiently(client.watch_ohlcv("BTC/USDT", "1m"))):
                if newest and row[0] > newest[0]:
                    closed.append(newest)
                newest = row

    async def main() -> None:
        async with client_of(exchange) as client:
            await watch(client)

    clock = ReplayClock(NEW_YEAR + timedelta(minutes=begin), speed)
    with StandIn([BTC], clock=clock) as exchange:
        asyncio.run(main())
    expected = [[FIRST + i * MINUTE, *recorded(BTC, i)] for i in range(begin, begin + 8)]
    assert closed == expected


def test_a_hundred_symbols_cost_a_fraction_of_a_core() -> None:
    markets = [make_bars(20, i, timeframe="1m", symbol=f"C{i}/USDT") for i in range(100)]

    async def main() -> float:
        async with client_of(exchange) as client:
            wanted = [[bars.symbol, "1m"] for bars in markets]
            await patiently(client.watch_ohlcv_for_symbols(wanted))
            started, real = time.process_time(), time.monotonic()
            while len(client.ohlcvs) < 100 or newest_of_all(client) < FIRST + 4 * MINUTE:
                await patiently(client.watch_ohlcv_for_symbols(wanted))
            share = (time.process_time() - started) / (time.monotonic() - real)
            for bars in markets:
                assert [row[1:] for row in client.ohlcvs[bars.symbol]["1m"][1:4]] == [
                    recorded(bars, i) for i in (1, 2, 3)
                ]
            return share

    clock = ReplayClock(NEW_YEAR, speed=180)
    with StandIn(markets, clock=clock, push_every=20.0) as exchange:
        share = asyncio.run(main())
    assert share < 0.7  # of one core, the client's part included; measured 0.08


def newest_of_all(client: Any) -> int:
    """Return the newest bar that the client has of every symbol."""
    return int(min(frames["1m"][-1][0] for frames in client.ohlcvs.values()))


def test_who_reads_too_slowly_is_disconnected_and_holds_up_nobody() -> None:
    played = replay()
    markets = [make_bars(MOST_WAITING + 500, timeframe="1m"), ETH]
    played.exchange = StandIn(markets, clock=played.clock)

    async def main() -> None:
        async with listener(played) as slow, listener(played, "nothing@trade") as other:
            played.clock.minute = MOST_WAITING + 400
            with pytest.raises(AssertionError, match="CLOS"):
                await read_on(slow)  # all is pushed at once, and that is too much
            assert (await other.ask("LIST_SUBSCRIPTIONS"))["k"]["s"] == "ETHUSDT"

    with played.exchange:
        asyncio.run(main())


async def read_on(listening: Listener) -> None:
    while True:
        await listening.next()


def test_the_end_of_the_block_leaves_nothing_behind_though_somebody_listens() -> None:
    async def main() -> None:
        async with client_of(exchange) as client:
            await patiently(client.watch_ohlcv("BTC/USDT", "1m"))
            watching = asyncio.ensure_future(client.watch_trades("BTC/USDT"))
            await asyncio.sleep(0.1)
            exchange.__exit__(None, None, None)
            with pytest.raises(Exception, match="losed"):
                await patiently(watching)

    before = threading.active_count()
    exchange = StandIn([BTC], clock=ReplayClock(NEW_YEAR, 60))
    exchange.__enter__()
    asyncio.run(main())
    assert threading.active_count() == before
    gc.collect()  # a socket that was left open would warn, and warnings are errors
