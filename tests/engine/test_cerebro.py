"""Whole runs: the money adds up, both kinds of feed agree, exits are those of `first_exit`."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import backtrader as bt
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.broker import BarBroker
from engine.cerebro import Engine, Execution
from engine.data import StreamFeed, stream_of
from engine.errors import RunError
from engine.records import Fill
from feeds.bars import Bars
from feeds.costs import Costs
from feeds.exit_reasons import ExitReason
from feeds.exits import Exits, first_exit, next_fill_bar, range_at
from tests.engine.markets import FREE, Scripted, bracket, engine_of, random_market
from tests.makers import candles

PAID = Costs(fee=0.001, half_spread=0.0004, slippage=0.0006, range_slippage=0.03)
SEEDS = st.integers(0, 2**32 - 1)
RUNS = settings(max_examples=25, deadline=None)

# ------------------------------------------------------------------ a strategy that does anything


class Ledger:
    """An account book of its own: average cost, realised profit before fees, fees."""

    def __init__(self, fills: Sequence[Fill]) -> None:
        self.units: dict[str, float] = {}
        self.cost: dict[str, float] = {}
        self.realised = self.fees = 0.0
        for fill in fills:
            self._add(fill)

    def _add(self, fill: Fill) -> None:
        held, cost = self.units.get(fill.symbol, 0.0), self.cost.get(fill.symbol, 0.0)
        closing = (
            0.0 if held * fill.units >= 0 else np.sign(fill.units) * min(abs(fill.units), abs(held))
        )
        self.realised += -closing * (fill.price - cost)
        after, opening = held + fill.units, fill.units - closing
        if opening:
            kept = held + closing
            cost = (kept * cost + opening * fill.price) / (kept + opening)
        self.units[fill.symbol], self.cost[fill.symbol] = after, cost
        self.fees += fill.fee


class WatchedBroker(BarBroker):
    """Checks after every execution that the money adds up."""

    long_only = False

    def _execute(self, order: Any, *args: Any, **how: Any) -> None:
        super()._execute(order, *args, **how)
        self.check()

    def check(self) -> None:
        book = Ledger(self.fills)
        close = {data.symbol: data.close[0] for data in self.positions}
        unrealised = sum(n * (close[s] - book.cost[s]) for s, n in book.units.items())
        worth = sum(p.size * close[data.symbol] for data, p in self.positions.items())
        money = self.startingcash + book.realised + unrealised - book.fees
        assert self.cash + worth == pytest.approx(money, rel=1e-9)
        assert not self.long_only or self.cash >= 0.0


class Anything(bt.Strategy):
    """Sends random orders of all kinds and writes down the account at every bar."""

    params: Any = (("seed", 0), ("long_only", False))

    def __init__(self) -> None:
        self.rng = np.random.default_rng(self.p.seed)
        self.account: list[tuple[float, float]] = []
        self.open_orders: list[Any] = []

    def prenext(self) -> None:
        self.next()

    def next(self) -> None:
        if isinstance(self.broker, WatchedBroker):
            self.broker.check()
        self.account.append((self.broker.getvalue(), self.broker.getcash()))
        for data in self.datas:
            if len(data) and self.rng.random() < 0.3:
                self.act(data)

    def act(self, data: Any) -> None:
        units = float(self.rng.choice([0.1, 0.2, 0.3, 7.0, 40.0, self.rng.random()]))
        kind = self.rng.choice(["bracket", "order", "order", "cancel", "close"])
        if kind == "bracket":
            trail = float(self.rng.choice([0.0, 0.006]))
            bracket(units, below=0.007, above=0.008, trail=trail)(self, data)
        elif kind == "order":
            self.open_orders.append(self.send(data, units))
        elif kind == "cancel" and self.open_orders:
            self.cancel(self.open_orders.pop())
        elif kind == "close":
            self.close(data, reason="time_limit")

    def send(self, data: Any, units: float) -> Any:
        price = data.close[0] * (1.0 + self.rng.normal(0.0, 0.006))
        if self.p.long_only:
            side, units = "buy", units / 10
        else:
            side = self.rng.choice(["buy", "sell"])
        kinds = (bt.Order.Market, bt.Order.Limit, bt.Order.Stop, bt.Order.StopLimit)
        trail = {"exectype": bt.Order.StopTrail, "trailpercent": 0.01}
        plain = {"exectype": int(self.rng.choice(kinds)), "price": price, "plimit": price * 1.002}
        return getattr(self, side)(
            data, size=units, **(plain if self.rng.random() < 0.8 else trail)
        )


def markets_of(seed: int) -> list[Bars]:
    return [random_market(seed, 90, "AAA/USDT"), random_market(seed, 70, "BBB/USDT")]


def run_anything(seed: int, *, streamed: bool = False, long_only: bool = False) -> Execution:
    engine = engine_of(markets_of(seed), 5, streamed=streamed, costs=PAID)
    broker = WatchedBroker(cash=10_000.0, costs=PAID)
    broker.long_only = long_only
    engine.setbroker(broker)
    return engine.execute(Anything, seed=seed, long_only=long_only)


@given(seed=SEEDS)
@RUNS
def test_after_every_event_the_money_adds_up(seed: int) -> None:
    run_anything(seed)


@given(seed=SEEDS)
@RUNS
def test_cash_never_falls_below_zero_without_short_selling(seed: int) -> None:
    run_anything(seed, long_only=True)


@given(seed=SEEDS)
@RUNS
def test_the_equity_curve_is_what_the_broker_said_at_every_bar(seed: int) -> None:
    ran = run_anything(seed)
    value, cash = np.array(ran.strategy.account).T
    np.testing.assert_allclose(ran.equity.equity, value, rtol=1e-9)
    np.testing.assert_allclose(ran.equity.cash, cash, rtol=1e-9, atol=1e-6)


@given(seed=SEEDS)
@RUNS
def test_a_run_bar_by_bar_fills_as_the_recorded_one(seed: int) -> None:
    batch, streamed = run_anything(seed), run_anything(seed, streamed=True)
    assert batch.fills == streamed.fills
    assert batch.rejections == streamed.rejections
    np.testing.assert_array_equal(batch.equity.equity, streamed.equity.equity)


@given(seed=SEEDS)
@RUNS
def test_nothing_is_filled_on_filled_bars_nor_carried_across_holes(seed: int) -> None:
    markets = {bars.symbol: bars for bars in markets_of(seed)}
    ran = run_anything(seed)
    for fill in ran.fills:
        assert fill.reason == "segment_end" or not markets[fill.symbol].filled[fill.bar]
    for symbol, bars in markets.items():
        for segment in np.unique(bars.segment):
            own = [f for f in ran.fills if f.symbol == symbol and bars.segment[f.bar] == segment]
            assert sum(f.units for f in own) == pytest.approx(0.0, abs=1e-9)


# ------------------------------------------------------------------ exits are those of the label


class OneBracketAtATime(bt.Strategy):
    """Enters where it may, when flat, and leaves by bracket or time limit."""

    params: Any = (("enter", None), ("below", 0.0), ("above", 0.0), ("trail", 0.0), ("limit", 0))

    def __init__(self) -> None:
        self.entry: Any = None
        self.stop_order: Any = None
        self.entered = 0

    def next(self) -> None:
        data = self.data
        if self.position.size and data.index - self.entered + 1 == self.p.limit:
            self.sell(size=self.position.size, reason="time_limit")
        elif not self.position.size and self.entry is None and self.p.enter[data.index]:
            how = {"below": self.p.below, "above": self.p.above, "trail": self.p.trail}
            self.entry = bracket(1.0, **how)(self, data)

    def notify_order(self, order: Any) -> None:
        if self.entry is not None and order.ref == self.entry.ref and not order.alive():
            self.entered, self.entry = order.data.index, None


@given(
    seed=SEEDS,
    below=st.sampled_from([0.002, 0.005, 0.01]),
    above=st.sampled_from([0.002, 0.005, 0.02]),
    trail=st.sampled_from([0.0, 0.003, 0.008]),
    limit=st.integers(1, 12),
)
@settings(max_examples=60, deadline=None)
def test_bracket_trades_end_where_first_exit_says(
    seed: int, below: float, above: float, trail: float, limit: int
) -> None:
    bars = random_market(seed, 150)
    enter = np.random.default_rng(seed).random(len(bars)) < 0.5
    params = {"enter": enter, "below": below, "above": above, "trail": trail, "limit": limit}
    ran = engine_of([bars], costs=PAID).execute(OneBracketAtATime, **params)
    entries, exits = ran.fills[0::2], ran.fills[1::2]
    at = np.array([fill.bar for fill in entries], np.int64)
    paid = np.array([fill.price for fill in entries])
    n = len(at)
    plan = Exits(paid * (1 + above), paid * (1 - below), np.full(n, trail), np.full(n, limit))
    expected = first_exit(bars, at, plan)
    assert [fill.bar for fill in exits] == expected.bar.tolist()
    assert [fill.aimed_price for fill in exits] == expected.price.tolist()
    assert [ExitReason[fill.reason.upper()] for fill in exits] == expected.reason.tolist()
    np.testing.assert_array_equal(paid, PAID.bought_at(bars.open[at], range_at(bars, at)))
    sold = [fill.price for fill in exits]
    np.testing.assert_array_equal(sold, expected.received(bars, PAID))
    decided = np.array([fill.decided_at for fill in entries], "datetime64[ms]")
    np.testing.assert_array_equal(next_fill_bar(bars)[np.searchsorted(bars.closed_at, decided)], at)


# ------------------------------------------------------------------ several symbols, the engine


def test_a_symbol_without_a_bar_is_not_matched_against_its_last_one() -> None:
    low_before = candles([(100, 100, 100, 100), (100, 101, 90, 100)], symbol="AAA/USDT")
    late = candles([(100, 101, 99, 100)] * 4, symbol="AAA/USDT")
    # AAA pauses without ending its segment being known: bars 0, 1, then bar 2 twelve bars later.
    stream = [
        *stream_of(late[:2]),
        *stream_of(candles([(100, 101, 99, 100)] * 3, hole_before=2, symbol="AAA/USDT")[2:]),
    ]
    stream = [replace(arrived, ends_segment=False) for arrived in stream]
    other = candles([(50, 51, 49, 50)] * 6, symbol="BBB/USDT")

    def act(strategy: Any, _: Any) -> None:
        strategy.buy(strategy.datas[0], size=1, exectype=bt.Order.Limit, price=99.5)

    engine = Engine(cash=10_000.0, costs=FREE)
    engine.add_stream(StreamFeed(iter(stream), low_before[:0]))
    engine.add_stream(StreamFeed(stream_of(other), other[:0]))
    ran = engine.execute(Scripted, script={("BBB/USDT", 2): act})
    assert ran.fills == ()
    assert [rejection.reason for rejection in ran.rejections] == ["segment_end"]


def test_a_position_that_a_stream_carried_into_a_hole_ends_at_the_next_open() -> None:
    bars = candles([(100, 101, 99, 100)] * 3 + [(95, 96, 94, 95)] * 2, hole_before=3)
    stream = (replace(arrived, ends_segment=False) for arrived in stream_of(bars))
    engine = Engine(cash=10_000.0, costs=FREE)
    engine.add_stream(StreamFeed(stream, bars[:0]))
    ran = engine.execute(Scripted, script={("BTC/USDT", 0): bracket()})
    assert [(f.bar, f.aimed_price, f.reason) for f in ran.fills] == [
        (1, 100.0, "entry"),
        (3, 95.0, "segment_end"),
    ]


def test_one_wallet_serves_all_symbols() -> None:
    markets = [candles([(100, 101, 99, 100)] * 4, symbol=s) for s in ("AAA/USDT", "BBB/USDT")]

    def act(strategy: Any, data: Any) -> None:
        strategy.buy(data, size=6.0)

    script = {(bars.symbol, 0): act for bars in markets}
    ran = engine_of(markets, cash=1_000.0).execute(Scripted, script=script)
    assert [fill.symbol for fill in ran.fills if fill.units > 0] == ["AAA/USDT"]
    assert [(r.symbol, r.reason) for r in ran.rejections] == [("BBB/USDT", "cash")]


def test_an_engine_runs_again_as_if_for_the_first_time() -> None:
    engine = engine_of(markets_of(3), costs=PAID)
    first, second = engine.execute(Anything, seed=3), engine.execute(Anything, seed=3)
    assert first.fills == second.fills
    assert len(first.fills) > 10


def test_an_engine_refuses_what_it_cannot_run() -> None:
    bars = random_market(1)
    with pytest.raises(RunError, match="must have bars"):
        Engine(cash=1.0, costs=FREE).execute(Scripted)
    engine = engine_of([bars])
    with pytest.raises(RunError, match="added once"):
        engine.add_bars(bars)
    other = random_market(1, symbol="ETH/USDT")
    with pytest.raises(RunError, match="all be recorded or all arrive"):
        engine.add_stream(StreamFeed(stream_of(other), other[:0]))
    with pytest.raises(RunError, match="first bar must be one of"):
        engine.add_bars(other, first=len(other))
    empty = Engine(cash=1.0, costs=FREE)
    empty.add_stream(StreamFeed(iter(()), other))
    with pytest.raises(RunError, match="ended without one"):
        empty.execute(Scripted)


def test_a_clock_that_there_is_not_is_refused() -> None:
    with pytest.raises(RunError, match="sparse, dense, audit, found 'quick'"):
        Engine(cash=1.0, costs=FREE, clock="quick")  # type: ignore[arg-type]  # as a user may


def test_an_engine_that_runs_again_counts_anew() -> None:
    engine = engine_of([random_market(3)])
    first, second = (engine.execute(Scripted) for _ in range(2))
    assert first.clock == second.clock
    assert first.clock.moments == len(first.equity)


class Leaver(bt.Strategy):
    """Stops the run at once."""

    def prenext(self) -> None:
        self.cerebro.runstop()


def test_a_run_that_is_stopped_before_a_symbol_begins_has_an_equity() -> None:
    early, late = random_market(3), random_market(4, symbol="ETH/USDT")
    late = replace(late, time=late.time + np.timedelta64(30, "D"))
    assert len(engine_of([early, late]).execute(Leaver).equity) == 1
