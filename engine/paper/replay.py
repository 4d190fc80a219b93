"""A session's record as moments that the engine lives through again."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from engine.paper.moments import PaperMoment, Phase
from engine.paper.reading import StateReader
from engine.paper.records import PricedFill
from engine.records import NO_CASH
from feeds.bars import Bars
from feeds.live.moment import LiveBar, Origin
from feeds.timeframe import Timeframe

_AT_ONCE = 2000  # moments in memory at a time


def recorded_moments(
    reader: StateReader, after: np.datetime64 | None = None
) -> Iterator[PaperMoment]:
    """Yield the moments on record, oldest first, with the fills that happened at them.

    Parameters
    ----------
    after : only those that closed later
    """
    sent = _sent_by_decision(reader, after)
    rejected = reader.rejections_by_close(after=after)
    moments = reader.moments(after=after)
    for begin in range(0, len(moments), _AT_ONCE):
        part = moments[begin : begin + _AT_ONCE]
        bars = _bars_by_close(reader, part[0].closed_at, part[-1].closed_at)
        fills = _fills_by_close(reader, part[0].closed_at, part[-1].closed_at)
        for moment in part:
            yield PaperMoment(
                phase=Phase.RECORDED,
                closed_at=moment.closed_at,
                bars=bars[moment.closed_at],
                arrived_at=moment.arrived_at,
                late=moment.late,
                fills=fills[moment.closed_at],
                sent=sent.get(moment.closed_at, {}),
                refused=[r for r in rejected.get(moment.closed_at, ()) if r.reason == NO_CASH],
            )


def _sent_by_decision(
    reader: StateReader, after: np.datetime64 | None
) -> Mapping[np.datetime64, dict[str, np.datetime64]]:
    sent: dict[np.datetime64, dict[str, np.datetime64]] = defaultdict(dict)
    for order in reader.orders(after=after):
        sent[order.decided_at][order.id] = order.sent_at
    return sent


def _bars_by_close(
    reader: StateReader, first: np.datetime64, last: np.datetime64
) -> Mapping[np.datetime64, dict[str, LiveBar]]:
    found: dict[np.datetime64, dict[str, LiveBar]] = defaultdict(dict)
    for symbol in reader.facts().symbols:
        bars = _closed_between(reader, symbol, first, last)
        for row, at in enumerate(bars.closed_at):
            # Whoever said so then is of no matter to what is decided.
            found[at][symbol] = LiveBar(bars[row : row + 1], Origin.REST)
    return found


def _closed_between(
    reader: StateReader, symbol: str, first: np.datetime64, last: np.datetime64
) -> Bars:
    length = _bar_length(reader)
    return reader.bars(symbol, start=first - length, end=last)


def _fills_by_close(
    reader: StateReader, first: np.datetime64, last: np.datetime64
) -> Mapping[np.datetime64, Sequence[PricedFill]]:
    length = _bar_length(reader)
    found: dict[np.datetime64, list[PricedFill]] = defaultdict(list)
    for each in reader.fills(after=first - np.timedelta64(1, "ms")):
        closed_at = each.fill.filled_at + length
        if closed_at > last:
            break
        found[closed_at].append(each)
    return found


def _bar_length(reader: StateReader) -> np.timedelta64:
    return Timeframe.parse(reader.facts().timeframe).delta
