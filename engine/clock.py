"""The clock of a run over recorded bars: its moments, and where every feed stands at each."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from engine.data import BarsFeed, times
from engine.equity import merged_times
from feeds.bars import FloatArray, TimeArray

Pace: TypeAlias = Literal["sparse", "dense", "audit"]
"""`sparse` passes over the bars on which nothing can happen, where the strategy says which those
are; `dense` runs every bar; `audit` does too, and refuses one that was to be passed over and busy.
"""

NEVER = sys.maxsize


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockReport:
    """How the bars of a run were passed.

    Attributes
    ----------
    kind : `sparse`, `dense`, `audit`, or `stream` for bars that arrived one by one
    reasons : why a run was not sparse; empty if it was, or was not asked to be
    moments : at which a bar of any symbol closed
    run : moments that broker and strategy lived through
    """

    kind: str
    reasons: tuple[str, ...]
    moments: int
    run: int


def clock_text(report: ClockReport) -> str:
    """Return what a person reads.

    >>> clock_text(ClockReport(kind="sparse", reasons=(), moments=525_200, run=39_556))
    'sparse clock, ran 39,556 of 525,200 closes'
    """
    why = f" ({'; '.join(report.reasons)})" if report.reasons else ""
    return f"{report.kind} clock{why}, ran {report.run:,} of {report.moments:,} closes"


class Timeline:
    """The moments at which bars of the feeds close, oldest first, counted from 0.

    Feeds are told by their place in the run, bars as `BarsFeed.index` counts.

    Parameters
    ----------
    feeds : preloaded

    Attributes
    ----------
    stamps : of the bars that close at each moment, as backtrader's days
    last : the last moment
    """

    def __init__(self, feeds: Sequence[BarsFeed]) -> None:
        self._feeds = feeds
        own = [feed.stamps for feed in feeds]
        self.stamps: FloatArray = merged_times(own)
        self.last = len(self.stamps) - 1
        # Of each feed: the moment of each bar, and the bars delivered until each moment; one table
        # for all that have a bar at every moment.
        self._moments: list[Sequence[int]] = []
        self._delivered: list[NDArray[np.int32]] = []
        every, counted = range(len(self.stamps)), np.arange(1, len(self.stamps) + 1, dtype=np.int32)
        for each in own:
            whole = len(each) == len(self.stamps)
            self._moments.append(every if whole else self._moments_of(each))
            self._delivered.append(counted if whole else self._delivered_of(each))

    def _moments_of(self, own: FloatArray) -> Sequence[int]:
        # As memory that gives Python's own numbers: one by one an array's take three times as long.
        return np.searchsorted(self.stamps, own).astype(np.int32).data

    def _delivered_of(self, own: FloatArray) -> NDArray[np.int32]:
        return np.searchsorted(own, self.stamps, side="right").astype(np.int32)

    def moment_of(self, place: int, bar: int) -> int:
        """Return the moment at which a bar of a feed closes; NEVER for one beyond its end."""
        row, moments = bar - self._feeds[place].first, self._moments[place]
        return moments[row] if row < len(moments) else NEVER

    def stand_at(self, moment: int) -> None:
        """Let every feed stand at the last bar that it has delivered by then."""
        for feed, delivered in zip(self._feeds, self._delivered, strict=True):
            feed.stand_at(int(delivered[moment]))

    def bars_before(self, place: int, moment: int) -> int:
        """Return the position after the last bar that a feed delivers before a moment."""
        return self._feeds[place].first + int(self._delivered[place][moment - 1])

    def closed_at(self, moments: slice) -> TimeArray:
        """Return when the bars of these moments close."""
        return times(self.stamps[moments]) + self._feeds[0].bar_length.delta

    def closes(self, place: int, moments: slice) -> FloatArray:
        """Return the last close of a feed that is known at these moments; it must have begun."""
        feed = self._feeds[place]
        return feed.recorded.close[self._delivered[place][moments] + (feed.first - 1)]
