"""Trades as the broker meets them: which tape is believed, and a bar that is one trade."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import backtrader as bt
import numpy as np

from engine.data import SymbolFeed
from engine.paper.moments import PaperMoment
from engine.prices import falls_to
from feeds.live.moment import Tape

Order = bt.Order

_PRICES = ("open", "high", "low", "close")


def usable(moment: PaperMoment, data: SymbolFeed) -> Tape | None:
    """Return the tape of a symbol if its bar is what its trades add up to.

    One that begins inside the bar must end with the bar's close and stay in its range.
    """
    tape = moment.tapes.get(data.symbol)
    if tape is None or tape.since is None or not len(tape.price):
        return None
    low, high = float(tape.price.min()), float(tape.price.max())
    whole = bool(tape.since <= data.bar_time)
    in_range = data.low[0] <= low and high <= data.high[0]
    reaches = low == data.low[0] and high == data.high[0]
    closes = float(tape.price[-1]) == data.close[0]
    return tape if closes and (reaches if whole else in_range) else None


def shows_all(tape: Tape, data: SymbolFeed, orders: Iterable[Any]) -> bool:
    """Return whether no trade is missing that an order of the symbol may have met.

    A market order of this bar takes the first that was seen: who decides is not yet watching.
    """
    opened = data.bar_time
    return all(
        tape.since <= max(opened, order.info["sent_at"])
        or (order.exectype == Order.Market and order.info["sent_at"] >= opened)
        for order in orders
        if order.data is data and order.active()
    )


def can_fill(order: Any, at: np.datetime64, price: float) -> bool:
    """Return whether a trade comes after an order was sent, and at a price that reaches it."""
    if order.info["sent_at"] > at:
        return False
    if order.exectype == Order.Market:
        return True
    asked = order.created.price
    return bool(price <= asked if falls_to(order) else price >= asked)


@contextmanager
def standing_at(data: SymbolFeed, price: float) -> Iterator[None]:
    """Let the current bar be one trade."""
    bar = {name: getattr(data, name)[0] for name in _PRICES}
    for name in _PRICES:
        getattr(data, name)[0] = price
    try:
        yield
    finally:
        for name, value in bar.items():
            getattr(data, name)[0] = value
