"""Orders as backtrader knows them, made and copied without its detours.

backtrader 1.9.78 builds an order through a metaclass with an object for its parameters, reckons the
end of its session in calendar dates, and copies it at every notification through the pickle
protocol: some 100 µs for each order. Here an order is the same class with the same attributes, set
one by one; what it is given is found on itself.
"""

from typing import Any

import backtrader as bt
from backtrader.order import OrderData
from backtrader.utils import AutoOrderedDict

Order = bt.Order

# What an order is given where nobody says otherwise: backtrader's `OrderBase.params`.
_GIVEN: dict[str, Any] = dict(Order.params._getitems())
# Of these, what an order may be sent with; all else is its own information.
_ASKED = {"price", "exectype", "valid", "tradeid", "trailamount", "trailpercent"}
_ASKED |= {"parent", "transmit", "histnotify"}
# These need what is left out here: sessions, calendar dates, or a price that the market moves.
_ELABORATE = {Order.Close, Order.StopTrail, Order.StopTrailLimit, Order.Historical}


class _Executed(OrderData):
    """What was executed; a copy shares the executions, as backtrader's does."""

    def clone(self) -> Any:
        self.markpending()
        return _twin(self)


class _Plain:
    """An order that needs no calendar: market, limit, stop and stop-limit, good till cancelled."""

    dteos = 0.0

    @property
    def p(self) -> Any:
        """What it was given is found on itself, the size with its sign."""
        return self

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"an order has no {name}")

    def clone(self) -> Any:
        """Return the order as it is now; status and what was executed will move on."""
        twin = _twin(self)
        twin.executed = twin.executed.clone()
        return twin


class PlainBuy(_Plain, bt.BuyOrder):
    """Buys."""


class PlainSell(_Plain, bt.SellOrder):
    """Sells."""


def new_order(kind: type[PlainBuy | PlainSell], **given: Any) -> Any:
    """Return an order; one that needs more than plain ones have is backtrader's own.

    Parameters
    ----------
    kind : whether it buys or sells
    given : backtrader's `OrderBase.params`, size above 0
    """
    if given.get("exectype") in _ELABORATE or given.get("valid") is not None:
        return (bt.BuyOrder if kind is PlainBuy else bt.SellOrder)(**given)
    order: Any = object.__new__(kind)
    order.__dict__ |= _GIVEN | given
    order.ref = next(Order.refbasis)
    order.broker = order.comminfo = None
    order.info = AutoOrderedDict()
    order.triggered = False
    order.status = Order.Created
    order.position = 0
    order.plimit = order.pricelimit
    order._active = order.parent is None
    order._limitoffset = 0.0
    order.exectype = order.exectype or Order.Market
    order.size = order.size if kind is PlainBuy else -order.size
    order.created = _created(order)
    order.executed = _Executed(remsize=order.size)
    return order


def _created(order: Any) -> OrderData:
    close = order.data.close[0]
    asked = order.price if order.price or order.pricelimit else close
    return OrderData(
        dt=order.data.datetime[0],
        size=order.size,
        price=asked,
        pricelimit=order.pricelimit,
        pclose=close,
        trailamount=order.trailamount,
        trailpercent=order.trailpercent,
    )


def _twin(original: Any) -> Any:
    """Return a shallow copy, without the pickle protocol."""
    twin = object.__new__(type(original))
    twin.__dict__.update(original.__dict__)
    return twin


class OrderBroker(bt.brokers.BackBroker):
    """A broker that makes such orders."""

    def buy(self, owner: Any, data: Any, size: float, **how: Any) -> Any:
        return self._send(PlainBuy, how, owner=owner, data=data, size=size)

    def sell(self, owner: Any, data: Any, size: float, **how: Any) -> Any:
        return self._send(PlainSell, how, owner=owner, data=data, size=size)

    def _send(self, kind: type[PlainBuy | PlainSell], how: dict[str, Any], **what: Any) -> Any:
        """Send an order; of `how`, what backtrader does not know are the order's own keys."""
        oco, check = how.pop("oco", None), how.pop("_checksubmit", True)
        given = {name: how.pop(name) for name in _ASKED & how.keys()}
        order = new_order(kind, **what, pricelimit=how.pop("plimit", None), **given)
        order.info.update(how)
        self._ocoize(order, oco)
        return self.submit(order, check=check)

    def _ocoize(self, order: Any, oco: Any) -> None:
        """Note which orders cancel one another; backtrader notes every order, and forgets none."""
        if oco is None:
            return
        if oco.ref not in self._ocos:
            super()._ocoize(oco, None)
        super()._ocoize(order, oco)

    def _ococheck(self, order: Any) -> None:
        if order.ref in self._ocos:
            super()._ococheck(order)
