"""One moment at a time: what paper trading hands to the feeds of a run."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from engine.data import StreamBar
from engine.errors import RunError
from engine.paper.records import PricedFill
from engine.records import Rejection
from feeds.live.moment import LiveBar, Revision, Tape


class Phase(StrEnum):
    """How a moment is lived through.

    RECORDED repeats one that is on record, its fills included. OFFLINE catches up with one that
    nobody watched: what rested at the exchange has acted, nothing else. LIVE is now.
    """

    RECORDED = "recorded"
    OFFLINE = "offline"
    LIVE = "live"


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class PaperMoment:
    """What closed at one moment, and how it is lived through.

    Attributes
    ----------
    closed_at, bars, arrived_at, tapes, revisions : as in `feeds.live.moment.Moment`
    late : it is too late to act on it, `CryptoScalpingStrategy.late`
    fills, sent, refused : of a RECORDED moment, what was filled at it, in order; when the orders
        that were decided at it were sent, by their id; what was refused at it for want of cash
    """

    phase: Phase
    closed_at: np.datetime64
    bars: Mapping[str, LiveBar]
    arrived_at: np.datetime64
    late: bool
    tapes: Mapping[str, Tape] = field(default_factory=dict)
    revisions: tuple[Revision, ...] = ()
    fills: Sequence[PricedFill] = ()
    sent: Mapping[str, np.datetime64] = field(default_factory=dict)
    refused: Sequence[Rejection] = ()


class Moments:
    """Hands the bars of each moment to the feeds of a run.

    A feed asks once in a moment; the first that asks again has the next moment begin.

    Parameters
    ----------
    source : the moments, oldest first; may wait for the next one
    now : the exchange's clock
    """

    def __init__(self, source: Iterator[PaperMoment], now: Callable[[], np.datetime64]) -> None:
        self._source = source
        self._current: PaperMoment | None = None
        self._asked: set[str] = set()
        self._over = False
        self.now = now

    @property
    def current(self) -> PaperMoment:
        """The moment that is being lived through."""
        if self._current is None:
            raise RunError("a moment must have begun, found none yet")
        return self._current

    def of(self, symbol: str) -> Iterator[StreamBar | None]:
        """Yield the bars of a symbol, None for moments without one."""
        while True:
            if self._current is None or symbol in self._asked:
                self._begin()
            if self._over:
                return
            self._asked.add(symbol)
            arrived = self.current.bars.get(symbol)
            # That a segment ends is known when the next one begins.
            yield None if arrived is None else StreamBar(arrived.bar, ends_segment=False)

    def _begin(self) -> None:
        following = next(self._source, None)
        self._asked.clear()
        if following is None:
            self._over = True
        else:
            self._current = following
