"""The exchange's clock, as far as it can be known from here."""

import time
from datetime import UTC, datetime, timedelta
from math import inf

from feeds.clock import Clock

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SET_MS = 2_000  # a local clock that has gone so much more or less than a stopwatch was set


class ExchangeClock:
    """What time it is for the exchange, in ms.

    It is what the exchange told last, plus what a clock here has gone since, held in bounds by
    what is shown: a candle that is still pushed has not closed, and one that is shown has opened.
    Where the exchange does not tell the time, the newest stamp that was shown is all that is
    known: then it is late, never early.

    Parameters
    ----------
    clock : the local one, right or wrong
    speed : market seconds per real second
    """

    def __init__(self, clock: Clock, speed: float) -> None:
        self._clock = clock
        self._speed = speed
        self._offset: float | None = None
        # How far the told time is ahead of what is shown, and how far behind it.
        self._lead = self._lag = 0.0
        self._forget()
        self._floor = 0.0  # a moment that has passed; when, by stopwatch and local clock
        self._floor_watch, self._floor_local = self.watch(), self.local()
        self._drift = self.local() - self.watch()

    @property
    def offset(self) -> float:
        """The exchange's clock less the local one; 0 if it is not told."""
        return (self._offset or 0.0) - self._lead + self._lag

    def local(self) -> float:
        """Return the local clock's time."""
        return (self._clock.now() - _EPOCH) / timedelta(milliseconds=1)

    def watch(self) -> float:
        """Return market ms by a stopwatch: only differences mean anything."""
        return time.monotonic() * 1000 * self._speed

    def now(self) -> int:
        """Return the exchange's time."""
        if self._offset is None:
            # A local clock that is set forward, or one that is held, must not run ahead.
            passed = min(self.watch() - self._floor_watch, self.local() - self._floor_local)
            return int(self._floor + max(0.0, passed))
        return int(self.local() + self.offset)

    def told(self, moment: float, *, between: float) -> None:
        """Take what the exchange says: `moment`, when it was about `between` here."""
        self._offset = moment - between
        by_watch = self._offset + self.local() - self.watch()
        # What was seen lately is held against the new time; what is longer ago is forgotten. It
        # counts if local clock and stopwatch agree: the one may have been set, the other held.
        early = [self._offset + self._late_pushes[0], by_watch + self._late_pushes[1]]
        late = [self._early_rows[0] - self._offset, self._early_rows[1] - by_watch]
        self._lead, self._lag = max(0.0, min(early)), max(0.0, min(late))
        self._forget()

    def _forget(self) -> None:
        """Drop how late candles were pushed, and how early shown, by local clock and stopwatch."""
        self._late_pushes = self._early_rows = (-inf, -inf)

    def shown(self, opened: int) -> None:
        """Note that a candle has opened by now, as REST shows it."""
        if self._offset is not None:
            local, watch = self.local(), self.watch()
            by_local, by_watch = self._early_rows
            self._early_rows = max(by_local, opened - local), max(by_watch, opened - watch)
            self._lag = max(self._lag, opened - local - self._offset)
        elif opened > self.now():
            self._floor = float(opened)
            self._floor_watch, self._floor_local = self.watch(), self.local()

    def pushed(self, closes: int) -> None:
        """Note that the newest candle, which closes then, was pushed just now."""
        if self._offset is not None:
            local, watch = self.local(), self.watch()
            by_local, by_watch = self._late_pushes
            self._late_pushes = max(by_local, local - closes), max(by_watch, watch - closes)
            self._lead = max(self._lead, local + self._offset - closes)

    def was_set(self) -> bool:
        """Return whether the local clock has been set since this was asked last."""
        drift = self.local() - self.watch()
        moved = abs(drift - self._drift) > max(SET_MS, SET_MS * self._speed)
        self._drift = drift
        return moved
