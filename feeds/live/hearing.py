"""What REST says about bars that have closed, and when its word is taken."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import NamedTuple

from feeds.live.rows import Row
from feeds.live.timekeeping import SLIGHT

# In ms of market time.
SETTLE = 2_000  # how long REST must say the same where the stream has shown nothing
STALE = 20_000  # how long REST may be behind the market before its word is taken all the same
OLD = 60_000  # a bar that closed so long ago is not about to change

VOTES = 3  # how often REST must show no bar before there is none
MOST = 2_000  # bars that are heard at once


class Verdict(Enum):
    """Who is believed about a bar."""

    ASK_AGAIN = auto()
    REST = auto()
    STREAM = auto()
    ABSENT = auto()


@dataclass(frozen=True, slots=True)
class Seen:
    """A candle as the stream showed it last; whole if it was watched until the next one."""

    row: Row
    connection: int
    whole: bool = False


class Page(NamedTuple):
    """What REST answered.

    Attributes
    ----------
    shown : its rows, by their time
    reach : it says nothing about bars from then on, in ms
    now : when it came, by the exchange's clock, in ms
    watch : the same by a stopwatch that nobody sets, in ms of market time
    """

    shown: Mapping[int, Row]
    reach: int
    now: int
    watch: float

    @property
    def newest(self) -> int:
        """When its last row opened; 0 if it has none. No row has that opens later than now."""
        return max((time for time in self.shown if time <= self.now + SLIGHT), default=0)


@dataclass(slots=True)
class _Ballot:
    """What REST has said of one bar: its row, since when, and how often it showed none.

    Attributes
    ----------
    first : when it was asked first, as all by the stopwatch
    absences : how often it showed none
    proofs : how often it showed none although it knew the time after it
    """

    first: float
    said: Row | None = None
    since: float = 0.0
    absences: int = 0
    proofs: int = 0


@dataclass(slots=True)
class Hearing:
    """The bars of one symbol that have closed and are not decided."""

    step: int
    _ballots: dict[int, _Ballot] = field(default_factory=dict)

    def note(self, page: Page, start: int, until: int) -> None:
        """Note what a page says about the bars from `start` on and before `until`."""
        end = min(until, page.reach, start + MOST * self.step)
        for time in range(start, end, self.step):
            ballot = self._ballots.setdefault(time, _Ballot(first=page.watch))
            row = page.shown.get(time)
            if row is None:
                ballot.absences += 1
                ballot.proofs += page.newest > time or page.now >= time + self.step + OLD
                continue
            ballot.absences = ballot.proofs = 0
            if row != ballot.said:
                ballot.said, ballot.since = row, page.watch

    def forget(self, time: int) -> None:
        """Drop a bar that is decided."""
        self._ballots.pop(time, None)

    def clear(self) -> None:
        """Drop all: none has closed."""
        self._ballots.clear()

    def said(self, time: int) -> Row | None:
        """Return the row that REST showed last for the bar."""
        ballot = self._ballots.get(time)
        return ballot.said if ballot else None

    def verdict(self, time: int, seen: Seen | None, page: Page) -> Verdict:
        """Return who is believed about the bar, `page` being the last that was noted."""
        ballot = self._ballots.get(time)
        over = page.now >= time + self.step or page.newest > time
        if ballot is None or not over:
            return Verdict.ASK_AGAIN
        if ballot.said is None or ballot.proofs >= VOTES:
            return self._on_absence(ballot, seen, page)
        if seen is not None and ballot.said.is_earlier_than(seen.row):
            taken = page.watch - ballot.first >= STALE
        else:
            taken = self._is_settled(ballot.said, ballot, seen, page)
        return Verdict.REST if taken else Verdict.ASK_AGAIN

    def _on_absence(self, ballot: _Ballot, seen: Seen | None, page: Page) -> Verdict:
        waited = ballot.absences >= VOTES and page.watch - ballot.first >= STALE
        if seen is not None and (seen.whole or seen.row.volume > 0):
            return Verdict.STREAM if waited else Verdict.ASK_AGAIN  # REST is behind
        return Verdict.ABSENT if waited or ballot.proofs >= VOTES else Verdict.ASK_AGAIN

    def _is_settled(self, row: Row, ballot: _Ballot, seen: Seen | None, page: Page) -> bool:
        """Return whether REST's row may be taken; it is not known to be behind the stream."""
        followed = page.newest > row.time
        if seen is not None and (seen.whole or (followed and seen.row != row)):
            return True  # it equals what was watched to the end, or has gone on since
        if followed and page.now - (row.time + self.step) >= OLD:
            return True
        unchanged = page.watch - ballot.since
        if followed:
            return unchanged >= SETTLE
        # It may be as old as REST ever is, and the same for a while by chance; or form still.
        return unchanged >= 5 * SETTLE and page.watch - ballot.first >= STALE
