"""The broker of a paper session: fills by trades where they were seen, else by bars.

Whatever prices a fill, the order meets the market in `BarBroker`'s way: a trade is a bar whose four
prices are one. Fills are booked when their bar has closed.

- A trade can fill only orders that were sent before it; a market order takes the first one.
- A trade pays half the spread and the slippage, but nothing of the bar's range: that stands for
  not knowing where in the bar one would have traded.
- On a moment that is on record the fills are those on record, in their order.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import backtrader as bt
import numpy as np

from engine.account import AccountHistory
from engine.broker import BarBroker
from engine.data import SymbolFeed
from engine.errors import RunError
from engine.paper.moments import Moments, PaperMoment, Phase
from engine.paper.records import OrderRecord, PricedFill, PriceModel
from engine.prices import falls_to
from engine.records import Fill
from feeds.costs import Costs
from feeds.live.moment import Tape
from feeds.moments import iso

Order = bt.Order

_KINDS = {Order.Market: "market", Order.Limit: "limit", Order.Stop: "stop"}
_PRICES = ("open", "high", "low", "close")
BY_RULE = ("segment_end",)  # reasons of fills that no order was sent for


@dataclass(frozen=True, slots=True)
class Account:
    """An account at which nothing is held and no order waits.

    Attributes
    ----------
    history : what `AccountHistory.to_json` said
    """

    cash: float
    history: Mapping[str, Any]


class PaperBroker(BarBroker):
    """A broker that follows `Moments`.

    Parameters
    ----------
    account : what it goes on from; None begins with the cash

    Attributes
    ----------
    priced : what was executed, in order, with all that its price came from
    """

    params: Any = (("moments", None), ("account", None))
    orders: list[Any]

    def init(self) -> None:
        super().init()
        if self.p.account is not None:
            self.cash = self.p.account.cash
            self.history = AccountHistory.from_json(self.p.account.history)
        self.priced: list[PricedFill] = []
        self._changed: dict[str, Any] = {}
        self._ids: set[str] = set()
        self._trade: tuple[np.datetime64, float] | None = None
        self._told: PricedFill | None = None

    @property
    def moment(self) -> PaperMoment:
        """The moment that is being lived through."""
        moments: Moments = self.p.moments
        return moments.current

    # ---------------------------------------------------------------- orders come in

    def submit(self, order: Any, check: bool = True) -> Any:
        moment = self.moment
        recorded = moment.phase is Phase.RECORDED
        name = order.info["id"] = self._name(order)
        order.info["sent_at"] = self._sent_on_record(name) if recorded else self.p.moments.now()
        return super().submit(order, check)

    def _name(self, order: Any) -> str:
        """Return an id that the order gets again whenever the session is replayed."""
        decided = iso(self._now())
        if not any(decided in each for each in self._ids):
            self._ids.clear()
        plain = f"{order.data.symbol}@{decided}/{order.info.get('reason', 'signal')}"
        name, number = plain, 1
        while name in self._ids:
            number += 1
            name = f"{plain}#{number}"
        self._ids.add(name)
        return name

    def notify(self, order: Any) -> None:
        if order.info.get("reason") in BY_RULE and "id" not in order.info:
            order.addinfo(id=self._name(order), sent_at=order.info["decided_at"])
        self._changed[order.ref] = order
        super().notify(order)

    def account(self) -> Account | None:
        """Return the account to go on from later; None while anything is held or waits."""
        return (
            None
            if self.held() or self.pending
            else Account(float(self.cash), self.history.to_json())
        )

    def at_stake(self) -> set[str]:
        """Return the symbols of which something is held or an order waits."""
        return {data.symbol for data, _ in self.held()} | {o.data.symbol for o in self.pending}

    def changed_orders(self) -> list[OrderRecord]:
        """Return the orders that were sent or have changed since the last call."""
        changed = self._changed | {order.ref: order for order in self.pending}
        self._changed = {}
        return [_record(order) for _, order in sorted(changed.items()) if "id" in order.info]

    def forget_done(self) -> None:
        """Drop what backtrader's brokers keep of every order that there ever was."""
        self.orders = [order for order in self.orders if order.alive()]
        for ref in [ref for ref, family in self._pchildren.items() if not family]:
            del self._pchildren[ref]

    # ---------------------------------------------------------------- orders meet the market

    def _match(self, real: set[SymbolFeed]) -> None:
        moment = self.moment
        if moment.phase is Phase.RECORDED:
            self._repeat(moment.fills, real)
            return
        taped = {
            data: tape
            for data in real
            if (tape := _usable(moment, data)) is not None and _shows_all(tape, data, self.pending)
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
            if any(order.active() and _can_fill(order, at, price) for order in own):
                with _standing_at(data, price):
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
        if self._trade is None or order.info["sent_at"] <= self._trade[0]:
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
                with _standing_at(order.data, told.quote):
                    self._offer(order)
                self._wake_all()
            else:
                self._offer(order)
            self._told = self._trade = None
        for order in self.pending:
            if order.active() and order.data in real:
                order.info["rests"] = True
                order.info.pop("bar_begins_at", None)

    def _order_of(self, told: PricedFill) -> Any:
        for order in self.pending:
            if order.info["id"] == told.order:
                return order
        raise self._differs("no", told.order)

    def _sent_on_record(self, name: str) -> np.datetime64:
        if name not in self.moment.sent:
            raise self._differs("a new", name)
        return self.moment.sent[name]

    def _differs(self, found: str, name: str) -> RunError:
        return RunError(
            f"the strategy must send the orders on record again, found {found} order {name} at "
            f"{iso(self.moment.closed_at)}: the record, the settings or the program has changed"
        )

    def _try_exec(self, order: Any) -> None:
        told = self._told
        if told is None:
            super()._try_exec(order)
            return
        self._aimed, self._range = told.fill.aimed_price, told.bar_range
        self._maker = told.kind == "limit" and _paid_as_maker(told.fill, self.p.costs)
        self._execute(order, ago=0, price=told.fill.price)
        self._maker = False

    def _fill(self, order: Any) -> Fill:
        fill = super()._fill(order)
        self.priced.append(self._told or self._priced(order, fill))
        return fill

    def _priced(self, order: Any, fill: Fill) -> PricedFill:
        kind = _KINDS[order.exectype]
        at, quote = self._trade or (None, None)
        model = PriceModel.BAR if self._trade is None else PriceModel.TRADE
        offline = self.moment.phase is Phase.OFFLINE
        return PricedFill(
            fill=fill,
            order=order.info["id"],
            kind=kind,
            order_price=None if kind == "market" else float(order.created.price),
            model=PriceModel.OFFLINE if offline else model,
            quote=quote,
            quoted_at=at,
            bar_range=float(self._range),
        )


def _usable(moment: PaperMoment, data: SymbolFeed) -> Tape | None:
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


def _shows_all(tape: Tape, data: SymbolFeed, orders: Iterable[Any]) -> bool:
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


def _can_fill(order: Any, at: np.datetime64, price: float) -> bool:
    if order.info["sent_at"] > at:
        return False
    if order.exectype == Order.Market:
        return True
    asked = order.created.price
    return bool(price <= asked if falls_to(order) else price >= asked)


def _paid_as_maker(fill: Fill, costs: Costs) -> bool:
    value = abs(fill.units) * fill.price
    return bool(abs(fill.fee - value * costs.limit_fee) <= abs(fill.fee - value * costs.fee))


@contextmanager
def _standing_at(data: SymbolFeed, price: float) -> Iterator[None]:
    """Let the current bar be one trade."""
    bar = {name: getattr(data, name)[0] for name in _PRICES}
    for name in _PRICES:
        getattr(data, name)[0] = price
    try:
        yield
    finally:
        for name, value in bar.items():
            getattr(data, name)[0] = value


def _record(order: Any) -> OrderRecord:
    kind = _KINDS.get(order.exectype, "market")
    return OrderRecord(
        id=order.info["id"],
        symbol=order.data.symbol,
        units=float(order.size),
        kind=kind,
        price=None if kind == "market" else float(order.created.price),
        reason=order.info.get("reason", "signal"),
        decided_at=order.info["decided_at"],
        sent_at=order.info["sent_at"],
        status=_status(order),
    )


def _status(order: Any) -> str:
    if order.alive():
        return "waiting" if order.active() else "asleep"
    if order.status == Order.Completed:
        return "filled"
    return "cancelled" if order.status in (Order.Canceled, Order.Expired) else "refused"
