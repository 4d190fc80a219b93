"""Entries by limit order: filled only where price trades through them, the same for all readers."""

from dataclasses import replace
from typing import Any

import backtrader as bt
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.rules import SymbolRules
from feeds.bars import Bars
from feeds.costs import Costs
from feeds.entries import EntryLimit, EntryTable, entries
from feeds.exit_reasons import ExitReason
from feeds.exits import Exits, first_exit
from feeds.ticks import tick_down, tick_up
from tests.engine.markets import (
    CALM,
    FLAT,
    Act,
    Scripted,
    brief,
    engine_of,
    order,
    random_market,
    run_script,
)
from tests.makers import candles

MAKER = Costs(fee=0.001, maker_fee=0.0002, half_spread=0.0004, slippage=0.0006, range_slippage=0.03)
ON_TICKS = {"BTC/USDT": SymbolRules(tick=0.5)}
THROUGH = {"exectype": bt.Order.Limit, "through": True}


def waiting(price: float, valid_bars: int = 9, units: float = 1.0, trail: float = 0.0) -> Act:
    """Return the act of a bracket whose entry waits: a stop 2 % below, a target 3 % above."""

    def act(strategy: Scripted, data: Any) -> Any:
        how = {**THROUGH, "price": price, "valid_bars": valid_bars, "reason": "entry"}
        entry = strategy.buy(data, size=units, transmit=False, **how)
        stop = {"exectype": bt.Order.Stop, "reason": "stop_loss", "below_fill": 0.02}
        goal = {"exectype": bt.Order.Limit, "reason": "take_profit", "above_fill": 0.03}
        strategy.sell(data, size=units, parent=entry, transmit=False, trail=trail, **stop)
        strategy.sell(data, size=units, parent=entry, transmit=True, **goal)
        return entry

    return act


# ------------------------------------------------------------------ when it fills


@pytest.mark.parametrize(
    ("low", "tick", "fills"),
    [(99.0, 0.0, False), (98.99, 0.0, True), (98.6, 0.5, False), (98.5, 0.5, True)],
)
def test_a_limit_is_filled_where_the_price_trades_through_it_not_where_it_touches(
    low: float, tick: float, fills: bool
) -> None:
    bars = candles([FLAT, (100, 101, low, 100), FLAT])
    rules = {bars.symbol: SymbolRules(tick=tick)}
    ran = run_script(bars, {0: order("buy", price=99.0, **THROUGH)}, rules=rules)
    assert brief(ran.fills)[:1] == ([(1, 1, 99.0, "signal")] if fills else [])


def test_a_limit_to_sell_is_filled_above_it() -> None:
    act = order("sell", price=101.0, **THROUGH)
    touched = run_script(candles([FLAT, CALM, FLAT]), {0: act})
    through = run_script(candles([FLAT, (100, 101.01, 99, 100), FLAT]), {0: act})
    assert touched.fills == ()
    assert brief(through.fills)[0] == (1, -1, 101.0, "signal")


def test_an_order_is_dropped_after_the_bars_in_which_it_was_valid() -> None:
    low = (100.0, 100.0, 98.0, 100.0)
    for bars, filled in ((candles([FLAT] * 3 + [low] * 2), 1), (candles([FLAT] * 4 + [low]), 0)):
        ran = run_script(bars, {0: waiting(99.0, valid_bars=3)})
        assert len([fill for fill in ran.fills if fill.units > 0]) == filled
        assert [r.reason for r in ran.rejections] == ["unfilled"] * (1 - filled)


def test_a_filled_bar_counts_and_fills_nothing() -> None:
    bars = candles([FLAT, FLAT, (100, 100, 98, 100), FLAT], filled=(1,))
    assert run_script(bars, {0: waiting(99.0, valid_bars=1)}).fills == ()
    assert len(run_script(bars, {0: waiting(99.0, valid_bars=2)}).fills) == 2


def test_an_order_that_waits_at_the_edge_of_a_segment_is_dropped() -> None:
    bars = candles([FLAT, FLAT, (100, 100, 98, 100), FLAT], hole_before=2)
    ran = run_script(bars, {0: waiting(99.0)})
    assert ran.fills == ()
    assert [r.reason for r in ran.rejections] == ["segment_end"]


def test_while_it_waits_its_cash_is_spoken_for_and_it_is_at_work() -> None:
    seen: list[tuple[float, dict[str, float]]] = []

    def look(strategy: Any, _data: Any) -> None:
        seen.append((strategy.broker.free_cash(), strategy.broker.at_work()))

    run_script(candles([FLAT] * 5), {0: waiting(99.0, 3, 2.0), 1: look, 3: look}, costs=MAKER)
    cost = 2 * 99.0 * 1.001  # the higher of both fees, and no spread
    (free, at_work), after = seen
    assert free == pytest.approx(10_000 - cost)
    assert at_work == {"BTC/USDT": pytest.approx(cost)}
    assert after == (10_000, {})


# ------------------------------------------------------------------ what it costs


@pytest.mark.parametrize(
    ("rows", "fee"),
    [
        ([FLAT, (100, 100, 98.9, 99)], MAKER.limit_fee),  # it rested when the price came
        ([FLAT, (99, 100, 98.9, 99)], MAKER.fee),  # the first open had reached it already
        ([FLAT, FLAT, (98.9, 100, 98.9, 99)], MAKER.limit_fee),  # it rested, the open jumped
    ],
)
def test_a_limit_that_rested_pays_the_maker_fee_and_no_spread(
    rows: list[tuple[float, ...]], fee: float
) -> None:
    ran = run_script(candles([*rows, FLAT]), {0: waiting(99.0)}, costs=MAKER)  # type: ignore[list-item]
    assert ran.fills[0].price == ran.fills[0].aimed_price == 99.0
    assert ran.fills[0].fee == pytest.approx(99.0 * fee)


def test_a_target_pays_the_maker_fee_and_a_stop_does_not() -> None:
    for last, fee in (((100, 105, 99, 100), MAKER.limit_fee), ((100, 100, 90, 90), MAKER.fee)):
        bars = candles([FLAT, (100, 100, 98.9, 99), last, FLAT])
        bought, sold = run_script(bars, {0: waiting(99.0)}, costs=MAKER).fills
        assert bought.fee == pytest.approx(bought.price * MAKER.limit_fee)
        assert sold.fee == pytest.approx(sold.price * fee)


# ------------------------------------------------------------------ its bracket


def test_a_stop_that_the_open_jumped_with_the_limit_fills_at_the_open() -> None:
    bars = candles([FLAT, FLAT, (90, 91, 89, 90), FLAT])
    assert brief(run_script(bars, {0: waiting(99.0)}).fills) == [
        (2, 1, 99.0, "entry"),
        (2, -1, 90.0, "stop_loss"),
    ]


def test_on_its_entry_bar_a_stop_follows_the_close_and_not_an_older_high() -> None:
    bars = candles([FLAT, (104, 105, 98.9, 99), (99, 99, 98, 98.5), CALM])
    fills = run_script(bars, {0: waiting(99.0, trail=0.01)}).fills
    # 1 % below the close of 99, not below the high of 105, from which the price had come down.
    assert brief(fills)[1] == (2, -1, 98.01, "trailing_stop")


# ------------------------------------------------------------------ one rule for all


class OneAtATime(bt.Strategy):
    """Places a bracket by limit whenever nothing is held or waits, and `enter` says so."""

    params: Any = (
        ("enter", None), ("limit", None), ("tick", 0.0), ("below", 0.01), ("above", 0.01),
        ("trail", 0.0), ("max_bars", 1),
    )  # fmt: skip

    def __init__(self) -> None:
        self.entry: Any = None
        self.entered = -1

    def next(self) -> None:
        data, p = self.data, self.p
        if self.position.size and data.index - self.entered + 1 == p.max_bars:
            self.sell(size=self.position.size, reason="time_limit")
        elif not self.position.size and self.entry is None and p.enter[data.index]:
            price = p.limit.price(data.close[0], p.tick)
            how = {**THROUGH, "price": price, "valid_bars": p.limit.valid_bars, "reason": "entry"}
            self.entry = self.buy(size=1.0, transmit=False, **how)
            stop = {"exectype": bt.Order.Stop, "reason": "stop_loss", "below_fill": p.below}
            goal = {"exectype": bt.Order.Limit, "reason": "take_profit", "above_fill": p.above}
            self.sell(size=1.0, parent=self.entry, transmit=False, trail=p.trail, **stop)
            self.sell(size=1.0, parent=self.entry, transmit=True, **goal)

    def notify_order(self, order: Any) -> None:
        if self.entry is not None and order.ref == self.entry.ref and not order.alive():
            self.entered, self.entry = order.data.index, None


def ends(bars: Bars, fills: EntryTable, p: dict[str, Any]) -> Any:
    """Return where the positions of these entries end."""
    n = len(fills.bar)
    exits = Exits(
        target=tick_up(fills.price * (1 + p["above"]), p["tick"]),
        stop=tick_down(fills.price * (1 - p["below"]), p["tick"]),
        trail=np.full(n, p["trail"]),
        max_bars=np.full(n, p["max_bars"]),
        tick=p["tick"],
        inside=fills.inside,
    )
    return first_exit(bars, fills.bar, exits)


@given(
    seed=st.integers(0, 2**32 - 1),
    limit=st.builds(EntryLimit, offset=st.sampled_from([0.0, 0.002, 0.006]),
                    valid_bars=st.integers(1, 6)),
    distances=st.tuples(*[st.sampled_from([0.002, 0.005, 0.01])] * 2),
    trail=st.sampled_from([0.0, 0.003]),
    max_bars=st.integers(1, 8),
    tick=st.sampled_from([0.0, 0.1, 0.25]),
    streamed=st.booleans(),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_limit_entries_fill_and_end_where_the_compiled_rules_say(  # noqa: PLR0913  all inputs
    *,
    seed: int,
    limit: EntryLimit,
    distances: tuple[float, float],
    trail: float,
    max_bars: int,
    tick: float,
    streamed: bool,
) -> None:
    bars = random_market(seed, 150)
    enter = (np.random.default_rng(seed).random(len(bars)) < 0.5) & ~bars.filled
    p = {"limit": limit, "tick": tick, "trail": trail, "max_bars": max_bars}
    p |= {"below": distances[0], "above": distances[1]}
    rules = {bars.symbol: SymbolRules(tick=tick)}
    engine = engine_of([bars], costs=MAKER, rules=rules, streamed=streamed)
    ran = engine.execute(OneAtATime, enter=enter, **p)
    bought, sold = ran.fills[0::2], ran.fills[1::2]
    decided = np.searchsorted(bars.closed_at, [fill.decided_at for fill in bought])
    fills = entries(bars, decided, MAKER, limit=limit, tick=tick)
    assert [fill.bar for fill in bought] == fills.bar.tolist()
    assert [fill.price for fill in bought] == fills.price.tolist()
    assert [fill.fee for fill in bought] == (fills.fee * fills.price).tolist()
    found = ends(bars, fills, p)
    assert [fill.bar for fill in sold] == found.bar.tolist()
    assert [ExitReason[fill.reason.upper()] for fill in sold] == found.reason.tolist()
    assert [fill.price for fill in sold] == found.received(bars, MAKER).tolist()
    np.testing.assert_allclose(
        [fill.fee for fill in sold], found.fee(MAKER) * found.received(bars, MAKER), rtol=1e-12
    )
    dropped = [r.decided_at for r in ran.rejections]
    never = entries(bars, np.searchsorted(bars.closed_at, dropped), MAKER, limit=limit, tick=tick)
    assert not never.made.any()
    assert {r.reason for r in ran.rejections} <= {"unfilled", "segment_end"}


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_a_limit_that_asks_for_less_fills_where_one_that_asks_for_more_does(seed: int) -> None:
    bars = random_market(seed, 150)
    decided = np.flatnonzero(~bars.filled)
    near, far = (
        entries(bars, decided, MAKER, limit=EntryLimit(offset=offset, valid_bars=4))
        for offset in (0.001, 0.004)
    )
    longer = entries(bars, decided, MAKER, limit=EntryLimit(offset=0.004, valid_bars=8))
    assert near.made[far.made].all()
    assert (near.bar[far.made] <= far.bar[far.made]).all()
    np.testing.assert_array_equal(longer.bar[far.made], far.bar[far.made])
    bar = near.bar[near.made]
    assert (bars.low[bar] < near.price[near.made]).all()
    assert not bars.filled[bar].any()
    assert (bars.segment[bar] == bars.segment[decided[near.made]]).all()


def test_a_market_entry_is_the_next_open_at_its_costs() -> None:
    bars = candles([FLAT, FLAT, (101, 103, 100, 102)], filled=(1,))
    table = entries(bars, np.arange(3), replace(MAKER, half_spread=0.0, slippage=0.0))
    assert table.bar.tolist() == [2, 2, -1]
    assert table.price[:2].tolist() == [101 + 0.03 * 3] * 2
    assert np.isnan(table.price[2])
    assert not table.inside
