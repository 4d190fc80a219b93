"""The broker: backtrader's own, with fills that a trader could have had.

What it changes, and the facts of backtrader 1.9.78 that it relies on:

- Market and stop orders pay half the spread and the slippage, even at an open and even beyond the
  bar's range. `_try_exec_market` and `_try_exec_stop` ask `_slip_up` and `_slip_down` for every
  such price, and fill a stop that the open has jumped over at the open.
- Limits fill at their price, never better, and pay no penalty (`_try_exec_limit`).
- Within a bar market orders come first, then stops, then limits; backtrader goes by age.
- The children of a bracket live from the moment their parent fills; backtrader's sleep until the
  next bar (`_toactivate`). They only ever reduce the position, and end with it.
- A bar that stands in for a missing one fills nothing, nor does a symbol without a bar at the
  moment; backtrader would match the symbol's last bar again.
- Nothing is carried across the edge of a segment.
- Cash is checked once, at the price really paid (`checksubmit` is off).
"""

from collections import deque
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import backtrader as bt
import numpy as np
from backtrader.order import BuyOrder, SellOrder
from pydantic import BaseModel, ConfigDict, Field

from engine.data import SymbolFeed
from engine.errors import RunError
from engine.records import Fill, Rejection
from feeds.costs import Costs
from feeds.exits import tick_down, tick_up

Order = bt.Order

# What is left of a position when units that should cancel out do so only up to rounding.
_DUST = 1e-9
_TURN = {Order.Market: 0, Order.Stop: 1, Order.StopTrail: 1}
_NEEDS_SESSIONS = (Order.Close, Order.Historical)


class SymbolRules(BaseModel):
    """What an exchange asks of orders in one symbol; 0 asks nothing.

    Attributes
    ----------
    amount_step : units come in multiples of this
    tick : prices come in multiples of this; stops and targets are rounded to it
    min_notional : least value, in quote currency, of an order that opens or adds to a position
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    amount_step: float = Field(default=0.0, ge=0.0, allow_inf_nan=False)
    tick: float = Field(default=0.0, ge=0.0, allow_inf_nan=False)
    min_notional: float = Field(default=0.0, ge=0.0, allow_inf_nan=False)


NO_RULES = SymbolRules()


class BarBroker(bt.brokers.BackBroker):
    """A broker that fills orders from the bars of `engine.data` feeds.

    An order may carry these keys (`self.buy(..., reason="entry")`):

    - `reason` names the order in its `Fill`; `signal` if absent;
    - `below_fill`, `above_fill`: the price of a bracket's child as a fraction below or above the
      price its parent pays, rounded away from it to the symbol's tick;
    - `trail` (0 for none): after each bar without an exit a stop follows to this fraction below
      the bar's high (above its low for a stop that buys), effective from the next bar; the fill
      of a stop that has followed gives `trailing_stop` as its reason.

    Attributes
    ----------
    fills : what was executed, in order
    rejections : what was refused or dropped, in order
    """

    params: Any = (
        ("costs", Costs()),
        ("rules", MappingProxyType({})),
        ("checksubmit", False),
    )

    _toactivate: deque[Any]

    def init(self) -> None:
        super().init()
        self.setcommission(commission=self.p.costs.fee)
        self.fills: list[Fill] = []
        self.rejections: list[Rejection] = []
        self._aimed = 0.0
        self._last_order: dict[SymbolFeed, Any] = {}

    # ---------------------------------------------------------------- orders come in

    def submit(self, order: Any, check: bool = True) -> Any:
        order.addinfo(decided_at=self._now())
        refusal = self._refusal(order)
        if refusal is None:
            return super().submit(order, check)
        self._reject(order, refusal)
        # A bracket is taken whole or not at all: what came before waits for a last child.
        for waiting in self._pchildren.pop(getattr(order.parent, "ref", order.ref), ()):
            waiting.reject(self)
            self.notify(waiting)
        return order

    def _now(self) -> np.datetime64:
        return max(data.moment for data in self.cerebro.datas if len(data))

    def rules_of(self, symbol: str) -> SymbolRules:
        """Return what the exchange asks of orders in a symbol."""
        rules: Mapping[str, SymbolRules] = self.p.rules
        return rules.get(symbol, NO_RULES)

    def _refusal(self, order: Any) -> str | None:
        """Return why the order cannot be taken, or None."""
        if order.parent is None and _relative(order):
            raise RunError(
                f"{order.data.symbol}: below_fill and above_fill refer to the fill of a parent "
                "order, found an order without one; give it a price"
            )
        rules = self.rules_of(order.data.symbol)
        if order.exectype in _NEEDS_SESSIONS:
            return "order_type"
        if order.data.segment_end[0]:
            return "segment_end"
        if not _is_multiple(order.size, rules.amount_step):
            return "amount_step"
        small = abs(order.size) * order.created.price < rules.min_notional
        return "min_notional" if small and not self._reduces(order) else None

    def _reduces(self, order: Any) -> bool:
        return order.parent is not None or order.size * self._held(order.data) < 0

    def _held(self, data: SymbolFeed) -> float:
        return float(self.positions[data].size) if data in self.positions else 0.0

    def _reject(self, order: Any, reason: str) -> None:
        order.reject(self)
        self.notify(order)
        self._note(order, reason)

    def _note(self, order: Any, reason: str) -> None:
        self.rejections.append(
            Rejection(
                symbol=order.data.symbol,
                units=order.size,
                decided_at=order.info["decided_at"],
                reason=reason,
            )
        )

    # ---------------------------------------------------------------- a bar passes

    def next(self) -> None:
        while self._toactivate:
            self._toactivate.popleft().activate()
        if self.pending or any(position.size for position in self.positions.values()):
            self._work(self._arrived())
        self._get_value()

    def _arrived(self) -> list[SymbolFeed]:
        """Return the feeds that have a bar at this moment, in the run's order."""
        begun = [data for data in self.cerebro.datas if len(data)]
        now = max(data.datetime[0] for data in begun)
        return [data for data in begun if data.datetime[0] == now]

    def _work(self, arrived: list[SymbolFeed]) -> None:
        for data in arrived:
            # Only a stream can get here with something open: it cannot know of a hole beforehand.
            if len(data) > 1 and data.segment[0] != data.segment[-1]:
                self._end_segment(data, data.open[0])
        real = {data for data in arrived if not data.filled[0]}
        self._match(real)
        for data in arrived:
            if data.segment_end[0]:
                self._end_segment(data, data.close[0])
        self._trail(real)

    def _match(self, real: set[SymbolFeed]) -> None:
        turn = sorted(self.pending, key=_precedence)
        while turn:
            asleep = []
            for order in turn:
                if not order.active():
                    asleep.append(order)
                elif order.alive() and order.data in real:
                    self._offer(order)
            # A limit order that filled may have woken a stop whose turn was over.
            turn = [order for order in asleep if order.active() and order.alive()]

    def _offer(self, order: Any) -> None:
        """Let one order meet its bar."""
        self.pending.remove(order)
        if order.expire():
            self.notify(order)
            self._ococheck(order)
            self._bracketize(order, cancel=True)
            return
        self._try_exec(order)
        if order.alive():
            self.pending.append(order)
        elif order.status == Order.Completed:
            self._bracketize(order)
            self._wake_children(order)
            self._drop_orphans(order.data)

    def _wake_children(self, parent: Any) -> None:
        """Set the children's prices and let them meet the bar on which their parent filled.

        If the parent filled inside the bar, what came before its fill is unknown: the stop counts
        the bar as beginning at the fill, the target waits for the next bar.
        """
        at_open = parent.exectype in _TURN and self._aimed == parent.data.open[0]
        later: deque[Any] = deque()
        for child in self._toactivate:
            if child.parent == parent:
                self._set_price(child, parent.executed.price)
                if not at_open:
                    child.addinfo(bar_begins_at=self._aimed)
            if child.parent == parent and (at_open or child.exectype in _TURN):
                child.activate()
            else:
                later.append(child)
        self._toactivate = later

    def _set_price(self, child: Any, fill: float) -> None:
        tick = self.rules_of(child.data.symbol).tick
        if "below_fill" in child.info:
            price = tick_down(fill * (1.0 - child.info["below_fill"]), tick)
        elif "above_fill" in child.info:
            price = tick_up(fill * (1.0 + child.info["above_fill"]), tick)
        else:
            return
        child.created.price = child.created.pricelimit = price

    def _drop_orphans(self, data: SymbolFeed) -> None:
        """Cancel bracket exits whose position is gone; they would open another one."""
        held = self._held(data)
        for order in list(self.pending):
            exits = order.data is data and order.parent is not None and order.active()
            if exits and order.size * held >= 0:
                self.cancel(order)

    def _trail(self, real: set[SymbolFeed]) -> None:
        for order in self.pending:
            data, fraction, created = order.data, order.info.get("trail"), order.created
            if not fraction or not order.active() or data not in real:
                continue
            if order.issell():
                follows = max(created.price, data.high[0] * (1.0 - fraction))
            else:
                follows = min(created.price, data.low[0] * (1.0 + fraction))
            if follows != created.price:
                created.price = follows
                order.addinfo(trailed=True)

    # ---------------------------------------------------------------- a segment ends

    def _end_segment(self, data: SymbolFeed, price: float) -> None:
        """Close the position at `price` and drop the orders, so that nothing crosses the edge."""
        held = self._held(data)
        if held:
            self._close_out(data, held, price)
        # Parents first: cancelling a child would take its parent along unrecorded.
        for order in sorted(self.pending, key=lambda order: order.ref):
            if order.data is not data or not self.cancel(order):
                continue
            if order.parent is None and order.size * held >= 0:
                self._note(order, "segment_end")

    def _close_out(self, data: SymbolFeed, held: float, price: float) -> None:
        last = self._last_order[data]
        kind = SellOrder if held > 0 else BuyOrder
        order = kind(owner=last.owner, data=data, size=abs(held), tradeid=last.tradeid)
        reason = "end_of_data" if data.ends_data else "segment_end"
        order.addinfo(reason=reason, decided_at=data.moment)
        self._ocoize(order, None)
        order.submit(self)
        order.accept(self)
        slip = self._slip_down if held > 0 else self._slip_up
        self._execute(order, ago=0, price=slip(None, price))

    # ---------------------------------------------------------------- prices and money

    def _slip_up(self, _pmax: Any, price: float, **_how: bool) -> float:
        self._aimed = price
        return float(price * (1.0 + self.p.costs.market_penalty))

    def _slip_down(self, _pmin: Any, price: float, **_how: bool) -> float:
        self._aimed = price
        return float(price * (1.0 - self.p.costs.market_penalty))

    def _try_exec_limit(
        self, order: Any, _popen: float, phigh: float, plow: float, plimit: float
    ) -> None:
        if plow <= plimit if order.isbuy() else phigh >= plimit:
            self._aimed = plimit
            self._execute(order, ago=0, price=plimit)

    def _try_exec_stop(self, order: Any, popen: float, *rest: float) -> None:
        super()._try_exec_stop(order, order.info.pop("bar_begins_at", popen), *rest)

    def _try_exec_stoplimit(self, order: Any, *bar: float) -> None:
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

    def _execute(
        self, order: Any, ago: int | None = None, price: float | None = None, **how: Any
    ) -> Any:
        self._fit(order)
        before = len(order.executed)
        super()._execute(order, ago=ago, price=price, **how)
        if len(order.executed) > before:
            self._last_order[order.data] = order
            self.fills.append(self._fill(order))
        if order.status == Order.Margin:
            self._note(order, "cash")

    def _fit(self, order: Any) -> None:
        """Let an exit close the position exactly: a bracket's child sells no more than is held."""
        held, rest = self._held(order.data), order.executed.remsize
        if held * rest >= 0:
            return
        too_much = order.parent is not None and abs(rest) > abs(held)
        if too_much or abs(held + rest) <= _DUST * abs(held):
            order.executed.remsize = -held

    def _fill(self, order: Any) -> Fill:
        bit, data = order.executed.exbits[-1], order.data
        reason = "trailing_stop" if "trailed" in order.info else order.info.get("reason", "signal")
        return Fill(
            symbol=data.symbol,
            units=bit.size,
            price=bit.price,
            aimed_price=self._aimed,
            fee=bit.comm,
            decided_at=order.info["decided_at"],
            filled_at=data.bar_time,
            bar=data.index,
            reason=reason,
        )

    def _get_value(self, datas: Any = None, lever: bool = False) -> float:  # noqa: ARG002
        held = [
            (position.size, position.price, data.close[0])
            for data, position in self.positions.items()
            if position.size and (datas is None or data in set(datas))
        ]
        worth = sum(size * close for size, _, close in held)
        if datas is not None:
            return float(worth)
        self._valuemkt = self._valuemktlever = worth
        self._value = self._valuelever = self.cash + worth
        self._unrealized = sum(size * (close - price) for size, price, close in held)
        self._fundval = self._value / self._fundshares
        return float(self._value)

    def add_cash(self, cash: float) -> None:
        """Refuse: equity is counted from the first cash and the fills."""
        raise RunError(f"cash must stay as it was given at the start, found {cash} to be added")


def _precedence(order: Any) -> tuple[int, int]:
    return _TURN.get(order.exectype, 2), order.ref


def _relative(order: Any) -> bool:
    return "below_fill" in order.info or "above_fill" in order.info


def _is_multiple(units: float, step: float) -> bool:
    return not step or abs(units / step - round(units / step)) < 1e-6
