"""A strategy that acts on planned bars, minds its exits, and says honestly when it will."""

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeAlias

import backtrader as bt
import numpy as np

from tests.engine.clock.witness import Notes

Order = bt.Order


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """What is done at the close of one bar.

    Attributes
    ----------
    kind : a key of `KINDS`
    on : the symbol that is traded; None for the one whose bar it is
    units : of an order; below 0 as a fraction of the free cash
    side : 1 buys, -1 sells
    away : of the order's price from the close, as a fraction of it, towards the better price
    stop, target : of a bracket, as fractions of its price
    trail : of a bracket's stop
    hold : bars after which the position is left
    leave : fall of a close below that of the act which leaves the position, as a fraction
    valid_bars : see `BarBroker`
    """

    kind: str = "market"
    on: str | None = None
    units: float = 1.0
    side: int = 1
    away: float = 0.0
    stop: float = 0.01
    target: float = 0.01
    trail: float = 0.0
    hold: int | None = None
    leave: float | None = None
    valid_bars: int = 0
    through: bool = False


Plan: TypeAlias = Mapping[tuple[str, int], Sequence[Act]]
"""(symbol, position of the bar at whose close it is done) -> what is done."""


@dataclass(slots=True)
class _Watch:
    """A position that is left by the strategy: after some bars, or below some close."""

    act: Act
    entry: Any
    stop: Any
    level: float
    entry_bar: int | None = None


class Actor(bt.Strategy):
    """Follows a plan.

    Parameters
    ----------
    plan : `Plan`
    veto : asked before each order that opens, as `Engine.veto`
    """

    params: Any = (("plan", {}), ("veto", None))

    def __init__(self) -> None:
        self.notes = Notes(self)
        self.orders: list[Any] = []
        self.feeds = {data.symbol: data for data in self.datas}
        self._watched: dict[Any, list[_Watch]] = {data: [] for data in self.datas}
        self._bars_seen: dict[Any, int] = {}
        self._planned: dict[str, list[int]] = {}
        for symbol, bar in sorted(self.p.plan):
            self._planned.setdefault(symbol, []).append(bar)

    def prenext(self) -> None:
        """Trade what has begun: backtrader waits for the first bar of the last symbol."""
        self.next()

    def next(self) -> None:
        for data in self.datas:
            if len(data) != self._bars_seen.get(data, 0):
                self._bars_seen[data] = len(data)
                self._on_bar(data)

    def _on_bar(self, data: Any) -> None:
        for watch in list(self._watched[data]):
            self._mind(data, watch)
        for act in self.p.plan.get((data.symbol, data.index), ()):
            self._do(self.feeds.get(act.on, data), act)

    def _do(self, data: Any, act: Act) -> None:
        self.notes.write("act", repr(act), data.symbol)
        if self.p.veto is not None and len(data) and act.units > 0:
            vetoed = self.p.veto(data, act.units, None)
            self.notes.write("veto", vetoed)
            if vetoed is not None:
                return
        KINDS[act.kind](self, data, act)

    def units(self, data: Any, act: Act) -> float:
        if act.units > 0:
            return act.units
        return -act.units * max(float(self.broker.free_cash()), 1.0) / float(data.close[0])

    def send(self, data: Any, act: Act, side: int, units: float | None = None, **how: Any) -> Any:
        """Send an order and keep it."""
        size = self.units(data, act) if units is None else units
        sent = (self.buy if side > 0 else self.sell)(data, size=size, **how)
        self.orders.append(sent)
        return sent

    # ---------------------------------------------------------------- exits of the strategy's own

    def watch(self, data: Any, act: Act, entry: Any, stop: Any) -> None:
        """Mind the position of the entry from now on, if the act says how long."""
        if act.hold is not None or act.leave is not None:
            level = data.close[0] * (1.0 - (act.leave or 1.0))
            self._watched[data].append(_Watch(act, entry, stop, level))

    def notify_trade(self, trade: Any) -> None:
        self.notes.trade(trade)

    def stop(self) -> None:
        self.notes.write("stop")

    def notify_order(self, order: Any) -> None:
        self.notes.order(order)
        for watch in self._watched[order.data]:
            if watch.entry.ref == order.ref and order.status == order.Completed:
                watch.entry_bar = order.data.index

    def _mind(self, data: Any, watch: _Watch) -> None:
        held = self.getposition(data).size
        if watch.entry_bar is None:
            return
        expired = watch.act.hold is not None and data.index - watch.entry_bar + 1 >= watch.act.hold
        if not held or not (expired or data.close[0] < watch.level):
            return
        self.notes.write("leave", data.symbol, expired)
        self._watched[data].remove(watch)
        if watch.stop is not None and watch.stop.alive():
            self.cancel(watch.stop)
        reason = "time_limit" if expired else "signal"
        self.send(data, watch.act, -1 if held > 0 else 1, abs(held), reason=reason)

    # ---------------------------------------------------------------- its wake-ups

    def wakes_at(self, data: Any) -> int | None:
        """Return the next bar of the symbol at whose close something is planned or left."""
        bars = [bar for watch in self._watched[data] for bar in self._left_at(data, watch)]
        planned = self._planned.get(data.symbol, [])
        after = bisect_right(planned, data.index)
        return min([*bars, *planned[after : after + 1]], default=None)

    def _left_at(self, data: Any, watch: _Watch) -> list[int]:
        if watch.entry_bar is None or not self.getposition(data).size:
            return []
        now, bars = data.index, []
        if watch.act.hold is not None:
            bars.append(max(now + 1, watch.entry_bar + watch.act.hold - 1))
        if watch.act.leave is not None:
            below = np.flatnonzero(data.recorded.close[now + 1 :] < watch.level)
            bars += [now + 1 + int(bar) for bar in below[:1]]
        return bars


# -------------------------------------------------------------------- what can be done


def _market(actor: Actor, data: Any, act: Act) -> None:
    entry = actor.send(data, act, act.side, reason="entry")
    actor.watch(data, act, entry, None)


def _single(exectype: int, towards: int) -> Callable[[Actor, Any, Act], None]:
    """Return the act of one order with a price; `towards` 1 for a better price, -1 for a worse."""

    def act_of(actor: Actor, data: Any, act: Act) -> None:
        price = data.close[0] * (1.0 - towards * act.side * act.away)
        how: dict[str, Any] = {"exectype": exectype, "price": price, "through": act.through}
        how["trail"] = act.trail
        if exectype == Order.StopLimit:
            how["plimit"] = price * (1.0 + act.side * act.target)
        if act.valid_bars:
            how["valid_bars"] = act.valid_bars
        entry = actor.send(data, act, act.side, **how)
        actor.watch(data, act, entry, None)

    return act_of


def _trailing(exectype: int) -> Callable[[Actor, Any, Act], None]:
    def act_of(actor: Actor, data: Any, act: Act) -> None:
        limit = {}
        if exectype == Order.StopTrailLimit:
            close = data.close[0]
            limit = {"price": close, "plimit": close * (1.0 + act.side * act.target)}
        actor.send(data, act, act.side, exectype=exectype, trailpercent=act.stop, **limit)

    return act_of


def _bracket(parent: int, *, relative: bool = True) -> Callable[[Actor, Any, Act], None]:
    def act_of(actor: Actor, data: Any, act: Act) -> None:
        side, units = act.side, actor.units(data, act)
        better = -1 if parent == Order.Stop else 1
        price = data.close[0] * (1.0 - better * side * act.away)
        how: dict[str, Any] = {"exectype": parent, "price": price, "reason": "entry"}
        if parent == Order.Limit:
            how |= {"through": act.through, "valid_bars": act.valid_bars}
        entry = actor.send(data, act, side, units, transmit=False, **how)
        below, above = ("below_fill", "above_fill") if side > 0 else ("above_fill", "below_fill")
        stop_at = {"price": price * (1.0 - side * act.stop)}
        goal_at = {"price": price * (1.0 + side * act.target)}
        if relative:
            stop_at |= {below: act.stop}
            goal_at |= {above: act.target}
        stop = actor.send(
            data, act, -side, units, parent=entry, transmit=False, exectype=Order.Stop,
            reason="stop_loss", trail=act.trail, **stop_at,
        )  # fmt: skip
        actor.send(
            data, act, -side, units, parent=entry, transmit=True, exectype=Order.Limit,
            reason="take_profit", **goal_at,
        )  # fmt: skip
        actor.watch(data, act, entry, stop)

    return act_of


def _dated(actor: Actor, data: Any, act: Act) -> None:
    """Send a limit order that backtrader itself lets expire."""
    price = data.close[0] * (1.0 - act.side * act.away)
    valid = timedelta(milliseconds=data.bar_length.ms * max(act.valid_bars, 1))
    actor.send(data, act, act.side, exectype=Order.Limit, price=price, valid=valid)


def _one_cancels_other(actor: Actor, data: Any, act: Act) -> None:
    close = data.close[0]
    first = actor.send(data, act, 1, exectype=Order.Limit, price=close * (1.0 - act.away))
    actor.send(data, act, -1, exectype=Order.Limit, price=close * (1.0 + act.away), oco=first)


def _cancel(actor: Actor, _data: Any, act: Act) -> None:
    alive = [order for order in actor.orders if order.alive()]
    if alive:
        actor.cancel(alive[int(100 * act.away) % len(alive)])


def _close(actor: Actor, data: Any, _act: Act) -> None:
    actor.close(data, reason="signal")


def _reverse(actor: Actor, data: Any, act: Act) -> None:
    held = actor.getposition(data).size
    if held:
        actor.send(data, act, -1 if held > 0 else 1, 2.0 * abs(held), reason="reverse")


def _two_at_once(actor: Actor, data: Any, act: Act) -> None:
    """Add to the position twice, by a market order and by a limit order near the close."""
    _market(actor, data, act)
    _single(Order.Limit, 1)(actor, data, act)


KINDS: Mapping[str, Callable[[Actor, Any, Act], None]] = {
    "market": _market,
    "limit": _single(Order.Limit, 1),
    "stop": _single(Order.Stop, -1),
    "stop_limit": _single(Order.StopLimit, -1),
    "trail": _trailing(Order.StopTrail),
    "trail_limit": _trailing(Order.StopTrailLimit),
    "close_order": _single(Order.Close, 1),
    "bracket": _bracket(Order.Market),
    "limit_bracket": _bracket(Order.Limit),
    "stop_bracket": _bracket(Order.Stop),
    "plain_bracket": _bracket(Order.Market, relative=False),
    "plain_limit_bracket": _bracket(Order.Limit, relative=False),
    "dated": _dated,
    "oco": _one_cancels_other,
    "cancel": _cancel,
    "close": _close,
    "reverse": _reverse,
    "two_at_once": _two_at_once,
}
