"""Each fill priced again, on its own: by the bar model, and by what is said to have priced it.

Nothing here asks the broker: the rules are those of docs/assumptions.md, written once more, so that
an error in one of the two shows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from engine.paper.records import PricedFill, PriceModel
from engine.rules import SymbolRules
from feeds.bars import Bars
from feeds.costs import Costs
from feeds.live.moment import Revision

# Prices that agree to this part of a tick, or of themselves where there is no tick, are the same.
_SAME = 1e-6


class Cause(StrEnum):
    """Why a fill was not priced as the bar model prices it now."""

    TRADE = "trade"
    REVISION = "revision"
    OFFLINE = "offline"


@dataclass(frozen=True, slots=True)
class Priced:
    """What pricing a fill again came to.

    Attributes
    ----------
    same : the bar model gives the recorded price
    cause : what explains the difference, if there is one and something does
    """

    same: bool
    cause: Cause | None = None

    @property
    def unexplained(self) -> bool:
        """Whether there is a difference that nothing explains."""
        return not self.same and self.cause is None


@dataclass(frozen=True, slots=True)
class _Row:
    """A bar's prices."""

    open: float
    high: float
    low: float

    @property
    def range(self) -> float:
        return self.high - self.low


class Repricing:
    """Prices the fills of a session again.

    Parameters
    ----------
    bars : by symbol, as they were handed over
    revisions : what the exchange said of them later
    costs, rules : of the session
    """

    def __init__(
        self,
        bars: Mapping[str, Bars],
        revisions: Sequence[Revision],
        costs: Costs,
        rules: Mapping[str, SymbolRules],
    ) -> None:
        self._bars, self._costs, self._rules = bars, costs, rules
        self._revised = {(each.symbol, each.time): each.after for each in revisions}

    def of(self, told: PricedFill, parent: PricedFill | None) -> Priced:
        """Return whether the bar model gives the price of a fill, and what explains if not.

        Parameters
        ----------
        parent : the entry that filled inside the same bar, for an exit that hangs on it
        """
        final, used = self._final(told), self._used(told)
        if told.model is PriceModel.OFFLINE:
            agrees = self._agrees(told, self._by_bar(told, used, parent))
            return Priced(same=False, cause=Cause.OFFLINE if agrees else None)
        if self._agrees(told, self._by_bar(told, final, parent)):
            return Priced(same=True)
        if told.model is PriceModel.TRADE:
            agrees = self._agrees(told, self._by_trade(told))
            return Priced(same=False, cause=Cause.TRADE if agrees else None)
        agrees = final != used and self._agrees(told, self._by_bar(told, used, parent))
        return Priced(same=False, cause=Cause.REVISION if agrees else None)

    def _used(self, told: PricedFill) -> _Row:
        bars = self._bars[told.fill.symbol]
        row = bars.index_from(told.fill.filled_at)
        return _Row(float(bars.open[row]), float(bars.high[row]), float(bars.low[row]))

    def _final(self, told: PricedFill) -> _Row:
        after = self._revised.get((told.fill.symbol, told.fill.filled_at))
        return self._used(told) if after is None else _Row(*after[:3])

    def _agrees(self, told: PricedFill, price: float | None) -> bool:
        if price is None:
            return False
        tick = self._rules.get(told.fill.symbol, SymbolRules()).tick
        return abs(price - told.fill.price) <= _SAME * (tick or abs(price))

    # ---------------------------------------------------------------- prices

    def _by_bar(self, told: PricedFill, bar: _Row, parent: PricedFill | None) -> float | None:
        """Return the price on a bar; None if the bar does not fill the order."""
        begins = bar.open if parent is None else _begins(parent, bar)
        if told.kind == "market" or told.order_price is None:
            return self._paid(told, begins, bar.range)
        sells, asked = told.fill.units < 0, told.order_price
        if told.kind == "stop":
            reached = bar.low <= asked if sells else bar.high >= asked
            aimed = min(begins, asked) if sells else max(begins, asked)
            return self._paid(told, aimed, bar.range) if reached else None
        reached = bar.high >= asked if sells else bar.low <= asked
        return asked if reached else None

    def _by_trade(self, told: PricedFill) -> float | None:
        """Return the price by the trade on record; None if it could not fill the order."""
        quote, asked = told.quote, told.order_price
        if quote is None:
            return None
        if told.kind == "market" or asked is None:
            return self._paid(told, quote, 0.0)
        sells = told.fill.units < 0
        falls = sells == (told.kind == "stop")
        if not (quote <= asked if falls else quote >= asked):
            return None
        return asked if told.kind == "limit" else self._paid(told, quote, 0.0)

    def _paid(self, told: PricedFill, aimed: float, bar_range: float) -> float:
        if told.fill.units > 0:
            return float(self._costs.bought_at(aimed, bar_range))
        return float(self._costs.sold_at(aimed, bar_range))


def _begins(parent: PricedFill, bar: _Row) -> float:
    """Return where the bar begins for an exit whose entry has filled inside of it."""
    if parent.kind != "limit" or parent.order_price is None:
        return bar.open
    filled = parent.order_price
    return min(filled, bar.open) if parent.fill.units > 0 else max(filled, bar.open)


def parents_in_bar(fills: Sequence[PricedFill]) -> dict[str, PricedFill]:
    """Return by order the entry that filled in the same bar as the exit that hangs on it."""
    entries: dict[tuple[str, np.datetime64, np.datetime64], PricedFill] = {}
    found = {}
    for each in fills:
        key = each.fill.symbol, each.fill.decided_at, each.fill.filled_at
        if key in entries:
            found[each.order] = entries[key]
        else:
            entries[key] = each
    return found
