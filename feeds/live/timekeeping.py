"""The exchange's clock, as far as it can be known from here."""

import time
from datetime import UTC, datetime, timedelta
from math import inf
from typing import NamedTuple

from feeds.clock import TimedClock
from feeds.live.instant import NEVER, Instant
from feeds.live.rows import Row

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SET_MS = 2_000  # a local clock that has gone so much more or less than a stopwatch was set

# In ms of market time.
SLIGHT = 500  # how far clocks may be apart without anything being wrong
ALLOWED = 60_000  # beside a step: what is stamped so far ahead of the clock is an error
DAY = 86_400_000


class _Claim(NamedTuple):
    """A candle that seems to have opened, and when it was seen first."""

    row: Row
    seen: Instant


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

    def __init__(self, clock: TimedClock, speed: float, step: int) -> None:
        self._clock = clock
        self.speed = speed
        self._step = step
        self._claims: dict[str, _Claim] = {}
        self._received = -inf  # the latest stamp of anything that has come
        self._refused = False
        self._ahead: Instant | None = None  # how far the told time is ahead of the clocks here
        # How far the told time is ahead of what is shown, and how far behind it.
        self._lead = self._lag = 0.0
        self._forget()
        self._floor, self._floor_seen = 0.0, self.instant()  # a moment that has passed, and when
        self._drift = self._drifted()

    @property
    def offset(self) -> float:
        """The exchange's clock less the local one; 0 if it is not told."""
        return (self._ahead.local if self._ahead else 0.0) - self._lead + self._lag

    def elapsed(self) -> float:
        """Return ms of market time, to say how long something was waited for.

        They pass even where the clocks here stand, as they do before a recording begins.
        """
        return time.monotonic() * 1000 * self.speed

    def instant(self) -> Instant:
        """Return what both clocks here show."""
        local = (self._clock.now() - _EPOCH) / timedelta(milliseconds=1)
        return Instant(local, self._clock.stopwatch() * 1000.0)

    def now(self) -> int:
        """Return the exchange's time."""
        here = self.instant()
        if self._ahead is None:
            return int(self._at_least(here))
        return int(self._by_told(self._ahead, here) - self._lead + self._lag)

    def _by_told(self, ahead: Instant, here: Instant) -> float:
        """Return what time it was then by what was told, before anything shown is held against it.

        A local clock that was set forward must not run ahead until the time is told again.
        """
        return min(here.local + ahead.local, here.watch + ahead.watch)

    def _at_least(self, here: Instant) -> float:
        """Return what time it was then where the exchange does not tell it."""
        # A local clock that is set forward, or one that is held, must not run ahead.
        return self._floor + max(0.0, min(here.since(self._floor_seen)))

    def _at_most(self) -> float:
        """Return what time it may be, if a clock here has been held or was set."""
        here = self.instant()
        if self._ahead is not None:
            told = max(here.local + self._ahead.local, here.watch + self._ahead.watch)
            return told - self._lead + self._lag
        if self._floor == 0:
            return here.local + DAY
        return max(here.local, self._floor + here.since(self._floor_seen).watch)

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

    def told(self, moment: float, *, at: Instant) -> None:
        """Take what the exchange says: it was `moment` at that instant here."""
        ahead = self._ahead = at.before(moment)
        # What was seen lately is held against the new time; what is longer ago is forgotten. It
        # counts if local clock and stopwatch agree: the one may have been set, the other held.
        pushed, shown = self._late_pushes, self._early_rows
        early = min(ahead.local + pushed.local, ahead.watch + pushed.watch)
        late = min(shown.since(ahead))
        self._lead, self._lag = max(0.0, early), max(0.0, late)
        self._forget()

    def _forget(self) -> None:
        """Drop how late candles were pushed, and how early shown."""
        self._late_pushes = self._early_rows = NEVER

    def begin(self, opened: int) -> None:
        """Take that a candle has opened by now."""
        self._has_opened(opened, self.instant())

    def shown(self, symbol: str, row: Row) -> None:
        """Note a symbol's newest candle: it has opened by now, if it is one."""
        here = self.instant()
        claim = self._claims.get(symbol)
        if row.time <= self.now() + SLIGHT:
            self._has_opened(row.time, here)
        elif claim is None or claim.row.time != row.time:
            self._claims[symbol] = _Claim(row, here)
        elif claim.row.is_earlier_than(row):
            self._has_opened(row.time, claim.seen)

    def _has_opened(self, opened: int, here: Instant) -> None:
        if self._ahead is not None:
            self._early_rows = self._early_rows.at_least(here.before(opened))
            # What was pushed late is no reason any more for what would be wrong by now.
            self._late_pushes = self._late_pushes.at_most(here.after(opened))
            told = self._by_told(self._ahead, here)
            self._lag = max(self._lag, opened - told)
            self._lead = min(self._lead, max(0.0, told - opened))
        elif opened > self._at_least(here):
            self._floor, self._floor_seen = float(opened), here

    def pushed(self, closes: int) -> None:
        """Note that the newest candle, which closes then, was pushed just now."""
        here = self.instant()
        if self._ahead is not None:
            self._late_pushes = self._late_pushes.at_least(here.after(closes))
            self._lead = max(self._lead, self._by_told(self._ahead, here) - closes)
        elif closes < self.now():
            self._floor, self._floor_seen = float(closes), here

    def has_refused(self) -> bool:
        """Return whether something was stamped as nothing can be since this was asked last."""
        refused, self._refused = self._refused, False
        return refused

    def was_set(self) -> bool:
        """Return whether the local clock has been set since this was asked last."""
        drift = self._drifted()
        moved = abs(drift - self._drift) > max(SET_MS, SET_MS * self.speed)
        self._drift = drift
        return moved

    def _drifted(self) -> float:
        here = self.instant()
        return here.local - here.watch
