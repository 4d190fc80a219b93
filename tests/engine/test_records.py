"""Fills become trades: flat to flat, long and short, in parts and turned around."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.records import Fill, TradeBook, trades_of

START = np.datetime64("2024-01-01", "ms")


def fill(bar: int, units: float, price: float, symbol: str = "BTC/USDT", fee: float = 1.0) -> Fill:
    at = START + bar * np.timedelta64(300_000, "ms")
    return Fill(
        symbol=symbol,
        units=units,
        price=price,
        aimed_price=price,
        fee=fee,
        decided_at=at - np.timedelta64(300_000, "ms"),
        filled_at=at,
        bar=bar,
        reason=f"reason {bar}",
    )


def test_a_long_trade() -> None:
    (trade,) = trades_of([fill(1, 2.0, 100.0), fill(4, -2.0, 110.0)])
    assert (trade.units, trade.entry_price, trade.exit_price) == (2.0, 100.0, 110.0)
    assert (trade.pnl, trade.fees, trade.bars_held) == (18.0, 2.0, 3)
    assert trade.return_fraction == 0.09
    assert (trade.decided_at, trade.opened_at) == (START, START + np.timedelta64(5, "m"))
    assert (trade.closed_at, trade.exit_reason) == (START + np.timedelta64(20, "m"), "reason 4")


def test_a_short_trade_has_units_below_zero_and_gains_when_the_price_falls() -> None:
    (trade,) = trades_of([fill(1, -2.0, 100.0), fill(2, 2.0, 90.0)])
    assert (trade.units, trade.pnl) == (-2.0, 18.0)
    assert trade.return_fraction == 0.09


def test_parts_are_averaged_into_one_trade() -> None:
    fills = [fill(1, 1, 100.0), fill(2, 3, 104.0), fill(3, -2, 110.0), fill(4, -2, 100.0)]
    (trade,) = trades_of(fills)
    assert (trade.units, trade.entry_price, trade.exit_price) == (4, 103.0, 105.0)
    assert (trade.pnl, trade.fees) == (4.0, 4.0)


def test_a_fill_that_turns_a_position_around_ends_one_trade_and_begins_the_next() -> None:
    long, short = trades_of(
        [fill(1, 1, 100.0), fill(2, -3, 110.0, fee=3.0), fill(3, 2, 100.0, fee=2.0)]
    )
    assert (long.units, long.pnl, long.fees) == (1, 8.0, 2.0)
    assert (short.units, short.pnl, short.fees) == (-2, 16.0, 4.0)


def test_an_open_position_makes_no_trade() -> None:
    assert trades_of([fill(1, 2, 100.0), fill(2, -1, 100.0)]) == []


def test_a_book_gives_each_trade_when_it_ends() -> None:
    fills = [fill(1, 1, 10.0, "A"), fill(2, 1, 20.0, "B"), fill(3, -2, 20.0, "B")]
    fills += [fill(4, 1, 20.0, "B"), fill(5, -1, 10.0, "A")]
    book = TradeBook()
    ended = [book.add(each) for each in fills]
    assert [trade is not None for trade in ended] == [False, False, True, True, True]
    assert [trade for trade in ended if trade is not None] == book.trades == trades_of(fills)


def test_symbols_are_kept_apart_and_trades_come_in_the_order_of_their_ends() -> None:
    fills = [fill(1, 1, 10.0, "A"), fill(2, 1, 20.0, "B"), fill(3, -1, 20.0, "B")]
    trades = trades_of([*fills, fill(4, -1, 10.0, "A")])
    assert [trade.symbol for trade in trades] == ["B", "A"]


def test_rounding_does_not_keep_a_position_open() -> None:
    assert len(trades_of([fill(1, 0.1, 10.0), fill(2, 0.2, 10.0), fill(3, -0.3, 10.0)])) == 1


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["A", "B"]),
            st.integers(-5, 5).filter(bool),
            st.floats(1.0, 100.0),
        ),
        max_size=30,
    )
)
def test_trades_account_for_all_the_cash_once_flat(orders: list[tuple[str, int, float]]) -> None:
    fills = [fill(i, u / 10, price, symbol) for i, (symbol, u, price) in enumerate(orders)]
    for symbol in ("A", "B"):
        rest = -sum(f.units for f in fills if f.symbol == symbol)
        if abs(rest) > 1e-9:
            fills.append(fill(len(fills), rest, 50.0, symbol))
    trades = trades_of(fills)
    assert sum(t.pnl for t in trades) == pytest.approx(sum(f.cash_change for f in fills), abs=1e-6)
    assert sum(t.fees for t in trades) == pytest.approx(sum(f.fee for f in fills))
    for trade in trades:
        gross = trade.units * (trade.exit_price - trade.entry_price)
        assert trade.pnl == pytest.approx(gross - trade.fees, abs=1e-6)
