"""When a bar is final: one symbol's candles, from the stream and from REST, without any I/O.

1. A candle has *closed* when a later one is seen on the stream, or the clock says so.
2. Under `always` REST has the word on each bar. It is taken at once where it equals what the stream
   showed last, or knows more; it waits while it shows an earlier state than the stream, and where
   there is nothing to compare it with, until it has said the same for a while.
3. Under `doubt` the stream is believed where it was watched without a break to the next candle.
4. A bar that neither the stream has shown nor REST shows, asked thrice, has no trades, if REST
   shows a later one or none for long: it is filled, up to a limit.
5. Bars leave in order, on the grid, once. What is seen of them later is a revision.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from feeds.live.hearing import Hearing, Page, Seen, Verdict
from feeds.live.moment import Origin
from feeds.live.revising import Handed
from feeds.live.rows import Row
from feeds.live.timekeeping import SLIGHT

GRACE = 3_000  # market ms that a later candle may take to be seen before the clock closes a bar
JUMP = 0.03  # of the last price: a reach that is not believed of the stream alone
LOOK_BACK = 3  # bars before the next one that REST is asked for again, to see revisions
ANCHORED = 300  # bars: who asks that far back gets the last one that was traded, too


class Closed(NamedTuple):
    """What came of one step of the grid; no row if nobody traded for longer than is filled."""

    time: int
    row: Row | None
    origin: Origin
    segment: int


@dataclass(frozen=True, slots=True)
class Tail:
    """How the bars that are known end.

    Attributes
    ----------
    time : when the last one opened, in ms
    filled : how many at the end were filled, in a row
    """

    time: int
    close: float
    segment: int
    filled: int = 0


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds for all symbols: the step of the grid in ms, and how bars are judged."""

    step: int
    fill_limit: int
    always: bool = True


@dataclass(slots=True)
class Counts:
    """What became of bars and rows so far; see `feeds.live.moment.FeedHealth`."""

    repaired: int = 0
    differed: int = 0
    filled: int = 0
    stale: int = 0


class Closing:
    """The bars of one symbol on their way.

    Parameters
    ----------
    rules : of the feed
    start : when the first bar opens that is to leave, in ms
    tail : the bars before; None if there are none

    Attributes
    ----------
    next : when the next bar opens that is to be decided, in ms
    tail : how the decided bars end
    newest : when the newest candle opened that this connection has shown
    """

    def __init__(self, rules: Rules, start: int, tail: Tail | None) -> None:
        self.next = start
        self.tail = tail
        self.counts = Counts()
        self.handed = Handed()
        self._rules = rules
        self._hearing = Hearing(rules.step)
        self._connection = 0
        self.newest = 0
        self._closed_until = 0
        self._seen: dict[int, Seen] = {}
        self._out: deque[Closed] = deque()

    def reconnect(self) -> None:
        """Say that a connection has ended: what it was showing was not watched to its end."""
        self._connection += 1
        self.newest = 0

    def see(self, row: Row, now: int) -> None:
        """Take a candle as the stream shows it, at `now` (ms) by the exchange's clock."""
        if row.time > now + SLIGHT:
            return  # it closes nothing: the clock is behind, or this is no candle
        if row.time < self.next:
            self.counts.stale += self.handed.see(row)
            return
        before = self._seen.get(row.time)
        if before is not None and row.volume < before.row.volume:
            self.counts.stale += 1
            self.distrust(row.time)
            return
        whole = before is not None and before.whole
        self._seen[row.time] = Seen(row, self._connection, whole)
        if row.time > self.newest:
            self._succeed(row.time)

    def distrust(self, time: int) -> None:
        """Say that a candle was shown as none can be; perhaps in place of its last true state."""
        seen = self._seen.get(time)
        if seen is not None:
            self._seen[time] = Seen(seen.row, connection=-1)

    def _succeed(self, newest: int) -> None:
        """Let candles before the newest one be closed, if this connection has watched them."""
        self.newest = newest
        self._closed_until = max(self._closed_until, newest)
        for time, seen in self._seen.items():
            if time < newest and seen.connection == self._connection:
                self._seen[time] = replace(seen, whole=True)

    def due(self, now: int) -> int:
        """Return until when bars have closed: those that open earlier."""
        by_clock = (now - GRACE) // self._rules.step * self._rules.step
        return max(self.next, self._closed_until, by_clock)

    def wants_answer(self, now: int) -> bool:
        """Return whether REST must be asked, after letting go what the stream alone decides."""
        until = self.due(now)
        if not self._rules.always:
            self._believe_stream(until)
        if self.next >= until:
            self._hearing.clear()  # what was said while the clock was ahead was said too early
        return self.next < until or self.handed.doubtful

    def _believe_stream(self, until: int) -> None:
        while self.next < until:
            seen = self._seen.get(self.next)
            if seen is None or not seen.whole or self._jumps(seen.row):
                return
            self._leave(seen.row, Origin.STREAM)

    def _jumps(self, row: Row) -> bool:
        if self.tail is None:
            return True
        return max(row.high / self.tail.close, self.tail.close / row.low) > 1 + JUMP

    @property
    def is_quiet(self) -> bool:
        """Return whether the last bar that was decided had no trades."""
        if self.tail is None:
            return False
        return self.tail.filled > 0 or self.tail.time + self._rules.step < self.next

    def asks_from(self, *, again: bool) -> int:
        """Return from when on REST is to be asked for rows, in ms: some that are known come too.

        A page that is cut would show these only, hence not as many of them `again`.
        """
        since = self.next - (1 if again else LOOK_BACK) * self._rules.step
        return min(since, self._anchor or since)

    @property
    def _anchor(self) -> int:
        """When the last bar opened that REST must be able to show; 0 if there is none near."""
        if self.tail is None:
            return self.next
        traded = self.tail.time - self.tail.filled * self._rules.step
        return traded if traded >= self.next - ANCHORED * self._rules.step else 0

    def answer(self, page: Page) -> None:
        """Take a page of REST, asked for from `asks_from` on, and let go what it decides."""
        self.handed.hear(page.shown)
        until = self.due(page.now)
        if page.newest < self._anchor:
            return  # it is damaged, or empty, which proves nothing
        self._hearing.note(page, self.next, until)
        while self.next < until and self._decide(page):
            pass

    def _decide(self, page: Page) -> bool:
        """Let the next bar leave if it is decided."""
        seen = self._seen.get(self.next)
        said = self._hearing.said(self.next)
        match self._hearing.verdict(self.next, seen, page):
            case Verdict.REST if said is not None:
                self.counts.repaired += seen is None or not seen.whole
                self.counts.differed += seen is not None and seen.whole and seen.row != said
                self._leave(said, Origin.REST)
            case Verdict.STREAM if seen is not None:
                self._leave(seen.row, Origin.STREAM)
            case Verdict.ABSENT:
                self._leave_empty()
            case _:
                return False
        return True

    def peek(self) -> Closed | None:
        """Return the oldest step that is decided and was not taken."""
        return self._out[0] if self._out else None

    def take(self) -> Closed:
        """Return it, and have it gone."""
        return self._out.popleft()

    def take_all(self) -> Iterator[Closed]:
        """Yield all of them, and have them gone."""
        while self._out:
            yield self._out.popleft()

    def skip_to(self, time: int) -> None:
        """Let nothing leave that opens before `time`: the symbol was halted."""
        kept = deque(each for each in self._out if each.time >= time)
        if self.tail is not None and len(kept) < len(self._out):
            # These went on from what leaves no more: they are another segment.
            kept = deque(each._replace(segment=each.segment + 1) for each in kept)
            self.tail = replace(self.tail, segment=self.tail.segment + 1)
        self._out = kept
        while self.next < time:
            self._pass()

    def _leave(self, row: Row, origin: Origin) -> None:
        segment = filled = 0
        if self.tail is not None:
            segment = self.tail.segment + (self.tail.time + self._rules.step < row.time)
            filled = self.tail.filled + 1 if origin is Origin.FILLED else 0
        self.tail = Tail(row.time, row.close, segment, filled)
        self.handed.add(row)
        self._out.append(Closed(row.time, row, origin, segment))
        self._pass()

    def _leave_empty(self) -> None:
        """Fill the next bar, or leave it out where too many are missing already."""
        tail, time = self.tail, self.next
        steady = tail is not None and tail.time + self._rules.step == time
        if tail is None or not steady or tail.filled >= self._rules.fill_limit:
            self._out.append(Closed(time, None, Origin.FILLED, tail.segment if tail else 0))
            self._pass()
            return
        self.counts.filled += 1
        self._leave(Row.flat(time, tail.close, 0.0), Origin.FILLED)

    def _pass(self) -> None:
        self._seen.pop(self.next, None)
        self._hearing.forget(self.next)
        self.next += self._rules.step
