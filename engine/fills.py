"""What fills do to the account, and their records: the part of the broker that counts the money.

What it changes, and the facts of backtrader 1.9.78 that it relies on:

- Rounding leaves nothing behind: an exit closes the position exactly (in backtrader 0.1 + 0.2
  bought and 0.3 sold leaves a rest), an order that turns one around is filled completely.
- Cash is checked once, at the price really paid (`checksubmit` is off).
"""

from collections.abc import Iterator
from typing import Any

import backtrader as bt
import numpy as np

from engine.account import AccountHistory
from engine.data import SymbolFeed
from engine.errors import RunError
from engine.prices import PriceBroker
from engine.records import DUST, Fill, Rejection, TradeBook

Order = bt.Order


class FillBroker(PriceBroker):
    """A broker that counts the money and records every fill.

    Attributes
    ----------
    fills : what was executed, in order
    rejections : what was refused or dropped, in order
    book : the trades that have ended
    history : losses of these trades; falls of the equity too if `watch_equity` is set
    """

    params: Any = (
        ("checksubmit", False),
        ("watch_equity", False),
    )

    def init(self) -> None:
        super().init()
        self.fills: list[Fill] = []
        self.rejections: list[Rejection] = []
        self.book = TradeBook()
        self.history = AccountHistory(float(self.startingcash))
        self._last_order: dict[SymbolFeed, Any] = {}

    def add_cash(self, cash: float) -> None:
        """Refuse: equity is counted from the first cash and the fills."""
        raise RunError(f"cash must stay as it was given at the start, found {cash} to be added")

    def free_cash(self) -> float:
        """Return the cash that waiting entries have not spoken for, at the prices they saw."""
        return float(self.getcash() - sum(cost for _, cost in self._waiting()))

    def at_work(self) -> dict[str, float]:
        """Return by symbol the value of its position, and the cost of its waiting entries."""
        money = {data.symbol: held.size * float(data.close[0]) for data, held in self.held()}
        for symbol, cost in self._waiting():
            money[symbol] = money.get(symbol, 0.0) + cost
        return money

    def _waiting(self) -> Iterator[tuple[str, float]]:
        """Yield symbol and cost of each entry that waits, on the terms that it saw."""
        for order in self.pending:
            if order.isbuy() and order.parent is None:
                yield order.data.symbol, order.size * order.info["terms"].paid

    def _now(self) -> np.datetime64:
        return max(data.moment for data in self.cerebro.datas if len(data))

    def _count_equity(self, busy: bool) -> None:
        """Count the equity at this close, and remember it where it can have changed.

        Idle bars may be left out: the equity stands still. While something is held every close
        counts, and an engine that skips such a bar must mark its close all the same.
        """
        value = self._get_value()
        if busy and self.p.watch_equity:
            self.history.mark(self._now(), value)

    def held(self) -> list[tuple[SymbolFeed, Any]]:
        """Return the feeds with an open position, and that, in the run's order.

        Sums of floats depend on the order; that of `positions` on who asked first.
        """
        own = [
            (data, self.positions[data]) for data in self.cerebro.datas if data in self.positions
        ]
        return [(data, position) for data, position in own if position.size]

    def _held(self, data: SymbolFeed) -> float:
        return float(self.positions[data].size) if data in self.positions else 0.0

    def _note_rejection(self, order: Any, reason: str) -> None:
        self.rejections.append(
            Rejection(
                symbol=order.data.symbol,
                units=float(order.size),
                decided_at=order.info["decided_at"],
                reason=reason,
            )
        )

    # ---------------------------------------------------------------- money

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
        before = len(order.executed)
        super()._execute(order, ago=ago, price=price, **how)
        if len(order.executed) > before:
            self._last_order[order.data] = order
            self._note_fill(self._fill(order))
        if order.status == Order.Margin:
            self._note_rejection(order, "cash")

    def _fit(self, order: Any) -> None:
        """Let an exit close the position exactly: a bracket's child sells no more than is held."""
        held, rest = self._held(order.data), order.executed.remsize
        if held * rest >= 0:
            return
        too_much = order.parent is not None and abs(rest) > abs(held)
        if too_much or abs(held + rest) <= DUST * abs(held):
            order.executed.remsize = -held

    def _note_fill(self, fill: Fill) -> None:
        self.fills.append(fill)
        ended = self.book.add(fill)
        if ended is not None:
            self.history.note_trade(ended)

    def _fill(self, order: Any) -> Fill:
        bit, data = order.executed.exbits[-1], order.data
        reason = "trailing_stop" if "trailed" in order.info else order.info.get("reason", "signal")
        return Fill(
            symbol=data.symbol,
            units=float(bit.size),
            price=float(bit.price),
            aimed_price=self._aimed,
            fee=float(bit.comm),
            decided_at=order.info["decided_at"],
            filled_at=data.bar_time,
            bar=data.index,
            reason=reason,
        )

    def _get_value(self, datas: Any = None, lever: bool = False) -> float:  # noqa: ARG002  no leverage
        if datas is not None:
            return float(sum(self._held(data) * data.close[0] for data in datas))
        held = self.held()
        worth = float(sum(pos.size * data.close[0] for data, pos in held))
        self._value = self._valuelever = self.cash + worth
        self._valuemkt = self._valuemktlever = worth
        self._unrealized = worth - sum(pos.size * pos.price for _, pos in held)
        self._fundval = self._value / self._fundshares
        return float(self._value)
