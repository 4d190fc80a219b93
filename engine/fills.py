"""The records of fills and refusals: the part of the broker that writes down what happened."""

from collections.abc import Iterator
from typing import Any

import backtrader as bt
import numpy as np

from engine.account import AccountHistory
from engine.data import SymbolFeed
from engine.records import NO_CASH, Fill, Rejection, TradeBook
from engine.spot import SpotBroker

Order = bt.Order


class FillBroker(SpotBroker):
    """A broker that records every fill.

    Attributes
    ----------
    fills : what was executed, in order
    rejections : what was refused or dropped, in order
    book : the trades that have ended
    history : losses of these trades; falls of the equity too if `watch_equity` is set
    """

    params: Any = (("watch_equity", False),)

    def init(self) -> None:
        super().init()
        self.fills: list[Fill] = []
        self.rejections: list[Rejection] = []
        self.book = TradeBook()
        self.history = AccountHistory(float(self.startingcash))
        self._last_order: dict[SymbolFeed, Any] = {}

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
        return np.datetime64(max(self._begun(), key=_stamp_of).moment)

    def _begun(self) -> list[SymbolFeed]:
        """Return the feeds that have had a bar, in the run's order."""
        return [data for data in self.cerebro.datas if len(data)]

    def _arrived(self) -> list[SymbolFeed]:
        """Return the feeds that have a bar at this moment, in the run's order."""
        begun = self._begun()
        stamps = [data.datetime[0] for data in begun]
        now = max(stamps)
        return [data for data, stamp in zip(begun, stamps, strict=True) if stamp == now]

    def _count_equity(self, busy: bool) -> None:
        """Count the equity at this close, and remember it where it can have changed.

        Idle bars may be left out: the equity stands still. While something is held every close
        counts, and an engine that skips such a bar must mark its close all the same.
        """
        value = self._get_value()
        if busy and self.p.watch_equity:
            self.history.mark(self._now(), value)

    def state(self) -> tuple[Any, ...]:
        """Return what changes when anything happens: money, records, orders and their status."""
        orders = [(order.ref, order.status) for order in self.pending]
        return self.cash, len(self.fills), len(self.rejections), len(self.notifs), orders

    def _note_rejection(self, order: Any, reason: str) -> None:
        self.rejections.append(
            Rejection(
                symbol=order.data.symbol,
                units=float(order.size),
                decided_at=order.info["decided_at"],
                reason=reason,
            )
        )

    def _execute(
        self, order: Any, ago: int | None = None, price: float | None = None, **how: Any
    ) -> None:
        before = len(order.executed)
        super()._execute(order, ago=ago, price=price, **how)
        if len(order.executed) > before:
            self._last_order[order.data] = order
            self._note_fill(self._fill(order))
        if order.status == Order.Margin:
            self._note_rejection(order, NO_CASH)

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


def _stamp_of(data: SymbolFeed) -> float:
    """Return the stamp of the current bar."""
    return float(data.datetime[0])
