"""From the bars of each symbol to moments: all that closed at one time, in order."""

from collections.abc import Callable, Mapping

import numpy as np

from feeds.bars import Bars
from feeds.live.closing import Closed, Closing, Counts
from feeds.live.moment import LiveBar, Moment, Origin, Revision
from feeds.live.revising import Change
from feeds.live.rows import Row
from feeds.live.tapes import Tapes
from feeds.timeframe import Timeframe


class Assembly:
    """Puts moments together.

    Parameters
    ----------
    closings : by symbol
    opened_at : bars that closed until then, in ms, closed while nobody watched
    until : no moment is delivered that closes later, in ms; None delivers all
    tapes : whose trades go with the moments
    deliver : takes each moment that is complete

    Attributes
    ----------
    next : when the bars of the next moment open, in ms
    halted : symbols that are not waited for, and the last candle that was open when they halted
    revised : bars that the exchange has changed after they left
    """

    def __init__(
        self,
        timeframe: Timeframe,
        closings: Mapping[str, Closing],
        *,
        opened_at: int,
        until: int | None,
        tapes: Tapes,
        deliver: Callable[[Moment], None],
    ) -> None:
        self.next = min(closing.next for closing in closings.values())
        self.halted: dict[str, int] = {}
        self._timeframe = timeframe
        self._closings = closings
        self._opened_at = opened_at
        self._until = until
        self._tapes = tapes
        self._deliver = deliver
        self._cleared = {symbol: closing.next for symbol, closing in closings.items()}
        self.revised = 0
        self._revisions: list[Revision] = []

    def clear(self, symbol: str) -> None:
        """Let go what has been decided for the symbol so far."""
        self._cleared[symbol] = self._closings[symbol].next

    def halt(self, symbol: str) -> None:
        """Go on without the symbol."""
        self.halted[symbol] = max(self.next, self._closings[symbol].newest)

    def trades_again(self, symbol: str) -> bool:
        """Return whether a halted symbol has opened a candle since."""
        return self._closings[symbol].newest > self.halted[symbol]

    def resume(self, symbol: str) -> None:
        """Wait for the symbol's bars again, from the next moment on."""
        self.halted.pop(symbol, None)
        self._closings[symbol].skip_to(self.next)
        self.clear(symbol)

    def counts(self) -> list[Counts]:
        """Return what became of the bars of each symbol so far."""
        return [closing.counts for closing in self._closings.values()]

    @property
    def is_finished(self) -> bool:
        """Whether no more moments are wanted."""
        return self._until is not None and self.next >= self._until

    def hand_over(self, now: int) -> None:
        """Deliver each moment that is complete at `now` (ms, the exchange's clock)."""
        while not self.is_finished and self._complete(now):
            self._hand_over_one(now)

    def _complete(self, now: int) -> bool:
        traded = [symbol for symbol in self._closings if symbol not in self.halted]
        ready = all(self._cleared[symbol] > self.next for symbol in traded)
        return (
            bool(traded) and ready and self._tapes.has_passed(self.next + self._timeframe.ms, now)
        )

    def _hand_over_one(self, now: int) -> None:
        opened, closes = self.next, self.next + self._timeframe.ms
        bars = {}
        for symbol, closing in self._closings.items():
            closed = self._closed_at(symbol, opened)
            if closed is not None and closed.row is not None:
                bar = _bar(symbol, self._timeframe, closed.row, closed)
                bars[symbol] = LiveBar(bar, closed.origin)
            self._revise(symbol, closing.handed.take_changes(), now)
        self.next = closes
        volumes = {symbol: float(each.bar.volume[0]) for symbol, each in bars.items()}
        tapes = self._tapes.take(opened, closes, volumes)
        if not bars:
            return  # nobody trades: time goes on without a word
        revisions, self._revisions = tuple(self._revisions), []
        self._deliver(
            Moment(
                closed_at=np.datetime64(closes, "ms"),
                bars=bars,
                arrived_at=np.datetime64(max(now, closes), "ms"),
                tapes=tapes,
                offline=closes <= self._opened_at,
                revisions=revisions,
            )
        )

    def _closed_at(self, symbol: str, opened: int) -> Closed | None:
        """Return what came of the symbol at this step of the grid, if it is waited for."""
        closing = self._closings[symbol]
        first = closing.peek()
        if symbol in self.halted or first is None or first.time > opened:
            return None
        return closing.take()

    def _revise(self, symbol: str, changes: list[Change], now: int) -> None:
        self.revised += len(changes)
        for before, after in changes:
            opened = np.datetime64(before.time, "ms")
            seen_at = np.datetime64(now, "ms")
            self._revisions.append(Revision(symbol, opened, before.values, after.values, seen_at))


def _bar(symbol: str, timeframe: Timeframe, row: Row, closed: Closed) -> Bars:
    open_, high, low, close, volume = map(np.atleast_1d, row.values)
    return Bars(
        symbol=symbol,
        timeframe=timeframe,
        time=np.array([closed.time], "datetime64[ms]"),
        open=open_,
        high=high,
        low=low,
        close=close,
        volume=volume,
        filled=np.array([closed.origin is Origin.FILLED]),
        segment=np.array([closed.segment]),
    )
