"""How a long position begins: at the market, or by a limit order that waits below it.

One rule for labels, replays and engine, the same as the broker's (docs/assumptions.md): a market
order fills at the open of the next bar that can fill. A limit order fills at its price, never
better, on the first bar that trades *through* it: a touch may fill nobody who stands behind others
in the book. It is valid for some bars, does not cross the edge of a segment, and pays the maker
fee, unless the first open that it meets has already reached it: then it would not have rested.
"""

from dataclasses import dataclass

import numpy as np

from feeds.bars import Bars, BoolArray, FloatArray, IntArray
from feeds.costs import Costs
from feeds.exits import next_fill_bar, range_at
from feeds.ticks import tick_down


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryLimit:
    """A limit order instead of a market order.

    Attributes
    ----------
    offset : fraction of the deciding bar's close by which the limit is below it, from 0
    valid_bars : bars after the deciding one in which it may fill; filled bars count
    """

    offset: float = 0.0
    valid_bars: int = 1

    def price(self, close: float, tick: float) -> float:
        """Return the limit, rounded down to the tick (0 for none)."""
        return float(tick_down(close * (1.0 - self.offset), tick))


@dataclass(frozen=True, slots=True, eq=False)
class EntryTable:
    """Where entries fill, one row per decision.

    Attributes
    ----------
    bar : position of the bar that fills, or -1 where none does
    price : paid per unit, spread and slippage included; NaN where nothing fills
    fee : fraction of the value that is paid on it
    inside : True if they fill inside their bars rather than at the open, so that a target counts
        only from the next bar on
    """

    bar: IntArray
    price: FloatArray
    fee: FloatArray
    inside: bool

    @property
    def made(self) -> BoolArray:
        """True where the entry fills."""
        return self.bar >= 0


def entries(
    bars: Bars, decided: IntArray, costs: Costs, *, limit: EntryLimit | None = None, tick: float = 0
) -> EntryTable:
    """Return where entries fill that were decided at the close of the bars `decided`.

    Parameters
    ----------
    bars : the market
    decided : positions of the deciding bars
    costs : of the entry
    limit : how the limit orders are placed; None for market orders
    tick : of the symbol, to which limits are rounded down; 0 for none
    """
    if limit is None:
        bar = next_fill_bar(bars)[decided]
        price = costs.bought_at(bars.open[bar], range_at(bars, bar))
        fee = np.full(len(decided), costs.fee)
        return EntryTable(bar, np.where(bar >= 0, price, np.nan), fee, inside=False)
    from feeds.order_kernels import limit_fills  # loads the compiler, which not every run needs

    price = tick_down(bars.close[decided] * (1.0 - limit.offset), float(tick))
    bar, crossed = np.empty(len(decided), np.int64), np.empty(len(decided), np.bool_)
    limit_fills(
        (bars.open, bars.low),
        (bars.filled, bars.last_of_segment()),
        (np.asarray(decided, np.int64), price),
        (limit.valid_bars, float(tick)),
        (bar, crossed),
    )
    fee = np.where(crossed, costs.fee, costs.limit_fee)
    return EntryTable(bar, np.where(bar >= 0, price, np.nan), fee, inside=True)
