"""What faults make of a market and of its time; and faults that cannot be."""

import asyncio
from typing import Any

import ccxt
import numpy as np
import pytest

from feeds.bars import PRICES
from feeds.errors import UnknownMarketError
from feeds.standin.faults import Fault, FaultKind
from feeds.standin.pushes import SPOILERS
from feeds.standin.stream_faults import ON_CONNECTIONS, StreamFault, StreamFaultKind
from feeds.timeframe import Timeframe
from tests.feeds.standin.listener import (
    BTC,
    ETH,
    FIRST,
    MINUTE,
    Replay,
    client_of,
    listener,
    patiently,
    replay,
)
from tests.feeds.standin.told import CLOSES, GOOD, heard

Kind = StreamFaultKind


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
    gap = StreamFault(kind=Kind.GAP, bar=1, symbol="BTC/USDT", times=2)
    played = replay(gap, begin=3)
    played.exchange.add_fault(Fault(FaultKind.EMPTY, times=1))
    with played.exchange:
        assert fetched(played, 5.0, bar=4) == []
    played.clock.minute = 3
    assert heard(played, *CLOSES) == [*GOOD[:2], *GOOD[6:]]


def test_every_kind_is_tried_here_or_with_connections_or_pushes() -> None:
    here = {Kind.REFUSED, Kind.REVISION, Kind.STALE_REST, Kind.HALT, Kind.CLOCK}
    at_a_feed = {Kind.OLD_AGE}  # tests/feeds/live/test_reconnecting.py: it takes a clock's seconds
    assert here | at_a_feed | ON_CONNECTIONS | SPOILERS.keys() == set(Kind)
