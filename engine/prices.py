"""Prices of the broker: those that orders have, and those at which they fill.

What it changes, and the facts of backtrader 1.9.78 that it relies on:

- Market and stop orders pay half the spread and the slippage, more of it the wider their bar, even
  at an open and even beyond the bar's range. `_try_exec_market` and `_try_exec_stop` ask `_slip_up`
  and `_slip_down` for every such price, and fill a stop that the open has jumped over at the open.
- Limits fill at their price, never better, and pay no penalty; backtrader fills a limit that the
  open has jumped over at the open. One that has rested pays the maker fee; one that the first open
  has jumped over never rested. `_execute` asks `getcommissioninfo` for the fee.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import backtrader as bt

from engine.data import SymbolFeed
from engine.orders import OrderBroker
from engine.rules import SymbolRules
from engine.sizing import Terms
from feeds.costs import Costs
from feeds.ticks import tick_down, tick_up, traded_through

Order = bt.Order

_NO_RULES = SymbolRules()
# Orders that wait for a price.
RESTING = (Order.Stop, Order.Limit)
_MAKER = "maker"  # no symbol has this name


class PriceBroker(OrderBroker):
    """A broker that fills at prices a trader could have had."""

    params: Any = (("costs", Costs()), ("rules", MappingProxyType({})))

    def init(self) -> None:
        super().init()
        self.setcommission(commission=self.p.costs.fee)
        self.setcommission(commission=self.p.costs.limit_fee, name=_MAKER)
        self._maker = False
        self._aimed = 0.0
        self._range = 0.0

    def rules_of(self, symbol: str) -> SymbolRules:
        """Return what the exchange asks of orders in a symbol."""
        rules: Mapping[str, SymbolRules] = self.p.rules
        return rules.get(symbol, _NO_RULES)

    def terms_of(
        self, data: SymbolFeed, price: float | None = None, *, by_limit: bool = False
    ) -> Terms:
        """Return the terms on which the symbol can be bought now; at the close if no price."""
        return Terms(
            price=float(data.close[0] if price is None else price),
            bar_range=range_of(data),
            costs=self.p.costs,
            rules=self.rules_of(data.symbol),
            by_limit=by_limit,
        )

    # ---------------------------------------------------------------- that orders have

    def _set_price(self, child: Any, fill: float) -> None:
        tick = self.rules_of(child.data.symbol).tick
        if "below_fill" in child.info:
            price = tick_down(fill * (1.0 - child.info["below_fill"]), tick)
        elif "above_fill" in child.info:
            price = tick_up(fill * (1.0 + child.info["above_fill"]), tick)
        else:
            return
        child.created.price = child.created.pricelimit = price

    def _trail(self, real: set[SymbolFeed]) -> None:
        for order in self.pending:
            data = order.data
            if not order.info.get("trail") or not order.active() or data not in real:
                continue
            high, low = data.high[0], data.low[0]
            if order.info.pop("follows_close", False):  # the bar's extreme may be older
                high = low = data.close[0]
            self.follow(order, high, low)

    def follow(self, order: Any, high: float, low: float) -> None:
        """Let a stop that trails follow a bar, or several: their highest high and lowest low."""
        fraction, created = order.info["trail"], order.created
        tick = self.rules_of(order.data.symbol).tick
        if order.issell():
            follows = max(created.price, tick_down(high * (1.0 - fraction), tick))
        else:
            follows = min(created.price, tick_up(low * (1.0 + fraction), tick))
        if follows != created.price:
            created.price = follows
            order.addinfo(trailed=True)

    # ---------------------------------------------------------------- at which they fill

    def _try_exec(self, order: Any) -> None:
        data, kind = order.data, order.exectype
        high, low, price = data.high[0], data.low[0], order.created.price
        untouched = low > price if falls_to(order) else high < price
        if untouched and kind in RESTING and "bar_begins_at" not in order.info:
            return  # as backtrader finds after a longer look
        self._range = high - low
        if kind == Order.Market:
            self._try_exec_market(order, data.open[0], high, low)
        elif kind == Order.Limit:
            self._try_exec_limit(order, data.open[0], high, low, price)
        elif kind == Order.Stop:
            self._try_exec_stop(order, data.open[0], high, low, price, data.close[0])
        else:
            super()._try_exec(order)

    def _slip_up(self, _pmax: Any, price: float, **_how: bool) -> float:
        self._aimed = price
        return float(self.p.costs.bought_at(price, self._range))

    def _slip_down(self, _pmin: Any, price: float, **_how: bool) -> float:
        self._aimed = price
        return float(self.p.costs.sold_at(price, self._range))

    def _try_exec_limit(
        self, order: Any, popen: float, phigh: float, plow: float, plimit: float
    ) -> None:
        side, best = (1.0, plow) if order.isbuy() else (-1.0, phigh)
        tick = self.rules_of(order.data.symbol).tick
        reached = side * best <= side * plimit
        if order.info.get("through"):
            reached = bool(traded_through(side * best, side * plimit, tick))
        if reached:
            self._aimed = plimit
            self._maker = "rests" in order.info or side * popen > side * plimit
            self._execute(order, ago=0, price=plimit)
            self._maker = False

    def getcommissioninfo(self, data: Any) -> Any:
        return self.comminfo[_MAKER] if self._maker else super().getcommissioninfo(data)

    def _try_exec_stop(self, order: Any, popen: float, *rest: float) -> None:
        super()._try_exec_stop(order, order.info.pop("bar_begins_at", popen), *rest)

    def _try_exec_stoplimit(self, order: Any, *bar: float) -> None:
        """Fill at the limit; on the bar that triggers it, only if the limit is beyond the stop."""
        popen, phigh, plow, pclose, trigger, limit = bar
        side = 1.0 if order.isbuy() else -1.0
        if side * (phigh if order.isbuy() else plow) >= side * trigger:
            order.triggered = True
            if side * popen >= side * trigger:
                self._try_exec_limit(order, popen, phigh, plow, limit)
            elif side * limit >= side * trigger:
                self._try_exec_limit(order, popen, limit, limit, limit)
        if order.alive() and order.exectype == Order.StopTrailLimit:
            order.trailadjust(pclose)


def range_of(data: SymbolFeed) -> float:
    """Return high less low of the current bar."""
    return float(data.high[0] - data.low[0])


def falls_to(order: Any) -> bool:
    """Return whether prices fall to a resting order: to a stop that sells, to a limit that buys."""
    return bool(order.issell() == (order.exectype == Order.Stop))
