"""Brackets, candle by candle: live from the entry bar on, set from the price really paid."""

from typing import Any

import backtrader as bt
import pytest

from engine.rules import SymbolRules
from tests.engine.markets import CALM, FLAT, PAID, bracket, brief, order, run_script
from tests.makers import Candle, candles

BRACKETS = [
    # stop 98, target 103 of a fill at 100; bars from the entry bar on, fills after the entry
    (
        "the target is live on the entry bar",
        [(100, 103, 99, 102), CALM],
        {},
        [(1, -1, 103, "take_profit")],
    ),
    (
        "the stop is live on the entry bar",
        [(100, 101, 98, 99), CALM],
        {},
        [(1, -1, 98, "stop_loss")],
    ),
    (
        "the stop comes first when both are touched",
        [(100, 103, 98, 102), CALM],
        {},
        [(1, -1, 98, "stop_loss")],
    ),
    (
        "a jumped stop fills at the open",
        [CALM, (95, 104, 94, 96), CALM],
        {},
        [(2, -1, 95, "stop_loss")],
    ),
    (
        "a jumped target fills at its price",
        [CALM, (105, 106, 104, 105), CALM],
        {},
        [(2, -1, 103, "take_profit")],
    ),
    (
        "a trailing stop counts from the next bar on",
        [(100, 102.5, 99, 99), (101, 102, 100, 101), (101, 102, 99, 100), CALM],
        {"trail": 0.02},
        [(2, -1, 100.45, "trailing_stop")],
    ),
    (
        "a trailing stop never falls",
        [CALM, (100, 100.5, 99.5, 100), (100, 100, 98.9, 99), CALM],
        {"trail": 0.02},
        [(3, -1, 98.98, "trailing_stop")],
    ),
    (
        "a stop that trailing has not raised is a stop loss",
        [(100, 100, 99, 99), (99, 99, 97, 98), CALM],
        {"trail": 0.03},
        [(2, -1, 98, "stop_loss")],
    ),
    (
        "what is still open at the end closes at the last close",
        [CALM, (100, 101, 99, 100.5)],
        {},
        [(2, -1, 100.5, "segment_end")],
    ),
]


@pytest.mark.parametrize(("what", "rows", "how", "expected"), BRACKETS, ids=lambda v: str(v)[:50])
def test_a_bracket_from_its_entry_bar_on(
    what: str, rows: list[Candle], how: dict[str, Any], expected: list[Any]
) -> None:
    ran = run_script(candles([FLAT, *rows]), {0: bracket(**how)})
    assert brief(ran.fills) == [(1, 1, 100, "entry"), *expected]
    assert ran.strategy.ended == [pytest.approx(expected[0][2] - 100)]


def test_stock_backtrader_lets_a_bracket_sleep_on_its_entry_bar() -> None:
    """The reason for the rule: a crash on the entry bar would go unnoticed."""
    bars = candles([FLAT, (100, 101, 90, 100), CALM, CALM])
    cerebro = bt.Cerebro(stdstats=False)
    frame = bars.frame().set_index("timestamp").tz_localize(None)
    cerebro.adddata(bt.feeds.PandasData(dataname=frame))

    class Buyer(bt.Strategy):
        def next(self) -> None:
            if len(self) == 1:
                self.buy_bracket(size=1, exectype=bt.Order.Market, stopprice=98, limitprice=103)

    cerebro.addstrategy(Buyer)
    (stock,) = cerebro.run()
    assert stock.position.size == 1
    assert brief(run_script(bars, {0: bracket()}).fills)[1] == (1, -1, 98, "stop_loss")


def test_children_are_set_from_the_price_really_paid_and_rounded_to_the_tick() -> None:
    rules = {"BTC/USDT": SymbolRules(tick=0.5)}
    ran = run_script(
        candles([FLAT, CALM, (103, 104, 103, 103.5), CALM]),
        {0: bracket(above=0.0301)},
        costs=PAID,
        rules=rules,
    )
    # 100.2 paid, 103.21602 wanted
    assert ran.fills[1].aimed_price == 103.5
    ran = run_script(
        candles([FLAT, CALM, (98, 98, 97, 97.5), CALM]), {0: bracket()}, costs=PAID, rules=rules
    )
    # 98.196 wanted, the open has jumped over 98.0
    assert ran.fills[1].aimed_price == 98.0


def test_the_other_child_is_cancelled_with_the_first() -> None:
    ran = run_script(candles([FLAT, (100, 103, 99, 102), CALM, CALM]), {0: bracket()})
    told = [status for bar, status, _ in ran.strategy.told if bar == 1]
    assert told == ["Accepted"] * 3 + ["Completed", "Completed", "Canceled"]


def test_a_market_exit_comes_before_the_children_and_ends_them() -> None:
    leave = order("sell", reason="time_limit")
    ran = run_script(
        candles([FLAT, CALM, (100, 103, 98, 100), (100, 110, 90, 100), CALM]),
        {0: bracket(), 1: leave},
    )
    assert brief(ran.fills) == [(1, 1, 100, "entry"), (2, -1, 100, "time_limit")]


def test_a_child_sells_no_more_than_is_held() -> None:
    ran = run_script(
        candles([FLAT, CALM, CALM, (98, 98, 97, 98), CALM]),
        {0: bracket(units=2.0), 1: order("sell")},
    )
    assert brief(ran.fills)[1:] == [(2, -1, 100, "signal"), (3, -1, 98, "stop_loss")]


def test_inside_its_entry_bar_a_bracket_counts_the_stop_but_not_the_target() -> None:
    at_limit = bracket(exectype=bt.Order.Limit, price=99.5, below=0.01, above=0.005)
    ran = run_script(candles([FLAT, (100, 102, 99, 100), CALM, CALM]), {0: at_limit})
    assert brief(ran.fills)[1] == (2, -1, 99.9975, "take_profit")
    ran = run_script(candles([FLAT, (100, 102, 98, 100), CALM, CALM]), {0: at_limit})
    assert brief(ran.fills)[1] == (1, -1, 98.505, "stop_loss")


def test_the_stop_of_an_entry_inside_the_bar_is_not_jumped_by_an_earlier_open() -> None:
    at_stop = bracket(exectype=bt.Order.Stop, price=105.0, below=0.01)
    ran = run_script(candles([FLAT, (100, 106, 99, 104), CALM, CALM]), {0: at_stop})
    assert brief(ran.fills)[1] == (1, -1, 103.95, "stop_loss")


def test_a_short_bracket_mirrors_a_long_one() -> None:
    def act(strategy: Any, data: Any) -> None:
        entry = strategy.sell(data, size=1, transmit=False)
        up = {"exectype": bt.Order.Stop, "above_fill": 0.0201, "trail": 0.02}
        strategy.buy(data, size=1, parent=entry, transmit=False, **up)
        down = {"exectype": bt.Order.Limit, "below_fill": 0.0301}
        strategy.buy(data, size=1, parent=entry, transmit=True, **down)

    rules = {"BTC/USDT": SymbolRules(tick=0.5)}
    ran = run_script(candles([FLAT, CALM, (98, 98, 96, 97), CALM]), {0: act}, rules=rules)
    assert ran.fills[1].aimed_price == 96.5
    ran = run_script(candles([FLAT, (100, 102.5, 99, 100), CALM]), {0: act}, rules=rules)
    assert ran.fills[1].aimed_price == 102.5
    ran = run_script(candles([FLAT, (100, 100, 98, 99), CALM, CALM]), {0: act}, rules=rules)
    assert brief(ran.fills)[1] == (2, 1, 100.0, "trailing_stop")
