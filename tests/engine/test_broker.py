"""Every rule of the broker, candle by candle."""

from typing import Any

import backtrader as bt
import pytest
from pydantic import ValidationError

from engine.cerebro import Execution
from engine.errors import RunError
from engine.rules import SymbolRules
from tests.engine.markets import (
    CALM,
    FLAT,
    PAID,
    Act,
    Scripted,
    bracket,
    brief,
    engine_of,
    order,
    random_market,
    run_script,
)
from tests.makers import Candle, candles


def both(*acts: Act) -> Act:
    return lambda strategy, data: [act(strategy, data) for act in acts]


def limit(side: str, price: float) -> Act:
    return order(side, exectype=bt.Order.Limit, price=price)


def stop(side: str, price: float) -> Act:
    return order(side, exectype=bt.Order.Stop, price=price)


def stop_limit(side: str, trigger: float, price: float) -> Act:
    return order(side, exectype=bt.Order.StopLimit, price=trigger, plimit=price)


def reasons(ran: Execution) -> list[str]:
    return [rejection.reason for rejection in ran.rejections]


# ------------------------------------------------------------------ one order, one later bar

ONE_ORDER = [
    # what, act, the bar after, (aimed price, pays the penalty) or None
    ("a market buy fills at the open", order("buy"), (102, 103, 101, 102), (102, True)),
    ("a market sell fills at the open", order("sell"), (102, 103, 101, 102), (102, True)),
    ("a buy limit out of reach waits", limit("buy", 98), (100, 101, 98.5, 100), None),
    ("a buy limit fills when touched", limit("buy", 98), (100, 101, 98, 100), (98, False)),
    ("a buy limit is never bettered", limit("buy", 98), (95, 99, 94, 96), (98, False)),
    ("a sell limit fills when touched", limit("sell", 102), (100, 102, 99, 101), (102, False)),
    ("a sell limit is never bettered", limit("sell", 102), (105, 106, 104, 105), (102, False)),
    ("a buy stop out of reach waits", stop("buy", 102), (100, 101.5, 99, 100), None),
    ("a buy stop fills when touched", stop("buy", 102), (100, 102, 99, 100), (102, True)),
    ("a jumped buy stop fills at the open", stop("buy", 102), (104, 105, 103, 104), (104, True)),
    ("a sell stop fills when touched", stop("sell", 98), (100, 101, 98, 100), (98, True)),
    ("a jumped sell stop fills at the open", stop("sell", 98), (96, 97, 95, 96), (96, True)),
    (
        "a stop-limit fills at its limit",
        stop_limit("buy", 102, 103),
        (100, 102, 99, 101),
        (103, False),
    ),
    (
        "a stop-limit behind its stop waits a bar",
        stop_limit("buy", 102, 101),
        (100, 102, 99, 101),
        None,
    ),
    (
        "a jumped stop-limit is a limit from the open on",
        stop_limit("buy", 102, 103),
        (104, 105, 103, 104),
        (103, False),
    ),
]


@pytest.mark.parametrize(
    ("what", "act", "bar", "expected"), ONE_ORDER, ids=[each[0] for each in ONE_ORDER]
)
def test_one_order_meets_one_bar(
    what: str, act: Act, bar: Candle, expected: tuple[float, bool] | None
) -> None:
    # The bar after is not the last, so that nothing but the order can fill on it.
    ran = run_script(candles([FLAT, bar, CALM, CALM]), {0: act}, costs=PAID)
    on_bar = [fill for fill in ran.fills if fill.bar == 1]
    if expected is None:
        assert on_bar == []
        return
    aimed, penalised = expected
    (fill,) = on_bar
    worse = 0.002 * (1 if fill.units > 0 else -1) * penalised
    assert fill.aimed_price == aimed
    assert fill.price == pytest.approx(aimed * (1 + worse))
    assert fill.fee == pytest.approx(abs(fill.units) * fill.price * 0.001)
    assert fill.reason == "signal"


def test_the_penalty_is_paid_beyond_the_range_of_the_bar() -> None:
    ran = run_script(candles([FLAT, FLAT, FLAT, FLAT]), {0: order("buy")}, costs=PAID)
    assert ran.fills[0].price > 100.0  # the bar's high


def test_a_fill_tells_when_it_was_decided_and_when_it_happened() -> None:
    bars = candles([CALM] * 5)
    ran = run_script(bars, {1: order("buy", reason="entry")})
    assert ran.fills[0].decided_at == bars.closed_at[1]
    assert ran.fills[0].filled_at == bars.time[2]
    assert (ran.fills[0].bar, ran.fills[0].reason) == (2, "entry")


def test_an_order_meets_its_bar_as_market_then_stop_then_limit() -> None:
    late = both(limit("buy", 99), stop("buy", 101), order("buy"))
    ran = run_script(candles([FLAT, CALM, CALM]), {0: late})
    assert [fill.aimed_price for fill in ran.fills if fill.bar == 1] == [100, 101, 99]


# ------------------------------------------------------------------ filled bars, holes, the end


def test_filled_bars_fill_nothing() -> None:
    bars = candles([FLAT, FLAT, (101, 102, 100, 101), CALM, CALM], filled=[1])
    assert brief(run_script(bars, {0: order("buy")}).fills)[0] == (2, 1, 101, "signal")
    bars = candles([FLAT, CALM, FLAT, CALM, CALM], filled=[2])
    ran = run_script(bars, {1: both(limit("buy", 100), stop("buy", 100))})
    assert [fill.bar for fill in ran.fills][:2] == [3, 3]


def test_a_filled_bar_does_not_move_a_trailing_stop() -> None:
    rows = [FLAT, CALM, (120.0,) * 4, (100, 101, 99, 100), (100, 100, 99.5, 100)]
    ran = run_script(candles(rows, filled=[2]), {0: bracket(above=1.0, trail=0.01)})
    assert brief(ran.fills)[1] == (3, -1, 99.99, "trailing_stop")


def test_a_position_ends_at_the_close_of_the_last_bar_before_a_hole() -> None:
    bars = candles([FLAT, CALM, (100, 102, 99, 101), CALM, CALM], hole_before=3)
    ran = run_script(bars, {0: bracket()}, costs=PAID)
    assert brief(ran.fills) == [(1, 1, 100, "entry"), (2, -1, 101, "segment_end")]
    assert ran.fills[1].price == pytest.approx(101 * 0.998)
    assert ran.fills[1].filled_at == bars.time[2]
    assert reasons(ran) == []
    told = [entry for entry in ran.strategy.told if entry[0] == 2]
    assert told == [(2, "Completed", -1), (2, "Canceled", -1), (2, "Canceled", -1)]
    assert len(ran.strategy.ended) == 1


def test_a_position_ends_at_a_filled_last_bar_too() -> None:
    bars = candles([FLAT, CALM, (101.0,) * 4, CALM, CALM], hole_before=3, filled=[2])
    assert brief(run_script(bars, {0: bracket()}).fills)[1] == (2, -1, 101, "segment_end")


def test_an_exit_on_the_last_bar_comes_before_the_end_of_the_segment() -> None:
    bars = candles([FLAT, CALM, (100, 103, 99, 101), CALM, CALM], hole_before=3)
    assert brief(run_script(bars, {0: bracket()}).fills)[1] == (2, -1, 103, "take_profit")


def test_an_order_that_could_not_fill_before_a_hole_is_dropped() -> None:
    bars = candles([FLAT, CALM, CALM, CALM], hole_before=2)
    ran = run_script(bars, {0: limit("buy", 90)})
    assert ran.fills == ()
    (dropped,) = ran.rejections
    assert (dropped.reason, dropped.units) == ("segment_end", 1.0)
    assert dropped.decided_at == bars.closed_at[0]


def test_a_bracket_that_could_not_enter_before_a_hole_is_one_rejection() -> None:
    bars = candles([FLAT, CALM, CALM, CALM], hole_before=2)
    ran = run_script(bars, {0: bracket(exectype=bt.Order.Limit, price=90.0)})
    assert (ran.fills, reasons(ran)) == ((), ["segment_end"])
    assert [status for bar, status, _ in ran.strategy.told if bar == 1][3:] == ["Canceled"] * 3


def test_the_end_of_a_segment_ends_the_trade_that_was_open() -> None:
    bars = candles([FLAT, CALM, CALM, CALM], hole_before=2)
    ran = run_script(bars, {0: order("buy", tradeid=7)})
    assert len(ran.strategy.ended) == 1


def test_an_order_decided_on_the_last_bar_of_a_segment_is_refused() -> None:
    ran = run_script(candles([FLAT, CALM, CALM, CALM], hole_before=2), {1: bracket()})
    assert ran.fills == ()
    assert reasons(ran) == ["segment_end"]
    assert [status for _, status, _ in ran.strategy.told] == ["Rejected"] * 3


# ------------------------------------------------------------------ refusals

STEP = SymbolRules(amount_step=0.1)
LEAST = SymbolRules(min_notional=50.0)
REFUSED = [
    ("units off the step", STEP, order("buy", 0.25), ["amount_step"]),
    ("units on the step", STEP, order("buy", 0.1 + 0.2), []),
    ("too small", LEAST, order("buy", 0.4), ["min_notional"]),
    ("large enough", LEAST, order("buy", 0.5), []),
    ("a bracket off the step", STEP, bracket(units=0.25), ["amount_step"]),
    ("more than the cash", SymbolRules(), order("buy", 101.0), ["cash"]),
    ("a bracket beyond the cash", SymbolRules(), bracket(units=101.0), ["cash"]),
    ("as much as the cash", SymbolRules(), order("buy", 100.0), []),
    ("an order that needs sessions", STEP, order("buy", exectype=bt.Order.Close), ["order_type"]),
]


@pytest.mark.parametrize(
    ("what", "rules", "act", "expected"), REFUSED, ids=[each[0] for each in REFUSED]
)
def test_an_order_that_breaks_a_rule_is_a_rejection(
    what: str, rules: SymbolRules, act: Act, expected: list[str]
) -> None:
    ran = run_script(candles([CALM] * 4), {0: act}, rules={"BTC/USDT": rules})
    assert reasons(ran) == expected
    assert bool(ran.fills) == (not expected)


def test_a_small_rest_can_always_be_sold() -> None:
    def act(strategy: Any, data: Any) -> None:
        entry = strategy.buy(data, size=0.6, transmit=False)
        strategy.sell(data, size=0.4, parent=entry, exectype=bt.Order.Stop, price=90.0)

    script = {0: act, 1: order("sell", 0.3)}
    ran = run_script(candles([CALM] * 4), script, rules={"BTC/USDT": LEAST})
    assert reasons(ran) == []


def test_a_refused_child_takes_its_bracket_along() -> None:
    def act(strategy: Any, data: Any) -> None:
        entry = strategy.buy(data, size=0.2, transmit=False)
        strategy.sell(data, size=0.25, parent=entry, exectype=bt.Order.Stop, below_fill=0.1)

    ran = run_script(candles([CALM] * 4), {0: act}, rules={"BTC/USDT": STEP})
    assert (ran.fills, reasons(ran)) == ((), ["amount_step"])
    assert [status for _, status, _ in ran.strategy.told] == ["Rejected", "Rejected"]


def test_a_price_relative_to_a_fill_needs_a_parent() -> None:
    with pytest.raises(RunError, match="give it a price"):
        run_script(candles([CALM] * 3), {0: order("sell", below_fill=0.1)})


def test_rules_below_zero_or_unknown_are_refused() -> None:
    with pytest.raises(ValidationError, match="greater than or equal to 0"):
        SymbolRules(tick=-1.0)
    with pytest.raises(ValidationError, match="Extra inputs"):
        SymbolRules(step=1.0)  # type: ignore[call-arg]


# ------------------------------------------------------------------ rounding


def test_units_that_cancel_out_leave_nothing_behind() -> None:
    script = {0: both(order("buy", 0.1), order("buy", 0.2)), 1: order("sell", 0.3)}
    ran = run_script(candles([CALM] * 4), script)
    assert [fill.units for fill in ran.fills] == [0.1, 0.2, -(0.1 + 0.2)]
    assert len(ran.trades) == len(ran.strategy.ended) == 1


def test_an_order_that_turns_a_position_around_is_filled_completely() -> None:
    ran = run_script(candles([CALM] * 4), {0: order("buy", 0.3), 1: order("sell", 0.7)})
    assert [status for bar, status, _ in ran.strategy.told if bar == 2] == ["Accepted", "Completed"]


def test_cash_cannot_appear_from_nowhere() -> None:
    with pytest.raises(RunError, match="cash must stay"):
        run_script(candles([CALM] * 3), {0: lambda strategy, _: strategy.broker.add_cash(1.0)})


@pytest.mark.parametrize(
    ("told", "given", "why"),
    [
        ("set_checksubmit", {"checksubmit": True}, "checksubmit False, found True"),
        ("set_shortcash", {"shortcash": False}, "shortcash True, found False"),
        ("setcommission", {"leverage": 3.0, "name": "BTC/USDT"}, "leverage 1.0, found 3"),
        ("setcommission", {"margin": 5.0, "name": "BTC/USDT"}, "stocklike True, found False"),
    ],
)
def test_what_a_spot_account_does_not_have_is_refused(
    told: str, given: dict[str, Any], why: str
) -> None:
    engine = engine_of([random_market(3)])
    getattr(engine.broker, told)(**given)
    with pytest.raises(RunError, match=f"a spot account must have {why}"):
        engine.execute(Scripted)
