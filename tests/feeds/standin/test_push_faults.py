"""What becomes of pushes that faults spoil, to a listener and to ccxt.pro."""

import asyncio
from typing import Any

import pytest

from feeds.standin.pushes import SPOILERS
from feeds.standin.stream_faults import StreamFault, StreamFaultKind
from tests.feeds.standin.listener import (
    BTC,
    FIRST,
    MINUTE,
    Replay,
    client_of,
    listener,
    patiently,
    replay,
    subscribed,
    until,
)
from tests.feeds.standin.told import CLOSES, GOOD, Told, heard, told

Kind = StreamFaultKind
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


def test_every_kind_is_tried_here() -> None:
    assert set(SPOILED) == set(SPOILERS)
    assert SPOILED.keys() >= WATCHED.keys()
