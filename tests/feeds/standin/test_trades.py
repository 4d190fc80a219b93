"""Recorded trades: the bars that they make, and what the stream and REST tell of them."""

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds.bars import PRICES
from feeds.clock import ReplayClock
from feeds.errors import BadBarsError, BadFileError
from feeds.standin.server import StandIn
from feeds.standin.stream_faults import StreamFault, StreamFaultKind
from feeds.standin.trade_files import holds_trades, read_trades
from feeds.standin.trades import RecordedTrades
from feeds.timeframe import Timeframe
from tests.feeds.standin.listener import (
    ETH,
    FIRST,
    MINUTE,
    HandClock,
    Replay,
    client_of,
    listener,
    patiently,
    subscribed,
)

ONE = Timeframe.parse("1m")


def trades_at(*seconds: float, symbol: str = "PEPE/USDT") -> RecordedTrades:
    """Return trades at these seconds, each a tick dearer than the one before."""
    count = np.arange(len(seconds))
    return RecordedTrades(
        symbol,
        time=(FIRST + np.array(seconds) * 1000).astype("datetime64[ms]"),
        price=100.0 + count.astype(np.float64),
        units=1.0 + count / 2,
        buyer_is_maker=count % 2 == 0,
    )


# Three in the first minute, one in the third, two in the fourth.
TRADES = trades_at(5, 20, 50, 130, 190, 200)


def test_trades_make_bars_and_minutes_without_any_are_filled() -> None:
    bars = TRADES.bars(ONE)
    assert bars.filled.tolist() == [False, True, False, False]
    assert bars.open.tolist() == [100, 102, 103, 104]
    assert bars.high.tolist() == [102, 102, 103, 105]
    assert bars.low.tolist() == [100, 102, 103, 104]
    assert bars.close.tolist() == [102, 102, 103, 105]
    assert bars.volume.tolist() == [4.5, 0.0, 2.5, 6.5]
    assert trades_at().bars(ONE).close.tolist() == []


@given(st.lists(st.tuples(st.floats(0, 900), st.floats(0.5, 2.0)), min_size=1, max_size=40))
def test_every_trade_is_in_the_bar_of_its_minute(rows: list[tuple[float, float]]) -> None:
    rows = sorted(rows, key=lambda row: row[0])
    seconds, price = np.array(rows, np.float64).T
    time = (FIRST + seconds * 1000).astype("datetime64[ms]")
    trades = RecordedTrades("AA/BTC", time, price, price, price > 1)
    bars = trades.bars(ONE, fill_limit=20)
    for opened, values in zip(bars.time[~bars.filled], rows_of(bars), strict=True):
        inside = price[(time >= opened) & (time < opened + ONE.delta)]
        expected = [inside[0], inside.max(), inside.min(), inside[-1], inside.sum()]
        assert values == pytest.approx(expected)
    assert bars.volume.sum() == pytest.approx(price.sum())


def rows_of(bars: Any) -> list[list[float]]:
    columns = [getattr(bars, name)[~bars.filled] for name in (*PRICES, "volume")]
    return np.column_stack(columns).tolist()  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"price": [1.0]}, "equally long columns"),
        ({"price": [1.0, 0.0]}, "price of a trade must be a finite number above 0"),
        ({"units": [np.nan, 1.0]}, "units of a trade"),
        ({"time": ["2024-01-02", "2024-01-01"]}, "in the order of their times"),
    ],
)
def test_trades_that_cannot_be_are_refused(wrong: dict[str, Any], message: str) -> None:
    columns: dict[str, Any] = {
        "time": ["2024-01-01", "2024-01-02"],
        "price": [1.0, 1.0],
        "units": [1.0, 1.0],
        "buyer_is_maker": [True, False],
    }
    with pytest.raises(BadBarsError, match=message):
        RecordedTrades("AA/BTC", **{**columns, **wrong})


def replay_of_trades(begin: float = 0, *faults: StreamFault) -> Replay:
    clock = HandClock(begin)
    markets = [TRADES.bars(ONE), ETH]  # ETH/USDT is pushed last, and so tells the end
    exchange = StandIn(markets, trades=[TRADES], clock=clock, faults=faults, push_every=30)
    return Replay(exchange, clock)


STREAMS = ("pepeusdt@trade", "pepeusdt@kline_1m")


def told(message: Any) -> tuple[Any, ...]:
    """Return what is said: of a trade its number, of a bar its minute, close, volume, closed."""
    if message["e"] == "trade":
        return (message["t"],)
    k = message["k"]
    return (k["t"] - FIRST) // MINUTE, float(k["c"]), float(k["v"]), k["x"]


def test_trades_are_told_one_by_one_and_bars_form_by_them() -> None:
    played = replay_of_trades()

    async def main() -> list[tuple[Any, ...]]:
        async with listener(played, *STREAMS) as listening:
            return [told(message) for message in await listening.at(0.5, 1.0, 2.0, 3.0, 3.5)]

    with played.exchange:
        assert asyncio.run(main()) == [
            (0,), (1,), (0, 101.0, 2.5, False), (2,), (0, 102.0, 4.5, True),
            (3,), (2, 103.0, 2.5, True),
            (4,), (5,), (3, 105.0, 6.5, False),
        ]  # fmt: skip


def test_a_trade_is_told_as_it_was() -> None:
    played = replay_of_trades(begin=1)

    async def main() -> Any:
        async with listener(played, "pepeusdt@trade") as listening:
            return (await listening.at(2.5))[0]

    with played.exchange:
        assert asyncio.run(main()) == {
            "e": "trade", "E": FIRST + 150_000, "s": "PEPEUSDT", "t": 3, "p": "103", "q": "2.5",
            "T": FIRST + 130_000, "m": False, "M": True,
        }  # fmt: skip


def test_a_halt_silences_the_trades_too() -> None:
    fault = StreamFault(kind=StreamFaultKind.HALT, bar=2, symbol="PEPE/USDT", seconds=60)
    played = replay_of_trades(0, fault)

    async def main() -> list[tuple[Any, ...]]:
        async with listener(played, "pepeusdt@trade") as listening:
            return [told(message) for message in await listening.at(1.0, 3.0, 3.5)]

    with played.exchange:
        assert asyncio.run(main()) == [(0,), (1,), (2,), (3,), (4,)]
    assert len(played.exchange.truth("PEPE/USDT")) == 4
    assert played.exchange.truth("PEPE/USDT").filled.tolist() == [False, True, True, False]


def test_where_no_trades_are_recorded_their_stream_is_silent() -> None:
    played = replay_of_trades()

    async def main() -> Any:
        async with listener(played, "ethusdt@trade") as listening:
            return await listening.at(0.5, 1.0, 2.0)

    with played.exchange:
        assert asyncio.run(main()) == []


def test_ccxt_fetches_what_has_been_traded_by_now() -> None:
    played = replay_of_trades(begin=3.2)

    async def main() -> Any:
        async with client_of(played.exchange) as client:
            newest = await client.fetch_trades("PEPE/USDT", limit=2)
            since = await client.fetch_trades("PEPE/USDT", since=FIRST + 20_000, limit=2)
            none = await client.fetch_trades("ETH/USDT")
            return newest, since, none

    with played.exchange:
        newest, since, none = asyncio.run(main())
    assert [[trade["id"] for trade in page] for page in (newest, since)] == [["3", "4"], ["1", "2"]]
    assert none == []
    first = since[0]
    assert (first["price"], first["amount"], first["side"]) == (101.0, 1.5, "buy")


def test_ccxt_fetches_a_ticker_and_a_book_around_the_last_price() -> None:
    played = replay_of_trades(begin=3.2)

    async def main() -> tuple[Any, Any, Any]:
        async with client_of(played.exchange) as client:
            return (
                await client.fetch_ticker("PEPE/USDT"),
                await client.fetch_order_book("PEPE/USDT", 3),
                await client.fetch_order_book("ETH/USDT", 5),
            )

    with played.exchange:
        ticker, book, other = asyncio.run(main())
    assert (ticker["open"], ticker["high"], ticker["low"], ticker["last"]) == (100, 104, 100, 104)
    assert ticker["baseVolume"] == 4.5 + 2.5 + 3.0
    assert ticker["timestamp"] == FIRST + 192_000
    assert book["bids"] == [[104, 1], [103, 1], [102, 1]]
    assert book["asks"] == [[105, 1], [106, 1], [107, 1]]
    assert other["bids"][0][0] < other["asks"][0][0]
    assert [len(other[side]) for side in ("bids", "asks")] == [5, 5]


def test_a_bar_begins_with_its_first_trade() -> None:
    played = replay_of_trades()

    async def main(client: Any) -> list[list[float]]:
        pages = []
        for played.clock.minute in (0.05, 0.1, 2.0, 2.2):
            pages.append(await client.fetch_ohlcv("PEPE/USDT", "1m"))
        return [[row[5] for row in page] for page in pages]

    async def connected() -> list[list[float]]:
        async with client_of(played.exchange) as client:
            return await main(client)

    with played.exchange:
        assert asyncio.run(connected()) == [[], [1.0], [4.5], [4.5, 2.5]]


def test_before_the_first_trade_there_is_no_price() -> None:
    late = trades_at(605, 610)
    exchange = StandIn([], trades=[late], clock=HandClock(1))

    async def main() -> tuple[Any, Any, Any]:
        async with client_of(exchange) as client:
            return (
                (await client.fetch_ticker("PEPE/USDT"))["last"],
                (await client.fetch_order_book("PEPE/USDT"))["bids"],
                await client.fetch_ohlcv("PEPE/USDT", "1m"),
            )

    with exchange:
        assert asyncio.run(main()) == (None, [], [])


def test_trades_are_read_from_a_file(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {
            "timestamp": pd.DatetimeIndex(TRADES.time, tz="UTC"),
            "price": TRADES.price,
            "qty": TRADES.units,
            "is_buyer_maker": TRADES.buyer_is_maker,
        }
    )
    path, nameless = tmp_path / "binance_PEPE-USDT_trades.parquet", tmp_path / "some.parquet"
    table.to_parquet(path)
    table.to_parquet(nameless)
    assert holds_trades(path)
    for read in (read_trades(path), read_trades(nameless, symbol="PEPE/USDT")):
        assert read.symbol == "PEPE/USDT"
        for name in ("time", "price", "units", "buyer_is_maker"):
            assert getattr(read, name).tolist() == getattr(TRADES, name).tolist()
    with pytest.raises(BadFileError, match=r"some.parquet: its name must say whose trades"):
        read_trades(nameless)
    table.drop(columns="qty").to_parquet(path)
    assert not holds_trades(path)
    with pytest.raises(BadFileError, match="missing qty"):
        read_trades(path)
    table[:0].to_parquet(path)
    with pytest.raises(BadFileError, match="no rows"):
        read_trades(path)
    table.assign(price=-1.0).to_parquet(path)
    with pytest.raises(BadFileError, match="price of a trade"):
        read_trades(path)
    path.write_text("no parquet")
    assert not holds_trades(path)
    with pytest.raises(BadFileError, match="cannot be read as parquet"):
        read_trades(path)
    with pytest.raises(BadFileError, match="no such file"):
        read_trades(tmp_path / "A-USDT.parquet")


@pytest.mark.real_data
def test_a_day_of_real_trades_reaches_ccxt_whole_and_in_order(real_bars_dir: Path) -> None:
    trades = read_trades(real_bars_dir / "binance_PEPE-USDT_aggtrades_20241027.parquet")
    noon = trades.time[0].astype("datetime64[D]") + np.timedelta64(12, "h")
    clock = ReplayClock(pd.Timestamp(noon, tz="UTC").to_pydatetime(), speed=600)
    seen: list[Any] = []

    async def main() -> list[list[float]]:
        async with client_of(exchange) as client:
            watching = asyncio.ensure_future(client.watch_ohlcv("PEPE/USDT", "1m"))
            await subscribed(Replay(exchange, HandClock()))
            while len(seen) < 400:
                seen.extend(await patiently(client.watch_trades("PEPE/USDT")))
            await patiently(watching)
            return [list(row) for row in client.ohlcvs["PEPE/USDT"]["1m"]]

    with StandIn([], trades=[trades], clock=clock) as exchange:
        rows = asyncio.run(main())
    first = int(seen[0]["id"])
    assert trades.ms[first] >= noon.astype("datetime64[ms]").astype(np.int64)
    assert [int(trade["id"]) for trade in seen] == list(range(first, first + len(seen)))
    for name, column in (("price", trades.price), ("amount", trades.units)):
        assert [t[name] for t in seen] == column[first : first + len(seen)].tolist()
    bars = trades.bars(ONE)
    recorded = {int(t): i for i, t in enumerate(bars.time.astype(np.int64)) if not bars.filled[i]}
    for row in rows[:-1]:
        i = recorded[int(row[0])]
        assert row[1:] == [float(getattr(bars, name)[i]) for name in (*PRICES, "volume")]
