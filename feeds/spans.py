"""Stretches of time, and what several of them cover together."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from feeds.moments import readable
from feeds.timeframe import Timeframe

EARLIEST = 1_262_304_000_000  # 2010 in ms: no coin had a price before


class Span(NamedTuple):
    """From `start` on and before `end`, in milliseconds since the epoch (UTC)."""

    start: int
    end: int

    def __str__(self) -> str:
        return f"{moment_text(self.start)} to {moment_text(self.end)}"

    def bars(self, timeframe: Timeframe) -> int:
        """Return how many bars open in it, if both its ends are on the grid.

        >>> Span(0, 600_000).bars(Timeframe.parse("5m"))
        2
        """
        return max(0, self.end - self.start) // timeframe.ms


def moment_text(moment: int) -> str:
    """Return a moment in ms for people.

    >>> moment_text(0)
    '1970-01-01 00:00Z'
    """
    return readable(np.datetime64(moment, "ms"))


def span_of(start: np.datetime64, end: np.datetime64, timeframe: Timeframe) -> Span:
    """Return the span of the bars that open from `start` on and before `end`, none before 2010.

    >>> span_of(np.datetime64("2024-01-01T00:03"), np.datetime64("2024-01-02"), Timeframe(300_000))
    Span(start=1704067500000, end=1704153600000)
    """
    moments = max(_ms(start), EARLIEST), _ms(end)
    return Span(*(-(-moment // timeframe.ms) * timeframe.ms for moment in moments))


def joined(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Return the same time as few spans, sorted, that do not touch.

    >>> joined([Span(5, 9), Span(0, 3), Span(3, 4)])
    (Span(start=0, end=4), Span(start=5, end=9))
    """
    result: list[Span] = []
    for span in sorted(each for each in spans if each.start < each.end):
        if result and span.start <= result[-1].end:
            result[-1] = Span(result[-1].start, max(result[-1].end, span.end))
        else:
            result.append(span)
    return tuple(result)


def uncovered(span: Span, covered: Iterable[Span]) -> tuple[Span, ...]:
    """Return what of `span` the others leave over.

    >>> uncovered(Span(0, 9), [Span(2, 4), Span(8, 12)])
    (Span(start=0, end=2), Span(start=4, end=8))
    """
    left, start = [], span.start
    for other in joined(covered):
        left.append(Span(start, min(other.start, span.end)))
        start = max(start, other.end)
    left.append(Span(start, span.end))
    return joined(left)


def _ms(moment: np.datetime64) -> int:
    return int(moment.astype("datetime64[ms]").astype(np.int64))
