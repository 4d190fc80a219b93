"""The broker of a paper session: fills by trades where they were seen, else by bars.

Whatever prices a fill, the order meets the market in `BarBroker`'s way: a trade is a bar whose four
prices are one. Fills are booked when their bar has closed.

- A trade can fill only orders that were sent before it; a market order takes the first one.
- A trade pays half the spread and the slippage, but nothing of the bar's range: that stands for
  not knowing where in the bar one would have traded.
- On a moment that is on record the fills are those on record, in their order.
"""

from collections.abc import Sequence
from typing import Any

import backtrader as bt

from engine.data import SymbolFeed
from engine.paper.moments import Phase
from engine.paper.records import PricedFill, PriceModel
from engine.paper.tape_rules import can_fill, shows_all, standing_at, usable
from engine.paper.tracking import BY_RULE, TrackingBroker
from engine.records import NO_CASH, Fill, Rejection
from feeds.costs import Costs
from feeds.live.moment import Tape
from feeds.moments import iso

Order = bt.Order


class PaperBroker(TrackingBroker):
    """A broker that fills by trades where they were seen, by bars, or as it stands on record."""

    # ---------------------------------------------------------------- orders meet the market

    def _match(self, real: set[SymbolFeed]) -> None:
        moment = self.moment
        if moment.phase is Phase.RECORDED:
            self._repeat(moment.fills, real)
            self._refuse_again(moment.refused)
            return
        taped = {
            data: tape
            for data in real
            if (tape := usable(moment, data)) is not None and shows_all(tape, data, self.pending)
        }
        super()._match(real - taped.keys())
        for data in self.cerebro.datas:
            if data in taped:
                self._meet_trades(data, taped[data])

    def _meet_trades(self, data: SymbolFeed, tape: Tape) -> None:
        for at, price in zip(tape.time, tape.price.tolist(), strict=True):
            own = [order for order in self.pending if order.data is data]
            if not own:
                break
            self._trade = at, price
            if any(order.active() and can_fill(order, at, price) for order in own):
                with standing_at(data, price):
                    super()._match({data})
                self._wake_all()
            for order in own:
                if order.active() and order.info["sent_at"] <= at:
                    order.info["rests"] = True
        self._trade = None

    def _wake_all(self) -> None:
        """Let what slept beside an entry that a trade has filled meet the next trade."""
        while self._toactivate:
            self._toactivate.popleft().activate()

    def _offer(self, order: Any) -> None:
        sent_at = order.info["sent_at"]
        if self._trade is not None:
            in_time = sent_at <= self._trade[0]
        else:  # one that was sent when its bar had closed meets the next
            in_time = self._told is not None or sent_at < order.data.moment
        if in_time:
            super()._offer(order)

    def _wake_children(self, parent: Any) -> None:
        super()._wake_children(parent)
        if self._trade is not None:  # the bar's extreme may be older than the fill
            for order in self.pending:
                if order.parent == parent:
                    order.addinfo(follows_close=True)

    # ---------------------------------------------------------------- what is on record

    def _repeat(self, fills: Sequence[PricedFill], real: set[SymbolFeed]) -> None:
        """Execute what was executed, as it was."""
        for told in fills:
            if told.fill.reason in BY_RULE:
                continue
            order = self._order_of(told)
            if told.kind != "market" and order.created.price != told.order_price:
                raise self._differs(f"at {order.created.price} the", told.order)
            self._told = told
            if told.model is PriceModel.TRADE and told.quote is not None:
                self._trade = order.info["sent_at"], told.quote
                with standing_at(order.data, told.quote):
                    self._offer(order)
                self._wake_all()
            else:
                self._offer(order)
            self._told = self._trade = None
        for order in self.pending:
            if order.active() and order.data in real:
                order.info["rests"] = True
                order.info.pop("bar_begins_at", None)

    def _refuse_again(self, refused: Sequence[Rejection]) -> None:
        """Drop the orders that found too little cash, as they were dropped."""
        for each in refused:
            asked = each.symbol, each.decided_at, each.units
            order = next(
                (
                    order
                    for order in self.pending
                    if (order.data.symbol, order.info["decided_at"], order.size) == asked
                ),
                None,
            )
            if order is None:
                raise self._differs("no refused", f"{each.symbol}@{iso(each.decided_at)}")
            self.pending.remove(order)
            order.margin()
            self._drop(order)
            self._note_rejection(order, NO_CASH)

    def _order_of(self, told: PricedFill) -> Any:
        for order in self.pending:
            if order.info["id"] == told.order:
                return order
        raise self._differs("no", told.order)

    def _try_exec(self, order: Any) -> None:
        told = self._told
        if told is None:
            super()._try_exec(order)
            return
        self._aimed, self._range = told.fill.aimed_price, told.bar_range
        self._maker = told.kind == "limit" and _paid_as_maker(told.fill, self.p.costs)
        self._execute(order, ago=0, price=told.fill.price)
        self._maker = False


def _paid_as_maker(fill: Fill, costs: Costs) -> bool:
    value = abs(fill.units) * fill.price
    return bool(abs(fill.fee - value * costs.limit_fee) <= abs(fill.fee - value * costs.fee))
