"""What a session holds, from its fills."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from engine.records import Fill, Trade, TradeBook


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """What is held of a symbol.

    Attributes
    ----------
    units : below 0 if short
    entry_price : paid per unit, on average
    opened_at : when the bar opened that filled its first order
    """

    symbol: str
    units: float
    entry_price: float
    opened_at: np.datetime64


def trades_and_positions(fills: Iterable[Fill]) -> tuple[list[Trade], list[Position]]:
    """Return the trades that have ended, and what is held still.

    Parameters
    ----------
    fills : all of a session, in order
    """
    book = TradeBook()
    held: dict[str, list[Fill]] = {}
    for fill in fills:
        ended = book.add(fill)
        held.setdefault(fill.symbol, []).append(fill)
        if ended is not None:
            held[fill.symbol] = []
    return book.trades, [_position(mine) for mine in held.values() if mine]


def _position(fills: list[Fill]) -> Position:
    entries = [fill for fill in fills if fill.units * fills[0].units > 0]
    bought = sum([fill.units for fill in entries])
    return Position(
        symbol=fills[0].symbol,
        units=sum([fill.units for fill in fills]),
        entry_price=sum([fill.units * fill.price for fill in entries]) / bought,
        opened_at=fills[0].filled_at,
    )
