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
class BarPrices:
    """A bar's prices."""

    open: float
    high: float
    low: float

    @classmethod
    def of(cls, bars: Bars, row: int) -> "BarPrices":
        """Return those of one row."""
        return cls(float(bars.open[row]), float(bars.high[row]), float(bars.low[row]))

    @property
    def range(self) -> float:
        return self.high - self.low


@dataclass(frozen=True, slots=True)
class Asked:
    """What an order asks of the market.

    Attributes
    ----------
    kind : `market`, `limit` or `stop`
    price : at which it waits; of a market order nobody looks at it
    through : a limit order that fills only where the price goes beyond it, by a tick if there is
        one: an entry
    """

    kind: str
    sells: bool
    price: float
    through: bool = False

    def gets(self, bar: BarPrices, tick: float) -> bool:
        """Return whether a bar for which the order has waited fills it."""
        if self.kind == "market":
            return True
        falls = self.sells == (self.kind == "stop")
        beyond = self.price - bar.low if falls else bar.high - self.price
        if self.through:
            return beyond >= tick * (1.0 - _SAME) if tick else beyond > 0
        return beyond >= 0


class Repricing:
    """Prices the fills of a session again.

    Parameters
    ----------
    bars : by symbol, as they were handed over
    revisions : what the exchange said of them later
    costs, rules : of the session
    sent : when each order was sent, by its id
    """

    def __init__(
        self,
        bars: Mapping[str, Bars],
        revisions: Sequence[Revision],
        costs: Costs,
        rules: Mapping[str, SymbolRules],
        sent: Mapping[str, np.datetime64],
    ) -> None:
        self._bars, self._costs, self._rules, self._sent = bars, costs, rules, sent
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
        same = self._agrees(told, self._by_bar(told, final, parent))
        if told.model is PriceModel.TRADE:  # what is said of the trade must hold in any case
            agrees = self._agrees(told, self._by_trade(told))
            return Priced(same=same and agrees, cause=Cause.TRADE if agrees and not same else None)
        agrees = final != used and self._agrees(told, self._by_bar(told, used, parent))
        return Priced(same=same, cause=Cause.REVISION if agrees and not same else None)

    def _used(self, told: PricedFill) -> BarPrices:
        bars = self._bars[told.fill.symbol]
        return BarPrices.of(bars, bars.index_from(told.fill.filled_at))

    def _final(self, told: PricedFill) -> BarPrices:
        after = self._revised.get((told.fill.symbol, told.fill.filled_at))
        return self._used(told) if after is None else BarPrices(*after[:3])

    def _agrees(self, told: PricedFill, price: float | None) -> bool:
        if price is None:
            return False
        return abs(price - told.fill.price) <= _SAME * (self._tick(told) or abs(price))

    # ---------------------------------------------------------------- prices

    def _by_bar(self, told: PricedFill, bar: BarPrices, parent: PricedFill | None) -> float | None:
        """Return the price on a bar; None if the bar does not fill the order."""
        if self._stands_in(told) or _sleeps(told, parent):
            return None
        begins = bar.open if parent is None else _begins(parent, bar)
        asked = asked_by(told)
        if not asked.gets(bar, self._tick(told)):
            return None
        if asked.kind == "limit":
            return asked.price
        if asked.kind == "stop":
            begins = min(begins, asked.price) if asked.sells else max(begins, asked.price)
        return self._paid(told, begins, bar.range)

    def _stands_in(self, told: PricedFill) -> bool:
        """Return whether nobody traded in the bar."""
        bars = self._bars[told.fill.symbol]
        return bool(bars.filled[bars.index_from(told.fill.filled_at)])

    def _by_trade(self, told: PricedFill) -> float | None:
        """Return the price by the trade on record; None if it could not fill the order."""
        quote, at, sent_at = told.quote, told.quoted_at, self._sent.get(told.order)
        if quote is None or at is None or sent_at is None or at < sent_at:
            return None
        bar, asked = self._used(told), asked_by(told)
        closed_at = told.fill.filled_at + self._bars[told.fill.symbol].timeframe.delta
        inside = told.fill.filled_at <= at < closed_at and bar.low <= quote <= bar.high
        if not inside or not asked.gets(BarPrices(quote, quote, quote), self._tick(told)):
            return None
        return asked.price if asked.kind == "limit" else self._paid(told, quote, 0.0)

    def _tick(self, told: PricedFill) -> float:
        return self._rules.get(told.fill.symbol, SymbolRules()).tick

    def _paid(self, told: PricedFill, aimed: float, bar_range: float) -> float:
        if told.fill.units > 0:
            return float(self._costs.bought_at(aimed, bar_range))
        return float(self._costs.sold_at(aimed, bar_range))


def _sleeps(told: PricedFill, parent: PricedFill | None) -> bool:
    """Return whether an exit cannot fill in its entry's bar: the bar may have been there before."""
    return parent is not None and parent.kind == "limit" and told.kind == "limit"


def asked_by(told: PricedFill) -> Asked:
    """Return what the order asked that a fill is of."""
    waits = told.kind != "market" and told.order_price is not None
    return Asked(
        kind=told.kind if waits else "market",
        sells=told.fill.units < 0,
        price=told.order_price or 0.0,
        through=told.kind == "limit" and told.fill.reason == "entry",
    )


def _begins(parent: PricedFill, bar: BarPrices) -> float:
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
