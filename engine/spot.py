"""What a fill does to cash and position on a spot account: no leverage, no interest, no part fills.

What it changes, and the facts of backtrader 1.9.78 that it relies on:

- Rounding leaves nothing behind: an exit closes the position exactly (in backtrader 0.1 + 0.2
  bought and 0.3 sold leaves a rest), an order that turns one around is filled completely.
- Cash is checked once, at the price really paid (`checksubmit` is off).
- A position does not note when it changed; fills do.
- `_execute` is asked for every fill. Its arithmetic is repeated here, sum by sum, without what a
  spot account has no use for: half of the time of a fill went there.
"""

from typing import Any

import backtrader as bt
from backtrader.position import Position

from engine.data import SymbolFeed
from engine.errors import RunError
from engine.prices import PriceBroker
from engine.records import DUST

Order = bt.Order

# What backtrader's broker can be told and a spot account cannot be.
_SPOT = {"checksubmit": False, "shortcash": True, "int2pnl": True, "fundmode": False}


class SpotBroker(PriceBroker):
    """A broker that counts the money."""

    params: Any = (("checksubmit", False),)

    cash: float
    _open: list[tuple[SymbolFeed, Any]] | None  # what is held, until the next fill

    def init(self) -> None:
        super().init()
        self._open = []
        told = {name: getattr(self.p, name) for name in _SPOT}
        told["leverage"] = max(info.get_leverage() for info in self.comminfo.values())
        told["stocklike"] = all(info.stocklike for info in self.comminfo.values())
        for name, must in {**_SPOT, "leverage": 1.0, "stocklike": True}.items():
            if told[name] != must:
                raise RunError(f"a spot account must have {name} {must}, found {told[name]}")

    def add_cash(self, cash: float) -> None:
        """Refuse: equity is counted from the first cash and the fills."""
        raise RunError(f"cash must stay as it was given at the start, found {cash} to be added")

    def held(self) -> list[tuple[SymbolFeed, Any]]:
        """Return the feeds with an open position, and that, in the run's order.

        Sums of floats depend on the order; that of `positions` on who asked first.
        """
        if self._open is None:
            known = self.positions
            self._open = [(d, known[d]) for d in self.cerebro.datas if d in known and known[d].size]
        return self._open

    def _units_held(self, data: SymbolFeed) -> float:
        return float(self.positions[data].size) if data in self.positions else 0.0

    def notify(self, order: Any) -> None:
        """Tell the owner; what rounding left of a position turned around is not a partial fill."""
        rest = order.executed.remsize
        if order.status == Order.Partial and abs(rest) <= DUST * abs(order.size):
            order.executed.remsize = 0.0
            order.completed()
        super().notify(order)

    def _execute(
        self, order: Any, ago: int | None = None, price: float | None = None, **how: Any
    ) -> None:
        self._fit(order)
        at_close = how.get("dtcoc") is not None
        if ago is None or price is None or at_close or self.p.filler is not None:
            super()._execute(order, ago=ago, price=price, **how)
        else:
            self._settle(order, price)
        self._open = None

    def _fit(self, order: Any) -> None:
        """Let an exit close the position exactly: a bracket's child sells no more than is held."""
        held, rest = self._units_held(order.data), order.executed.remsize
        if held * rest >= 0:
            return
        too_much = order.parent is not None and abs(rest) > abs(held)
        if too_much or abs(held + rest) <= DUST * abs(held):
            order.executed.remsize = -held

    def _settle(self, order: Any, price: float) -> None:
        """Execute the order in full; what opens a position only if the cash pays for it."""
        data, info = order.data, self.getcommissioninfo(order.data)
        position = self.positions[data]
        entered, size = position.price, order.executed.remsize
        held, average, opened, closed = Position(position.size, entered).update(size, price)
        gain, returned, spent = -closed * (price - entered), -closed * entered, opened * price
        exit_fee, entry_fee = info.getcommission(closed, price), info.getcommission(opened, price)
        if closed:
            self.cash = self.cash + (returned + gain) - exit_fee
        left = self.cash - spent - entry_fee
        refused = bool(opened) and left < 0.0
        if refused:
            opened, spent, entry_fee = 0, 0.0, 0.0
        elif opened:
            self.cash = left
        if closed or opened:
            position.update(closed + opened, price)
            of_closed, of_opened = (closed, returned, exit_fee), (opened, spent, entry_fee)
            rest = info.margin, gain, held, average
            order.execute(data.datetime[0], closed + opened, price, *of_closed, *of_opened, *rest)
            order.addcomminfo(info)
            self.notify(order)
            self._ococheck(order)
        if refused:
            order.margin()
            self._drop(order)

    def _drop(self, order: Any) -> None:
        """Tell of an order that ended without a fill, and cancel those that hang on it."""
        self.notify(order)
        self._ococheck(order)
        self._bracketize(order, cancel=True)

    def _get_value(self, datas: Any = None, lever: bool = False) -> float:  # noqa: ARG002  no leverage
        if datas is not None:
            return float(sum(self._units_held(data) * data.close[0] for data in datas))
        held = self.held()
        worth = float(sum([pos.size * data.close[0] for data, pos in held]))
        self._value = self._valuelever = self.cash + worth
        self._valuemkt = self._valuemktlever = worth
        self._unrealized = worth - sum([pos.size * pos.price for _, pos in held])
        self._fundval = self._value / self._fundshares
        return float(self._value)
