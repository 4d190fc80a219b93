"""Orders of a paper session by name: how they stand, what was executed, when to go on from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import backtrader as bt
import numpy as np

from engine.account import AccountHistory
from engine.broker import BarBroker
from engine.errors import RunError
from engine.paper.moments import Moments, PaperMoment, Phase
from engine.paper.records import OrderRecord, PricedFill, PriceModel
from engine.records import Fill
from feeds.moments import iso

Order = bt.Order

_KINDS = {Order.Market: "market", Order.Limit: "limit", Order.Stop: "stop"}
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


class TrackingBroker(BarBroker):
    """A broker that follows `Moments`, names its orders and says how they stand.

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
        # The exchange's clock is known to some ms only: it may say that the bar is not over yet.
        now = self._sent_on_record(name) if recorded else self.p.moments.now()
        order.info["sent_at"] = max(now, moment.closed_at)
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

    # ---------------------------------------------------------------- what is on record

    def _sent_on_record(self, name: str) -> np.datetime64:
        if name not in self.moment.sent:
            raise self._differs("a new", name)
        return self.moment.sent[name]

    def _differs(self, found: str, name: str) -> RunError:
        return RunError(
            f"the strategy must send the orders on record again, found {found} order {name} at "
            f"{iso(self.moment.closed_at)}: the record, the settings or the program has changed"
        )

    # ---------------------------------------------------------------- what was executed

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
