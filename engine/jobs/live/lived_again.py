"""A session on record lived through once more: what the engine makes of its bars and its fills."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import backtrader as bt
import numpy as np

from engine.errors import RunError
from engine.jobs.live.trading import session_engine, trade
from engine.jobs.settings import Settings
from engine.paper.broker import PaperBroker
from engine.paper.moments import Moments, PaperMoment
from engine.paper.reading import StateReader
from engine.paper.records import OrderRecord, PricedFill, PriceModel
from engine.paper.replay import recorded_moments
from engine.paper.repricing import Asked, BarPrices
from engine.records import Fill, Rejection
from engine.rules import SymbolRules
from feeds.moments import readable
from strategies.views import OpinionSource

# Within which numbers are the same: as parts of themselves, and, about 0, at all.
_PART, _NOTHING = 1e-6, 1e-12

Row = Mapping[str, Any]


@dataclass(slots=True)
class LivedAgain:
    """What came of it.

    Attributes
    ----------
    orders : by their id, as they stand at the end
    money : cash and value of what is held, by moment
    unmet : in words, orders that a bar went through without filling them
    stopped_by : why it could not be lived through to its end; None if it could
    """

    journal: list[Row] = field(default_factory=list)
    orders: dict[str, OrderRecord] = field(default_factory=dict)
    fills: Sequence[Fill] = ()
    rejections: Sequence[Rejection] = ()
    money: dict[np.datetime64, tuple[float, float]] = field(default_factory=dict)
    unmet: Sequence[str] = ()
    stopped_by: str | None = None


def live_again(
    reader: StateReader,
    settings: Settings,
    rules: Mapping[str, SymbolRules],
    ask: OpinionSource | None,
) -> LivedAgain:
    """Pass the bars on record through the engine, with the fills on record injected.

    Parameters
    ----------
    rules : of the session's symbols
    ask : gives the opinions; None if the session asked nobody
    """
    found, resting = LivedAgain(), _Resting(rules)
    moments = Moments(recorded_moments(reader), lambda: moments.current.arrived_at)

    def lived(strategy: bt.Strategy) -> None:
        moment, broker = moments.current, engine.broker
        found.journal.extend(strategy.journal)
        strategy.journal.clear()
        found.orders |= {order.id: order for order in broker.changed_orders()}
        cash = float(broker.getcash())
        found.money[moment.closed_at] = cash, float(broker.getvalue()) - cash
        resting.meet(moment, broker)

    engine = session_engine(reader, settings, moments, lived, None)
    try:
        trade(engine, moments, settings, ask)
    except RunError as error:
        found.stopped_by = str(error)
    found.fills, found.rejections = engine.broker.fills, engine.broker.rejections
    found.unmet = resting.unmet
    return found


def differing(reader: StateReader, again: LivedAgain) -> Iterator[str]:
    """Yield in words how a session on record differs from what the engine makes of it."""
    if again.stopped_by is not None:
        yield again.stopped_by
        return
    yield from _differing_rows(reader.decisions(), again.journal)
    told = {order.id: order for order in reader.orders()}
    for name in {**told, **again.orders}:
        then, now = told.get(name), again.orders.get(name)
        if then is None or now is None or not _alike(_facts(then), _facts(now)):
            yield f"order {name}: {_ordered(then)}, again {_ordered(now)}"
    yield from _differing_lists("fill", [each.fill for each in reader.fills()], again.fills)
    yield from _differing_lists("refusal", reader.rejections(), again.rejections)
    for moment in reader.moments():
        then_has, has = (moment.cash, moment.position_value), again.money[moment.closed_at]
        if not all(map(_close, then_has, has)):
            yield (
                f"at {readable(moment.closed_at)}: cash and holdings were {_money(then_has)}, "
                f"again {_money(has)}"
            )
            break  # what follows differs for the same reason
    yield from again.unmet


# ---------------------------------------------------------------- what is compared


def _differing_rows(rows: Sequence[Row], again: Sequence[Row]) -> Iterator[str]:
    then, now = ({(row["symbol"], row["decided_at"]): row for row in of} for of in (rows, again))
    for key in sorted({*then, *now}, key=lambda key: (key[1], key[0])):
        a, b = then.get(key), now.get(key)
        if a is None or b is None or not _alike(a, b):
            yield f"{key[0]} at {readable(key[1])}: decided {_decided(a)}, again {_decided(b)}"


def _differing_lists(kind: str, then: Sequence[Any], now: Sequence[Any]) -> Iterator[str]:
    for a, b in zip(then, now, strict=False):
        if not _alike(_facts(a), _facts(b)):
            yield f"{kind} of {a.symbol} decided at {readable(a.decided_at)}: {a}, again {b}"
    if len(then) != len(now):
        yield f"{len(then):,} {kind}s on record, again {len(now):,}"


def _facts(record: Any) -> Row:
    """Return the fields of a record, without a fill's bar: an engine counts from its start."""
    return {f.name: getattr(record, f.name) for f in fields(record) if f.name != "bar"}


def _alike(then: Row, now: Row) -> bool:
    """Return whether two rows say the same; what one leaves out the other may have as None."""
    return all(_close(then.get(name), now.get(name)) for name in {*then, *now})


def _close(then: Any, now: Any) -> bool:
    if isinstance(then, float) and isinstance(now, float):
        same = math.isclose(then, now, rel_tol=_PART, abs_tol=_NOTHING)
        return same or (math.isnan(then) and math.isnan(now))
    return bool(then == now)


def _decided(row: Row | None) -> str:
    if row is None:
        return "nothing"
    return f"{row['outcome']} with a score of {row['score']:g} at {row['close']:.8g}"


def _ordered(order: OrderRecord | None) -> str:
    if order is None:
        return "none"
    price = "" if order.price is None else f" at {order.price:.8g}"
    return f"{order.status} {order.kind} of {order.units:.8g}{price}"


def _money(has: tuple[float, float]) -> str:
    return f"{has[0]:.8g} and {has[1]:.8g}"


# ---------------------------------------------------------------- orders that wait


@dataclass(frozen=True, slots=True)
class _Rests:
    """An order as it stood before a bar."""

    name: str
    symbol: str
    asked: Asked
    sent_at: np.datetime64
    segment: float


class _Resting:
    """Finds orders that a bar went through, though they waited for it, and that did not fill.

    Only those count that were at the exchange before the bar opened: of a bar's first moments,
    before an order was there, a bar does not tell apart.
    """

    def __init__(self, rules: Mapping[str, SymbolRules]) -> None:
        self._rules = rules
        self._before: list[_Rests] = []
        self.unmet: list[str] = []

    def meet(self, moment: PaperMoment, broker: PaperBroker) -> None:
        """Take a moment that has been lived through."""
        after = [_resting(each) for each in broker.pending if each.active()]
        for order in [*self._before, *_woken(moment, broker)]:
            live = moment.bars.get(order.symbol)
            if live is None or live.bar.filled[0] or _came_too_late(order, moment.fills):
                continue
            opened = live.bar.time[0]
            goes_on = order.segment == live.bar.segment[0] and order.sent_at <= opened
            tick = self._rules.get(order.symbol, SymbolRules()).tick
            if goes_on and order.asked.gets(BarPrices.of(live.bar, 0), tick):
                self.unmet.append(
                    f"order {order.name} did not fill, and the bar of {readable(opened)} went "
                    f"through its price {order.asked.price:.8g}"
                )
        self._before = after


def _came_too_late(order: _Rests, fills: Sequence[PricedFill]) -> bool:
    """Return whether the order filled, or others of its symbol rightly filled before it.

    Within a bar stops come before limits; trades tell for themselves which came first.
    """
    own = [each for each in fills if each.fill.symbol == order.symbol]
    if any(each.order == order.name or each.model is PriceModel.TRADE for each in own):
        return True
    ends = [each.kind for each in own if (each.fill.units < 0) == order.asked.sells]
    return any(kind != "limit" for kind in ends) or (bool(ends) and order.asked.kind != "stop")


def _woken(moment: PaperMoment, broker: PaperBroker) -> list[_Rests]:
    """Return the stops that hang on entries which filled at the open of this bar.

    One that trails has moved since.
    """
    entries = {
        (each.fill.symbol, each.fill.decided_at)
        for each in moment.fills
        if each.kind == "market" and each.model is not PriceModel.TRADE
    }
    woken = [
        order
        for order in broker.pending
        if order.exectype == bt.Order.Stop
        and order.parent is not None
        and not order.info.get("trail")
        and (order.data.symbol, order.info["decided_at"]) in entries
    ]
    return [replace(_resting(order), sent_at=order.info["decided_at"]) for order in woken]


def _resting(order: Any) -> _Rests:
    kinds = {bt.Order.Market: "market", bt.Order.Limit: "limit", bt.Order.Stop: "stop"}
    return _Rests(
        name=order.info["id"],
        symbol=order.data.symbol,
        asked=Asked(
            kind=kinds[order.exectype],
            sells=order.size < 0,
            price=float(order.created.price),
            through=bool(order.info.get("through")),
        ),
        sent_at=order.info["sent_at"],
        segment=float(order.data.segment[0]),
    )
