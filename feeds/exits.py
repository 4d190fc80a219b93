"""How a long position ends: one compiled rule for labels, engine and sweeps.

The convention, the same as the broker's (docs/assumptions.md): an entry at the market fills at a
bar's open, so that bar's whole range counts; one that fills inside its bar meets the bar's low and
not its high; when stop and target are both touched the stop comes first; a
stop that the open has jumped over fills at the open; a target never fills better than its price;
the time limit is a market order at an open; filled bars fill nothing; what is still open at the
last bar of a segment ends at its close.
"""

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np

from feeds.bars import Bars, BoolArray, FloatArray, IntArray
from feeds.costs import Costs
from feeds.exit_reasons import ExitReason
from feeds.ticks import tick_down, tick_up

Fraction: TypeAlias = float | FloatArray


class ExitFractions(NamedTuple):
    """How far exits are from the price of the entry fill, for one entry or a column of them.

    Attributes
    ----------
    stop, target : fractions of that price
    trail : fraction below the highest high at which the stop follows; 0 for none
    """

    stop: Fraction
    target: Fraction
    trail: Fraction = 0.0

    def prices(self, fill: FloatArray, tick: float) -> tuple[FloatArray, FloatArray]:
        """Return stops and targets, on the tick, of positions that were bought at these prices."""
        below, above = fill * (1.0 - self.stop), fill * (1.0 + self.target)
        return tick_down(below, tick), tick_up(above, tick)


@dataclass(frozen=True, slots=True, eq=False)
class Exits:
    """Exit orders, one row per entry.

    Attributes
    ----------
    target, stop : absolute prices
    trail : fraction below the highest high at which the stop follows; 0 for none
    max_bars : bars held before a market order ends the position at the next open
    tick : of the symbol, to which a stop that follows is rounded down; 0 for none
    inside : True for entries that fill inside their bar, whose high may be older than they are:
        the target counts from the next bar, and the stop follows the entry bar's close
    """

    target: FloatArray
    stop: FloatArray
    trail: FloatArray
    max_bars: IntArray
    tick: float = 0.0
    inside: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class ExitTable:
    """Where each entry ended: bar, price aimed at (before costs), `ExitReason` as a number."""

    bar: IntArray
    price: FloatArray
    reason: IntArray

    @property
    def by_market(self) -> BoolArray:
        """True where the exit pays spread and slippage: everything but a target."""
        return np.not_equal(self.reason, ExitReason.TAKE_PROFIT)

    def fee(self, costs: Costs) -> FloatArray:
        """Return the fee of each exit: a target is a limit order that rested."""
        return np.where(self.by_market, costs.fee, costs.limit_fee)

    def received(self, bars: Bars, costs: Costs) -> FloatArray:
        """Return the price that each position was sold at, spread and slippage included."""
        at_market = costs.sold_at(self.price, range_at(bars, self.bar))
        return np.where(self.by_market, at_market, self.price)


def range_at(bars: Bars, at: IntArray) -> FloatArray:
    """Return high less low of the bars at these positions, which slippage grows with."""
    return bars.high[at] - bars.low[at]


def next_fill_bar(bars: Bars) -> IntArray:
    """Return for each bar the first later bar of its segment that can fill an order, or -1."""
    found = np.full(len(bars), -1, np.int64)
    for rows in bars.segments():
        real = np.flatnonzero(~bars.filled[rows]) + rows.start
        position = np.searchsorted(real, np.arange(rows.start, rows.stop), side="right")
        inside = position < len(real)
        found[rows][inside] = real[position[inside]]
    return found


def first_exit(bars: Bars, entry: IntArray, exits: Exits) -> ExitTable:
    """Return where long positions that filled on the bars `entry`, at the open or inside, end.

    Parameters
    ----------
    bars : the market
    entry : positions of the entry bars, each a bar that can fill an order
    exits : one row per entry

    Raises
    ------
    ValueError
        if an entry is no bar that can fill an order, or `exits` has not one row per entry
    """
    from feeds.order_kernels import long_exits  # loads the compiler, which not every run needs

    _check_entries(bars, entry, exits)
    bar = np.empty(len(entry), np.int64)
    price = np.empty(len(entry), np.float64)
    reason = np.empty(len(entry), np.int64)
    long_exits(
        (bars.open, bars.high, bars.low, bars.close),
        (bars.filled, bars.last_of_segment()),
        np.asarray(entry, np.int64),
        (exits.target, exits.stop, exits.trail, exits.max_bars),
        (float(exits.tick), exits.inside),
        (bar, price, reason),
    )
    return ExitTable(bar, price, reason)


def _check_entries(bars: Bars, entry: IntArray, exits: Exits) -> None:
    """Refuse what compiled code would read from beyond the arrays."""
    outside = (entry < 0) | (entry >= len(bars))
    if outside.any() or bars.filled[entry].any():
        raise ValueError("an entry must be a bar that can fill an order")
    rows = {len(column) for column in (exits.target, exits.stop, exits.trail, exits.max_bars)}
    if rows != {len(entry)}:
        raise ValueError(f"exits must have {len(entry)} rows, one per entry, found {rows}")
