"""The pieces of a live feed that need no exchange: its candles and its tapes."""

from typing import Any

import numpy as np
import pytest

from feeds.errors import BadSymbolError, ExchangeError
from feeds.live.candles import CandleCache, Folding, Trade, TradeCache
from feeds.live.client import Client
from feeds.live.rows import Row
from feeds.live.spec import LiveSpec
from feeds.live.tapes import Tapes
from feeds.timeframe import Timeframe

STEP = 60_000
BTC = "BTC/USDT"
SPEC = LiveSpec(exchange="binance", symbols=(BTC,), timeframe=Timeframe.parse("1m"), warmup_bars=10)


def test_rows_that_change_in_place_are_copied_and_told_once() -> None:
    cache, rows = CandleCache(), [[STEP, 1.0, 1.0, 1.0, 1.0, 5.0]]
    ((first, known),) = cache.news(rows)
    assert not known
    rows[0][5] = 6.0
    assert first[5] == 5.0
    ((second, known),) = cache.news(rows)
    assert second[5] == 6.0
    assert known
    assert list(cache.news(rows)) == []


def raw(time: int, price: float = 1.0, units: float | None = 1.0) -> dict[str, Any]:
    return {"timestamp": time, "price": price, "amount": units}


def test_trades_are_told_once_and_missing_ones_are_noticed() -> None:
    cache, trades = TradeCache(), [raw(1), raw(2)]
    assert cache.news(trades) == ([Trade(1, 1.0, 1.0), Trade(2, 1.0, 1.0)], False)
    trades.append(raw(3))
    assert cache.news(trades) == ([Trade(3, 1.0, 1.0)], True)
    assert cache.news(trades) == ([], True)
    assert cache.news([raw(9)])[1] is False  # what came between has been dropped
    assert cache.news([raw(9), raw(9, price=-1.0), {"price": None}])[0][1:] == []


def test_the_candle_that_was_joined_late_is_left_out() -> None:
    folding = Folding(STEP)
    assert folding.add([Trade(STEP + 1, 5.0, 1.0)]) == []
    rows = folding.add([Trade(2 * STEP, 6.0, 1.0), Trade(2 * STEP + 1, 4.0, 2.0)])
    assert rows == [Row(2 * STEP, 6.0, 6.0, 4.0, 4.0, 3.0)]
    folding.forget()
    assert folding.add([Trade(2 * STEP + 2, 5.0, 1.0)]) == []


def test_a_candle_that_is_followed_by_earlier_trades_is_not_told_any_more() -> None:
    """One trade was stamped wrongly, or the others come late: either way REST knows better."""
    folding = Folding(STEP)
    folding.add([Trade(STEP, 5.0, 1.0), Trade(2 * STEP, 5.0, 1.0), Trade(4 * STEP, 9.0, 1.0)])
    assert folding.add([Trade(2 * STEP + 1, 5.0, 1.0)]) == []
    assert folding.add([Trade(4 * STEP + 1, 5.0, 1.0)]) == []
    assert folding.add([Trade(5 * STEP, 5.0, 1.0)]) == [Row.flat(5 * STEP, 5.0, 1.0)]


def tapes() -> Tapes:
    kept = Tapes(late=1_000)
    kept.want([BTC])
    kept.add(BTC, [Trade(STEP - 1, 1.0, 1.0)], whole=False)
    kept.add(BTC, [Trade(STEP + 5, 2.0, 1.5), Trade(2 * STEP - 1, 3.0, 0.5)], whole=True)
    return kept


def test_a_tape_is_cut_at_the_close() -> None:
    kept = tapes()
    kept.add(BTC, [Trade(2 * STEP, 4.0, 1.0)], whole=True)
    tape = kept.take(STEP, 2 * STEP, {BTC: 2.0})[BTC]
    assert tape.since == np.datetime64(STEP, "ms")
    assert tape.price.tolist() == [2.0, 3.0]
    assert kept.take(2 * STEP, 3 * STEP, {BTC: 1.0})[BTC].price.tolist() == [4.0]


def test_a_tape_begins_after_the_first_trade_that_was_seen() -> None:
    tape = tapes().take(0, STEP, {BTC: 7.0})[BTC]
    assert tape.since is None  # nothing after its first millisecond
    kept = Tapes()
    kept.want([BTC])
    kept.add(BTC, [Trade(STEP + 5, 2.0, 1.0)], whole=False)
    assert kept.take(STEP, 2 * STEP, {BTC: 9.0})[BTC].since == np.datetime64(STEP + 6, "ms")


def test_trades_that_do_not_add_up_to_the_bar_are_not_all() -> None:
    assert tapes().take(STEP, 2 * STEP, {BTC: 2.5})[BTC].since is None


def test_a_break_and_a_trade_that_is_too_late_end_a_tape() -> None:
    broken = tapes()
    broken.lose(BTC)
    assert broken.take(STEP, 2 * STEP, {BTC: 2.0})[BTC].since is None
    late = tapes()
    late.take(STEP, 2 * STEP, {BTC: 2.0})
    late.add(BTC, [Trade(2 * STEP - 1, 9.0, 1.0)], whole=True)
    assert late.take(2 * STEP, 3 * STEP, {BTC: 0.0})[BTC].since is None


def test_a_moment_waits_for_the_trades_before_it_but_not_for_long() -> None:
    kept = tapes()
    assert not kept.has_passed(2 * STEP, now=2 * STEP + 999)
    assert kept.has_passed(2 * STEP, now=2 * STEP + 1_000)
    kept.add(BTC, [Trade(2 * STEP, 4.0, 1.0)], whole=True)
    assert kept.has_passed(2 * STEP, now=2 * STEP)
    assert Tapes().has_passed(2 * STEP, now=2 * STEP)


@pytest.mark.parametrize("symbols", [(), (BTC, BTC), tuple(f"A{i}/USDT" for i in range(101))])
def test_a_feed_takes_one_to_a_hundred_different_symbols(symbols: tuple[str, ...]) -> None:
    with pytest.raises(BadSymbolError, match="1 to 100 different symbols"):
        LiveSpec(
            exchange="binance", symbols=symbols, timeframe=Timeframe.parse("1m"), warmup_bars=1
        )


def test_the_address_of_a_stream_must_be_one_that_can_stand_for_it() -> None:
    def of(exchange: str, url: str) -> Client:
        spec = LiveSpec(
            exchange=exchange,
            symbols=(BTC,),
            timeframe=SPEC.timeframe,
            warmup_bars=1,
            stream_url=url,
        )
        return Client(spec, unhurried=True)

    with pytest.raises(ExchangeError, match="must begin with ws:// or wss://"):
        of("binance", "http://127.0.0.1:9/stream")
    assert (
        of("binance", "ws://127.0.0.1:9/stream/").raw.urls["api"]["ws"]["spot"].endswith("/stream")
    )
    assert of("coinbase", "ws://127.0.0.1:9").raw.urls["api"]["ws"] == "ws://127.0.0.1:9"
