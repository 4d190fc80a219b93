"""The equity curve, counted by hand; `test_cerebro` compares it with the broker."""

import numpy as np
import pytest

from engine.equity import equity_curve
from engine.records import Fill
from feeds.bars import Bars
from tests.makers import candles, make_bars, with_hole


def fill(bars: Bars, bar: int, units: float, price: float, fee: float = 0.0) -> Fill:
    return Fill(
        symbol=bars.symbol,
        units=units,
        price=price,
        aimed_price=price,
        fee=fee,
        decided_at=bars.time[bar],
        filled_at=bars.time[bar],
        bar=bar,
        reason="signal",
    )


def test_without_fills_the_cash_stays() -> None:
    bars = make_bars(5)
    curve = equity_curve([], {bars.symbol: bars}, {bars.symbol: 2}, 100.0)
    assert curve.time.tolist() == bars.closed_at[2:].tolist()
    assert curve.equity.tolist() == curve.cash.tolist() == [100.0] * 3
    assert curve.position_value.tolist() == [0.0] * 3


def test_a_fill_counts_from_the_close_of_its_bar_on() -> None:
    bars = candles([(10, 10, 10, 10), (10, 12, 10, 12), (12, 15, 12, 15), (15, 15, 14, 14)])
    fills = [fill(bars, 1, 2.0, 10.0, fee=1.0), fill(bars, 3, -2.0, 15.0, fee=1.0)]
    curve = equity_curve(fills, {bars.symbol: bars}, {bars.symbol: 0}, 100.0)
    assert curve.cash.tolist() == [100.0, 79.0, 79.0, 108.0]
    assert curve.position_value.tolist() == [0.0, 24.0, 30.0, 0.0]
    assert curve.equity.tolist() == [100.0, 103.0, 109.0, 108.0]
    assert len(curve) == 4


def test_a_symbol_without_a_bar_keeps_its_last_close() -> None:
    whole = make_bars(10, symbol="AAA/USDT")
    holed = with_hole(make_bars(10, 1, symbol="BBB/USDT"), at=4, missing=3)
    late = make_bars(5, 2, symbol="CCC/USDT", start="2024-01-01T00:25")
    markets = {bars.symbol: bars for bars in (whole, holed, late)}
    first = dict.fromkeys(markets, 0)
    fills = [fill(holed, 3, 1.0, 100.0), fill(late, 1, -1.0, 100.0)]
    curve = equity_curve(fills, markets, first, 1000.0)
    assert curve.time.tolist() == whole.closed_at.tolist()
    assert curve.position_value[4:6].tolist() == [holed.close[3]] * 2
    assert curve.position_value[6] == pytest.approx(holed.close[3] - late.close[1])
    assert curve.position_value[7] == pytest.approx(holed.close[4] - late.close[2])
    np.testing.assert_array_equal(curve.equity, curve.cash + curve.position_value)


def test_short_positions_are_worth_less_than_nothing() -> None:
    bars = candles([(10, 10, 10, 10), (10, 12, 10, 12), (12, 12, 8, 8)])
    curve = equity_curve([fill(bars, 1, -1.0, 10.0)], {bars.symbol: bars}, {bars.symbol: 0}, 100.0)
    assert curve.equity.tolist() == [100.0, 98.0, 102.0]
