"""Records as rows of the state, and back."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from engine.paper.records import (
    Event,
    MomentRecord,
    OrderRecord,
    PricedFill,
    PriceModel,
    SessionFacts,
)
from engine.paper.schema import (
    BARS,
    DECISIONS,
    EVENTS,
    FILLS,
    MOMENTS,
    ORDERS,
    REJECTIONS,
    REVISIONS,
    SESSION,
    Row,
)
from engine.records import Fill, Rejection
from feeds.bars import Bars
from feeds.live.moment import Origin, Revision
from feeds.timeframe import Timeframe

_FILL = [each.name for each in fields(Fill)]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedMoment:
    """A moment without what came of it; attributes as in `MomentRecord`.

    Attributes
    ----------
    latency_ms : NaN if it was not measured
    flat : the account's history was written down with it
    """

    closed_at: np.datetime64
    offline: bool
    late: bool
    arrived_at: np.datetime64
    latency_ms: float
    cash: float
    position_value: float
    ml: str
    flat: bool


def facts_row(facts: SessionFacts) -> Row:
    """Return the one row of `session`."""
    return SESSION.row({"id": 1, **_fields(facts)})


def facts_of(row: Row) -> SessionFacts:
    """Return what a session was begun with."""
    return SessionFacts(**_without("id", SESSION.values(row)))


def bar_rows(bars: Bars, origin: Origin | None) -> Iterator[Row]:
    """Yield a row of `bars` for each bar; without an origin it is one of warm-up."""
    # Column by column: warm-up is hundreds of bars of each symbol.
    columns = [
        bars.time.astype(np.int64).tolist(),
        *((prices + 0.0).tolist() for prices in (bars.open, bars.high, bars.low, bars.close)),
        (bars.volume + 0.0).tolist(),
        bars.filled.astype(np.int64).tolist(),
        bars.segment.tolist(),
    ]
    rest = (int(bars.synthetic), None if origin is None else origin.value)
    for row in zip(*columns, strict=True):
        yield (bars.symbol, *row, *rest)


def bars_of(symbol: str, timeframe: Timeframe, rows: list[Row]) -> Bars:
    """Return the bars of rows of `bars`, all of the symbol, oldest first.

    Raises
    ------
    feeds.errors.BadBarsError : they break a promise of `Bars`
    """
    columns = dict(zip(BARS.columns, list(zip(*rows, strict=True)) or [()] * 11, strict=True))
    time = np.array(columns["time"], np.int64).astype("datetime64[ms]")
    named = {name: columns[name] for name in ("open", "high", "low", "close", "volume")}
    return Bars(
        symbol=symbol,
        timeframe=timeframe,
        time=time,
        **{name: np.array(values, np.float64) for name, values in named.items()},
        filled=np.array(columns["filled"], np.bool_),
        segment=np.array(columns["segment"], np.int64),
        synthetic=any(columns["synthetic"]),
    )


def moment_row(record: MomentRecord) -> Row:
    """Return the row of `moments`."""
    latency = None if math.isnan(record.latency_ms) else record.latency_ms
    return MOMENTS.row({**_fields(record), "latency_ms": latency})


def moment_of(row: Row) -> RecordedMoment:
    """Return the moment that a row of `moments` tells of."""
    values = MOMENTS.values(row)
    flat = values.pop("account") is not None
    latency = values.pop("latency_ms")
    return RecordedMoment(**values, latency_ms=math.nan if latency is None else latency, flat=flat)


def decision_row(moment: np.datetime64, line: Mapping[str, Any]) -> Row:
    """Return the row of `decisions`."""
    return DECISIONS.row({"moment": moment, "symbol": line.get("symbol"), "line": line})


def decision_of(row: Row) -> dict[str, Any]:
    """Return the journal's row."""
    line: dict[str, Any] = DECISIONS.values(row)["line"]
    return line


def order_row(moment: np.datetime64, order: OrderRecord) -> Row:
    """Return the row of `orders`."""
    return ORDERS.row({"moment": moment, **_fields(order)})


def order_of(row: Row) -> OrderRecord:
    """Return the order of a row of `orders`."""
    return OrderRecord(**_without("moment", ORDERS.values(row)))


def fill_row(moment: np.datetime64, priced: PricedFill) -> Row:
    """Return the row of `fills`."""
    known = {**_fields(priced.fill), **_fields(priced)}
    return FILLS.row({"moment": moment, "order_id": priced.order, **known})


def fill_of(row: Row) -> PricedFill:
    """Return the fill of a row of `fills`."""
    values = _without("moment", FILLS.values(row))
    fill = Fill(**{name: values.pop(name) for name in _FILL})
    if not (fill.units and math.isfinite(fill.units) and math.isfinite(fill.price)):
        raise ValueError(f"a fill must be of units at a price, found {fill.units} at {fill.price}")
    order, model = values.pop("order_id"), PriceModel(values.pop("model"))
    return PricedFill(fill=fill, order=order, model=model, **values)


def rejection_row(moment: np.datetime64, rejection: Rejection) -> Row:
    """Return the row of `rejections`."""
    return REJECTIONS.row({"moment": moment, **_fields(rejection)})


def rejection_of(row: Row) -> Rejection:
    """Return the rejection of a row of `rejections`."""
    return Rejection(**_without("moment", REJECTIONS.values(row)))


def revision_row(moment: np.datetime64, revision: Revision) -> Row:
    """Return the row of `revisions`."""
    return REVISIONS.row({"moment": moment, **_fields(revision)})


def revision_of(row: Row) -> Revision:
    """Return the revision of a row of `revisions`."""
    return Revision(**_without("moment", REVISIONS.values(row)))


def event_row(event: Event) -> Row:
    """Return the row of `events`."""
    return EVENTS.row(_fields(event))


def event_of(row: Row) -> Event:
    """Return the event of a row of `events`."""
    return Event(**EVENTS.values(row))


def _fields(record: Any) -> dict[str, Any]:
    return {each.name: getattr(record, each.name) for each in fields(record)}


def _without(name: str, values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key != name}
