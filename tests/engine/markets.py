"""Small markets and strategies to trade them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import backtrader as bt
import numpy as np

from engine.cerebro import Engine, Execution
from engine.data import StreamFeed, stream_of
from engine.records import Fill
from feeds.bars import Bars
from feeds.costs import Costs
from feeds.timeframe import Timeframe
from tests.makers import START, Candle

FREE = Costs(fee=0.0, half_spread=0.0, slippage=0.0, range_slippage=0.0)
Act: TypeAlias = Callable[["Scripted", Any], Any]
PAID = Costs(fee=0.001, half_spread=0.001, slippage=0.001, range_slippage=0.0)
FLAT: Candle = (100.0, 100.0, 100.0, 100.0)
CALM: Candle = (100.0, 101.0, 99.0, 100.0)


def random_market(seed: int, n: int = 120, symbol: str = "BTC/USDT") -> Bars:
    """Return a wild market: jumps at opens, filled bars, holes, prices that meet exactly."""
    rng = np.random.default_rng([seed, len(symbol), ord(symbol[0])])
    starts = rng.random(n) < 0.04
    starts[0] = True
    filled = (rng.random(n) < 0.1) & ~starts
    jump = np.where(rng.random(n) < 0.15, rng.normal(0.0, 0.01, n), 0.0)
    steps = np.where(filled, 0.0, rng.normal(0.0, 0.004, n))
    close, open_ = np.empty(n), np.empty(n)
    price = 100.0
    for i in range(n):
        open_[i] = round(price * (1.0 if filled[i] else np.exp(jump[i])), 1)
        close[i] = price = open_[i] if filled[i] else round(open_[i] * np.exp(steps[i]), 1)
    reach = np.where(filled, 0.0, np.abs(rng.normal(0.0, 0.004, (2, n))))
    frame = Timeframe.parse("5m")
    skipped = np.cumsum(starts * rng.integers(1, 9, n))
    return Bars(
        symbol=symbol,
        timeframe=frame,
        time=START + (np.arange(n) + skipped) * frame.delta,
        open=open_,
        high=np.maximum(open_, close) * (1.0 + reach[0]),
        low=np.minimum(open_, close) * (1.0 - reach[1]),
        close=close,
        volume=(~filled).astype(np.float64),
        filled=filled,
        segment=np.cumsum(starts),
    )


class Scripted(bt.Strategy):
    """Does what the script says at the close of the bars it names.

    Attributes
    ----------
    told : (bar, status, units) of every order notification, in order
    ended : profit before fees of every trade that ended
    """

    params: Any = (("script", {}),)

    def __init__(self) -> None:
        self.told: list[tuple[int, str, float]] = []
        self.ended: list[float] = []

    def next(self) -> None:
        for data in self.datas:
            act = self.p.script.get((data.symbol, data.index))
            if act is not None:
                act(self, data)

    def notify_order(self, order: Any) -> None:
        self.told.append((order.data.index, order.getstatusname(), order.size))

    def notify_trade(self, trade: Any) -> None:
        if trade.isclosed:
            self.ended.append(trade.pnl)


def run_script(bars: Bars, script: Mapping[int, Act], **terms: Any) -> Execution:
    """Run a script of (bar position -> act) on one symbol."""
    engine = Engine(**{"cash": 10_000.0, "costs": FREE, **terms})
    engine.add_bars(bars)
    return engine.execute(Scripted, script={(bars.symbol, at): act for at, act in script.items()})


def engine_of(
    markets: Sequence[Bars], first: int = 0, *, streamed: bool = False, **terms: Any
) -> Engine:
    """Return an engine with the markets added, recorded or streamed."""
    engine = Engine(**{"cash": 10_000.0, "costs": FREE, **terms})
    for bars in markets:
        if streamed:
            engine.add_stream(StreamFeed(stream_of(bars, first), bars[:first]))
        else:
            engine.add_bars(bars, first)
    return engine


def bracket(
    units: float = 1.0,
    *,
    below: float = 0.02,
    above: float = 0.03,
    trail: float = 0.0,
    exectype: int | None = None,
    price: float | None = None,
) -> Act:
    """Return the act of buying with stop and target relative to the fill."""

    def act(strategy: Scripted, data: Any) -> Any:
        entry = strategy.buy(
            data, size=units, exectype=exectype, price=price, transmit=False, reason="entry"
        )
        stop = {"exectype": bt.Order.Stop, "reason": "stop_loss", "below_fill": below}
        goal = {"exectype": bt.Order.Limit, "reason": "take_profit", "above_fill": above}
        strategy.sell(data, size=units, parent=entry, transmit=False, trail=trail, **stop)
        strategy.sell(data, size=units, parent=entry, transmit=True, **goal)
        return entry

    return act


def order(side: str, units: float = 1.0, **how: Any) -> Act:
    """Return the act of one plain order."""
    return lambda strategy, data: getattr(strategy, side)(data, size=units, **how)


def brief(fills: tuple[Fill, ...]) -> list[tuple[int, float, float, str]]:
    """Return bar, units, price aimed at and reason of each fill."""
    return [(f.bar, f.units, round(f.aimed_price, 6), f.reason) for f in fills]
