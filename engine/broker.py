"""The broker: which order meets which bar.

What it changes, and the facts of backtrader 1.9.78 that it relies on (`engine.prices` and
`engine.fills` have those about prices and money):

- Within a bar market orders come first, then stops, then limits; backtrader goes by age. `next`
  is the only caller of `_try_exec`.
- The children of a bracket live from the moment their parent fills; backtrader's sleep until the
  next bar (`_bracketize` puts them into `_toactivate`). They only ever reduce the position, and
  end with it.
- A bar that stands in for a missing one fills nothing, nor does a symbol without a bar at the
  moment; backtrader would match the symbol's last bar again.
- Nothing is carried across the edge of a segment.
"""

from collections import deque
from typing import Any

import backtrader as bt

from engine.data import SymbolFeed
from engine.errors import RunError
from engine.fills import FillBroker
from engine.orders import PlainBuy, PlainSell, new_order
from engine.prices import range_of
from engine.records import UNFILLED

Order = bt.Order

_TURN = {Order.Market: 0, Order.Stop: 1, Order.StopTrail: 1}
_NEEDS_SESSIONS = (Order.Close, Order.Historical)


class BarBroker(FillBroker):
    """A broker that fills orders from the bars of `engine.data` feeds.

    An order may carry these keys (`self.buy(..., reason="entry")`):

    - `reason` names the order in its `Fill`; `signal` if absent;
    - `below_fill`, `above_fill`: the price of a bracket's child as a fraction below or above the
      price its parent pays, rounded away from it to the symbol's tick;
    - `trail` (0 for none): after each bar without an exit a stop follows to this fraction below
      the bar's high (above its low for a stop that buys), effective from the next bar; the fill
      of a stop that has followed gives `trailing_stop` as its reason;
    - `through`: a limit order fills only where the price trades beyond it, by a tick if there is
      one;
    - `valid_bars`: an order that has not filled on one of so many bars is dropped as `unfilled`.
    """

    _toactivate: deque[Any]

    # ---------------------------------------------------------------- orders come in

    def submit(self, order: Any, check: bool = True) -> Any:
        order.info["decided_at"] = self._now()
        if len(order.data):
            order.info["decided_on"] = order.data.index
            if order.isbuy() and order.parent is None:
                by_limit = order.exectype == Order.Limit
                order.addinfo(
                    terms=self.terms_of(order.data, order.created.price, by_limit=by_limit)
                )
        refusal = self._refusal(order)
        if refusal is None:
            return super().submit(order, check)
        self._reject(order, refusal)
        # A bracket is taken whole or not at all: what came before waits for a last child.
        for waiting in self._pchildren.pop(getattr(order.parent, "ref", order.ref), ()):
            waiting.reject(self)
            self.notify(waiting)
        return order

    def _refusal(self, order: Any) -> str | None:
        """Return why the order cannot be taken, or None."""
        if order.parent is not None and order.parent.ref not in self._pchildren:
            return None  # backtrader refuses it: its parent was refused, and that is on record
        if order.parent is None and _relative(order):
            raise RunError(
                f"{order.data.symbol}: below_fill and above_fill refer to the fill of a parent "
                "order, found an order without one; give it a price"
            )
        rules = self.rules_of(order.data.symbol)
        if order.exectype in _NEEDS_SESSIONS:
            return "order_type"
        if not len(order.data):
            return "no_bar"
        if order.data.segment_end[0]:
            return "segment_end"
        if not rules.allows_units(order.size):
            return "amount_step"
        small = abs(order.size) * order.created.price < rules.min_notional
        return "min_notional" if small and not self._reduces(order) else None

    def _reduces(self, order: Any) -> bool:
        return order.parent is not None or order.size * self._units_held(order.data) < 0

    def _reject(self, order: Any, reason: str) -> None:
        order.reject(self)
        self.notify(order)
        self._note_rejection(order, reason)

    # ---------------------------------------------------------------- a bar passes

    def next(self) -> None:
        while self._toactivate:
            self._toactivate.popleft().activate()
        busy = {order.data for order in self.pending} | {data for data, _ in self.held()}
        if busy:
            self._work([data for data in self._arrived() if data in busy])
        self._count_equity(bool(busy))

    def _work(self, arrived: list[SymbolFeed]) -> None:
        for data in arrived:
            # Only a stream can get here with something open: it cannot know of a hole beforehand.
            if len(data) > 1 and data.segment[0] != data.segment[-1]:
                self._end_segment(data, data.open[0])
        real = {data for data in arrived if not data.filled[0]}
        if self.pending:
            self._match(real)
            self._drop_expired(arrived)
        for data in arrived:
            if data.segment_end[0]:
                self._end_segment(data, data.close[0])
        self._trail(real)

    def _match(self, real: set[SymbolFeed]) -> None:
        turn = sorted(self.pending, key=_precedence)
        while turn:
            asleep = []
            for order in turn:
                if not order.active():
                    asleep.append(order)
                elif order.alive() and order.data in real:
                    self._offer(order)
            # A limit order that filled may have woken a stop whose turn was over.
            turn = [order for order in asleep if order.active() and order.alive()]

    def _offer(self, order: Any) -> None:
        """Let one order meet its bar."""
        place = self.pending.index(order)
        del self.pending[place]
        if order.expire():
            self._drop(order)
            return
        self._try_exec(order)
        if order.alive():
            order.info["rests"] = True
            # Orders stay in the order in which they came, whatever bars they have met.
            self.pending.insert(place, order)
            return
        if order.status == Order.Completed:
            self._bracketize(order)
            self._wake_children(order)
        self._drop_orphans(order.data)

    def _wake_children(self, parent: Any) -> None:
        """Set the children's prices and let them meet the bar on which their parent filled.

        If the parent filled inside the bar, what came before its fill is unknown: the stop counts
        the bar as beginning at the fill, the target waits for the next bar.
        """
        open_ = parent.data.open[0]
        at_open = parent.exectype in _TURN and self._aimed == open_
        begins = self._aimed
        if parent.exectype == Order.Limit:  # filled at the open if that has jumped over it
            begins = min(begins, open_) if parent.isbuy() else max(begins, open_)
        later: deque[Any] = deque()
        for child in self._toactivate:
            if child.parent == parent:
                self._set_price(child, parent.executed.price)
                if not at_open:
                    child.addinfo(bar_begins_at=begins, rests=True)
                if parent.exectype == Order.Limit:
                    child.addinfo(follows_close=True)
            if child.parent == parent and (at_open or child.exectype in _TURN):
                child.activate()
            else:
                later.append(child)
        self._toactivate = later

    def _drop_orphans(self, data: SymbolFeed) -> None:
        """Cancel bracket exits whose position is gone; they would open another one."""
        held = self._units_held(data)
        for order in list(self.pending):
            exits = order.data is data and order.parent is not None and order.active()
            if exits and order.size * held >= 0:
                self.cancel(order)

    def _drop_expired(self, arrived: list[SymbolFeed]) -> None:
        for order in list(self.pending):
            valid, data = order.info.get("valid_bars"), order.data
            if not valid or data not in arrived or data.index - order.info["decided_on"] < valid:
                continue
            self.cancel(order)
            self._note_rejection(order, UNFILLED)

    # ---------------------------------------------------------------- a segment ends

    def _end_segment(self, data: SymbolFeed, price: float) -> None:
        """Close the position at `price` and drop the orders, so that nothing crosses the edge."""
        held = self._units_held(data)
        if held:
            self._close_out(data, held, price)
        # Parents first: cancelling a child would take its parent along unrecorded.
        for order in sorted(self.pending, key=lambda order: order.ref):
            if order.data is not data or not self.cancel(order):
                continue
            if order.parent is None and order.size * held >= 0:
                self._note_rejection(order, "segment_end")

    def _close_out(self, data: SymbolFeed, held: float, price: float) -> None:
        last = self._last_order[data]
        kind = PlainSell if held > 0 else PlainBuy
        order = new_order(kind, owner=last.owner, data=data, size=abs(held), tradeid=last.tradeid)
        order.addinfo(reason="segment_end", decided_at=data.moment)
        self._ocoize(order, None)
        order.submit(self)
        order.accept(self)
        self._range = range_of(data)
        slip = self._slip_down if held > 0 else self._slip_up
        self._execute(order, ago=0, price=slip(None, price))


def _precedence(order: Any) -> tuple[int, int]:
    return _TURN.get(order.exectype, 2), order.ref


def _relative(order: Any) -> bool:
    return "below_fill" in order.info or "above_fill" in order.info
