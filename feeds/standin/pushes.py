"""What is pushed of a market's bars, and what faults make of it."""

import json
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

from feeds.standin.series import Series
from feeds.standin.stream_faults import Due, StreamFaultKind
from feeds.standin.wire import Candle, kline_event, kline_row

_OFF_GRID_MS = 17_000


class Push(NamedTuple):
    """A bar as it is pushed; a broken one comes as half of its message."""

    candle: Candle
    closed: bool
    broken: bool = False


def pushes_of(series: Series, since: int, now: int, faults: Sequence[Due]) -> list[Push]:
    """Return what is pushed at `now` of all that has happened after `since` (ms).

    That is the last word on what has closed, then the bar that forms unless nobody has traded, then
    what has been revised.
    """
    pushes = [Push(series.candle(i, now), closed=True) for i in series.closing(since, now)]
    forming = series.forming(since, now)
    if forming is not None:
        pushes.append(Push(series.candle(forming, now), closed=False))
    pushes += [Push(candle, closed=True) for candle in series.told_again(since, now)]
    for due in faults:
        if spoil := SPOILERS.get(due.fault.kind):
            pushes = spoil(pushes, due, series)
    return pushes


def message(push: Push, series: Series, told_at: int) -> str:
    """Return a push as it is sent; `told_at` is the exchange's time, ms."""
    row = kline_row(push.candle, series.step)
    event = kline_event(series.symbol, series.interval, row, closed=push.closed, now=told_at)
    text = json.dumps(event)
    return text[: len(text) // 2] if push.broken else text


# What a fault makes of the pushes of one market, some of its own bar and perhaps the next.
Spoiler: TypeAlias = Callable[[list[Push], Due, Series], list[Push]]


def _is_last(push: Push, due: Due) -> bool:
    return push.closed and push.candle.opened == due.opened


def _gap(pushes: list[Push], due: Due, series: Series) -> list[Push]:
    end = due.opened + due.fault.times * series.step
    return [push for push in pushes if not due.opened <= push.candle.opened < end]


def _lost_last(pushes: list[Push], due: Due, _series: Series) -> list[Push]:
    return [push for push in pushes if not _is_last(push, due)]


def _duplicate(pushes: list[Push], due: Due, _series: Series) -> list[Push]:
    again = 1 + due.fault.times
    return [p for push in pushes for p in [push] * (again if _is_last(push, due) else 1)]


def _out_of_order(pushes: list[Push], due: Due, series: Series) -> list[Push]:
    late = [push for push in pushes if _is_last(push, due)]
    earlier = series.before(due.opened)
    if late and earlier is not None:
        late.append(Push(earlier, closed=True))
    return [push for push in pushes if not _is_last(push, due)] + late


def _spike(pushes: list[Push], due: Due, series: Series) -> list[Push]:
    return [
        push._replace(candle=_with_wick(push.candle, due.fault.factor, series))
        if push.candle.opened == due.opened
        else push
        for push in pushes
    ]


def _with_wick(candle: Candle, factor: float, series: Series) -> Candle:
    high = 0.0 if candle.high is None else candle.high
    return candle._replace(high=round(high * factor, series.price_decimals))


def _followed_by(change: Callable[[Push], Push]) -> Spoiler:
    """Let the last push of the bar be followed by one more, changed."""

    def spoil(pushes: list[Push], due: Due, _series: Series) -> list[Push]:
        return [
            p for push in pushes for p in ([push, change(push)] if _is_last(push, due) else [push])
        ]

    return spoil


def _with_prices(push: Push, price: float | None, volume: float | None) -> Push:
    return push._replace(candle=Candle(push.candle.opened, price, price, price, price, volume))


def _off_grid(push: Push) -> Push:
    return push._replace(candle=push.candle._replace(opened=push.candle.opened + _OFF_GRID_MS))


SPOILERS: Mapping[StreamFaultKind, Spoiler] = MappingProxyType(
    {
        StreamFaultKind.GAP: _gap,
        StreamFaultKind.LOST_LAST: _lost_last,
        StreamFaultKind.DUPLICATE: _duplicate,
        StreamFaultKind.OUT_OF_ORDER: _out_of_order,
        StreamFaultKind.SPIKE: _spike,
        StreamFaultKind.MALFORMED: _followed_by(lambda push: push._replace(broken=True)),
        StreamFaultKind.ZERO_VOLUME: _followed_by(
            lambda push: _with_prices(push, push.candle.close, 0.0)
        ),
        StreamFaultKind.ZERO_ROW: _followed_by(lambda push: _with_prices(push, 0.0, 0.0)),
        StreamFaultKind.NULLS: _followed_by(lambda push: _with_prices(push, None, None)),
        StreamFaultKind.OFF_GRID: _followed_by(_off_grid),
    }
)
