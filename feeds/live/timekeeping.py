"""The exchange's clock, as far as it can be known from here."""

import time
from datetime import UTC, datetime, timedelta
from math import inf
from typing import NamedTuple

from feeds.clock import Clock
from feeds.live.rows import Row

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SET_MS = 2_000  # a local clock that has gone so much more or less than a stopwatch was set

# In ms of market time.
SLIGHT = 500  # how far clocks may be apart without anything being wrong
ALLOWED = 60_000  # beside a step: what is stamped so far ahead of the clock is an error
DAY = 86_400_000


class _Claim(NamedTuple):
    """A candle that seems to have opened, and when it was seen first by both clocks here."""

    row: Row
    local: float
    watch: float


class ExchangeClock:
    """What time it is for the exchange, in ms.

    It is what the exchange told last, plus what a clock here has gone since, held in bounds by
    what is shown: a candle that is still pushed has not closed, and one that is shown has opened.
    Where the exchange does not tell the time, the newest stamp that was shown is all that is
    known: then it is late, never early.

    One candle may be stamped wrongly: one that opens later than now is believed when it has been
    seen to go on forming, and nothing is that is stamped later than can be.

    Parameters
    ----------
    clock : the local one, right or wrong
    speed : market seconds per real second
    step : the timeframe, in ms

    Attributes
    ----------
    speed : likewise
    """

    def __init__(self, clock: Clock, speed: float, step: int) -> None:
        self._clock = clock
        self.speed = speed
        self._step = step
        self._claims: dict[str, _Claim] = {}
        self._received = -inf  # the latest stamp of anything that has come
        self._refused = False
        self._told_watch = -inf  # what `_offset` is for the stopwatch
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
        return time.monotonic() * 1000 * self.speed

    def now(self) -> int:
        """Return the exchange's time."""
        if self._offset is None:
            return int(self._at_least(self.local(), self.watch()))
        # A local clock that was set forward must not run ahead until the time is told again.
        told = min(self.local() + self._offset, self._told_watch + self.watch())
        return int(told - self._lead + self._lag)

    def _at_least(self, local: float, watch: float) -> float:
        """Return what time it was then where the exchange does not tell it."""
        # A local clock that is set forward, or one that is held, must not run ahead.
        return self._floor + max(0.0, min(watch - self._floor_watch, local - self._floor_local))

    def _at_most(self) -> float:
        """Return what time it may be, if a clock here has been held or was set."""
        if self._offset is not None:
            told = max(self.local() + self._offset, self._told_watch + self.watch())
            return told - self._lead + self._lag
        if self._floor == 0:
            return self.local() + DAY
        return max(self.local(), self._floor + self.watch() - self._floor_watch)

    def accepts(self, stamp: int) -> bool:
        """Take the stamp of something that came; return whether it can be true."""
        if stamp > self._at_most() + self._step + ALLOWED:
            self._refused = True
            return False
        self._received = max(self._received, stamp)
        return True

    def after_all(self) -> int:
        """Return the time to write on what is sent now: later than on all that has come."""
        return int(max(self.now(), self._received + 1))

    def told(self, moment: float, *, between: float) -> None:
        """Take what the exchange says: `moment`, when it was about `between` here."""
        self._offset = moment - between
        by_watch = self._told_watch = self._offset + self.local() - self.watch()
        # What was seen lately is held against the new time; what is longer ago is forgotten. It
        # counts if local clock and stopwatch agree: the one may have been set, the other held.
        early = [self._offset + self._late_pushes[0], by_watch + self._late_pushes[1]]
        late = [self._early_rows[0] - self._offset, self._early_rows[1] - by_watch]
        self._lead, self._lag = max(0.0, min(early)), max(0.0, min(late))
        self._forget()

    def _forget(self) -> None:
        """Drop how late candles were pushed, and how early shown, by local clock and stopwatch."""
        self._late_pushes = self._early_rows = (-inf, -inf)

    def begin(self, opened: int) -> None:
        """Take that a candle has opened by now."""
        self._has_opened(opened, self.local(), self.watch())

    def shown(self, symbol: str, row: Row) -> None:
        """Note a symbol's newest candle: it has opened by now, if it is one."""
        local, watch = self.local(), self.watch()
        claim = self._claims.get(symbol)
        if row.time <= self.now() + SLIGHT:
            self._has_opened(row.time, local, watch)
        elif claim is None or claim.row.time != row.time:
            self._claims[symbol] = _Claim(row, local, watch)
        elif claim.row.is_earlier_than(row):
            self._has_opened(row.time, claim.local, claim.watch)

    def _has_opened(self, opened: int, local: float, watch: float) -> None:
        if self._offset is not None:
            by_local, by_watch = self._early_rows
            self._early_rows = max(by_local, opened - local), max(by_watch, opened - watch)
            self._lag = max(self._lag, opened - local - self._offset)
            # What was pushed late is no reason any more for what would be wrong by now.
            by_local, by_watch = self._late_pushes
            self._late_pushes = min(by_local, local - opened), min(by_watch, watch - opened)
            self._lead = min(self._lead, max(0.0, local + self._offset - opened))
        elif opened > self._at_least(local, watch):
            self._set_floor(opened, local, watch)

    def pushed(self, closes: int) -> None:
        """Note that the newest candle, which closes then, was pushed just now."""
        local, watch = self.local(), self.watch()
        if self._offset is not None:
            by_local, by_watch = self._late_pushes
            self._late_pushes = max(by_local, local - closes), max(by_watch, watch - closes)
            self._lead = max(self._lead, local + self._offset - closes)
        elif closes < self.now():
            self._set_floor(closes, local, watch)

    def _set_floor(self, moment: int, local: float, watch: float) -> None:
        self._floor, self._floor_local, self._floor_watch = float(moment), local, watch

    def has_refused(self) -> bool:
        """Return whether something was stamped as nothing can be since this was asked last."""
        refused, self._refused = self._refused, False
        return refused

    def was_set(self) -> bool:
        """Return whether the local clock has been set since this was asked last."""
        drift = self.local() - self.watch()
        moved = abs(drift - self._drift) > max(SET_MS, SET_MS * self.speed)
        self._drift = drift
        return moved
