"""What happened in a run: fills, refusals, trades."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

# What is left of a position when units that should cancel out do so only up to rounding.
DUST = 1e-9

# The reason of a `Rejection` whose entry was traded all the same, for less.
PARTIAL_CASH = "partial_cash"
# The reason of one whose order found too little cash when it was to fill.
NO_CASH = "cash"
# The reason of one whose limit order waited in vain: nobody refused it.
UNFILLED = "unfilled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One executed order, in full.

    Attributes
    ----------
    units : bought if above 0, sold if below
    price : paid or received per unit, spread and slippage included
    aimed_price : the price before spread and slippage
    fee : in quote currency
    decided_at : when the bar closed on which the order was decided
    filled_at : open time of the bar that filled it
    bar : position of that bar in its symbol's `Bars`
    reason : why the order was made: `entry`, `take_profit`, `stop_loss`, …
    """

    symbol: str
    units: float
    price: float
    aimed_price: float
    fee: float
    decided_at: np.datetime64
    filled_at: np.datetime64
    bar: int
    reason: str

    @property
    def cash_change(self) -> float:
        """What the fill did to the cash."""
        return -self.units * self.price - self.fee


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """Units that were wanted and not traded, and why: an order refused, dropped or never sent.

    Attributes
    ----------
    units : to buy if above 0, to sell if below
    decided_at : when the bar closed on which the order was decided
    reason : `no_cash` if at the decision there was nothing to buy from; `partial_cash` if there
        was not enough for these units, while the others were bought; `cash` if there was not
        enough at the fill; `amount_step`, `min_notional` or `order_type` if a rule was broken;
        `no_bar` if the symbol had no bar yet; `unfilled` if the price did not trade through a
        limit in time; `segment_end` if the market stopped before the
        order could fill
    """

    symbol: str
    units: float
    decided_at: np.datetime64
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """A position from flat to flat; prices are averages over its fills.

    Attributes
    ----------
    units : of all entries together; below 0 for a short position
    pnl : what the cash gained, fees paid
    """

    symbol: str
    units: float
    entry_price: float
    exit_price: float
    decided_at: np.datetime64
    opened_at: np.datetime64
    closed_at: np.datetime64
    bars_held: int
    fees: float
    pnl: float
    exit_reason: str

    @property
    def return_fraction(self) -> float:
        """Net profit over the money put in."""
        return self.pnl / (abs(self.units) * self.entry_price)


@dataclass(slots=True)
class TradeBook:
    """Joins fills, oldest first, into trades as they end.

    A fill that turns a position around ends one trade and begins the next, its fee divided by
    units.

    Attributes
    ----------
    trades : those that have ended, in that order
    """

    trades: list[Trade] = field(default_factory=list)
    _open: dict[str, list[Fill]] = field(default_factory=dict)

    def add(self, fill: Fill) -> Trade | None:
        """Take the next fill and return the trade that it ended, if it did."""
        held = self._open.setdefault(fill.symbol, [])
        ended = None
        for part in _split_at_flat(fill, _units(held)):
            held.append(part)
            if _is_flat(held):
                ended = _trade(held)
                self.trades.append(ended)
                held = self._open[fill.symbol] = []
        return ended


def trades_of(fills: Iterable[Fill]) -> list[Trade]:
    """Return the trades of the fills, oldest first; a position still open makes none."""
    book = TradeBook()
    for fill in fills:
        book.add(fill)
    return book.trades


def _split_at_flat(fill: Fill, held: float) -> Iterator[Fill]:
    """Yield the part of a fill that closes the position, then the part that opens another."""
    after = held + fill.units
    if held * after < 0 and abs(after) > DUST * abs(held):
        share = -held / fill.units
        yield replace(fill, units=-held, fee=fill.fee * share)
        yield replace(fill, units=after, fee=fill.fee * (1.0 - share))
    else:
        yield fill


def _units(fills: list[Fill]) -> float:
    return sum([f.units for f in fills])


def _is_flat(fills: list[Fill]) -> bool:
    return abs(_units(fills)) <= DUST * abs(fills[0].units)


def _trade(fills: list[Fill]) -> Trade:
    entries = [f for f in fills if f.units * fills[0].units > 0]
    exits = [f for f in fills if f.units * fills[0].units < 0]
    return Trade(
        symbol=fills[0].symbol,
        units=_units(entries),
        entry_price=_average_price(entries),
        exit_price=_average_price(exits),
        decided_at=fills[0].decided_at,
        opened_at=fills[0].filled_at,
        closed_at=fills[-1].filled_at,
        bars_held=fills[-1].bar - fills[0].bar,
        fees=sum([f.fee for f in fills]),
        pnl=sum([f.cash_change for f in fills]),
        exit_reason=fills[-1].reason,
    )


def _average_price(fills: list[Fill]) -> float:
    return sum([f.units * f.price for f in fills]) / _units(fills)
