"""Pages of bars: asked for one after the other, and believed with care.

An answer in which every bar follows the one before is taken at its word. Anything else may be the
truth or trouble on the way:

- a hole, or rows with a defect, are believed as far as another question shows the same: one that
  begins at the place, or at the last bar before. What was damaged on the way, or kept by a proxy,
  will not look the same from there. Where there is no other question, the same is asked again;
- an empty answer is believed after three in a row, when one more, which begins at the last bar
  before, shows that bar and none after it, and yet another one, which begins a bar earlier, is
  empty too. So whoever answers nothing at all is not believed, nor who does so now and then;
- who shows the last bar before no more shows only its newest ones, and has lost what lay between;
- where no bar is known yet, the first one is searched, and looked for once more from a page before.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import pandas as pd

from feeds.bars import FloatArray, IntArray
from feeds.errors import ExchangeError, UnreachableError
from feeds.quality import inspect_rows
from feeds.rows import VALUES
from feeds.spans import EARLIEST, Span, moment_text
from feeds.store import Listing
from feeds.timeframe import Timeframe

log = logging.getLogger("tandem.feeds")

_MOST_ASKINGS = 8  # of the same; the pauses between them grow


class Source(Protocol):
    """Who is asked for bars.

    Attributes
    ----------
    page_rows : how many bars a page holds at most
    """

    @property
    def page_rows(self) -> int: ...

    def closed_until(self, timeframe: Timeframe, /) -> int:
        """Return when the last bar that will not change any more closed, in ms."""

    def page(self, symbol: str, timeframe: Timeframe, since: int, /) -> FloatArray:
        """Return bars from `since` (ms) on: (n, 6), the open time in ms, OHLC and volume.

        They may be in any order, and what is no number is NaN, but each has its time.
        """

    def pause(self, tries: int, /) -> None:
        """Wait before the same is asked again after so many tries, each time longer."""


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What was answered about the time from `since` on and before `reach`.

    Attributes
    ----------
    rows : a raw frame in order of time, all of it from `since` on and before `reach`
    doubt : from when on the answer may be trouble: a hole or a defect begins; None if it is plain
    first : when the first bar opened that was shown, even beyond the reach; None if none was
    """

    rows: pd.DataFrame
    since: int
    reach: int
    doubt: int | None
    first: int | None

    def before(self, reach: int) -> "Answer":
        """Return what was answered about the time before `reach`."""
        return replace(self, rows=_between(self.rows, self.since, reach), reach=reach)

    def as_shown_by(self, other: "Answer") -> "Answer | None":
        """Return how far another answer shows the same, from the later start of the two on.

        None if it does not show the first row there: who shows the last bars of a stretch only
        would make a hole of the others.
        """
        since, reach = max(self.since, other.since), min(self.reach, other.reach)
        if other.first is None or since >= reach:
            return None
        mine, theirs = (_between(each.rows, since, reach) for each in (self, other))
        alike = _alike(mine, theirs)
        differing = [int(_times(rows)[alike]) for rows in (mine, theirs) if alike < len(rows)]
        if differing and not alike:
            return None
        return self.before(min([reach, *differing]))


@dataclass(slots=True)
class Pages:
    """The pages of a span, each asked for until it can be believed.

    Attributes
    ----------
    known : when the last bar before opened, in ms; None where none is known
    """

    source: Source
    listing: Listing
    span: Span
    known: int | None

    def answers(self) -> Iterator[Answer]:
        """Yield what is believed about the span, piece by piece to its end.

        Raises
        ------
        ExchangeError
            if the source shows no bars of the span at all
        UnreachableError
            if what it answers cannot be believed
        """
        since = self.span.start
        if self.known is None:
            since = self._beginning()
        if since > self.span.start:
            nothing = self._made(np.empty((0, 6)), self.span.start)
            yield replace(nothing, reach=since)
        while since < self.span.end:
            answer = self._believed(since)
            yield answer
            since = answer.reach
            if len(answer.rows):
                self.known = int(_times(answer.rows)[-1])

    def _believed(self, since: int) -> Answer:
        """Ask until an answer can be believed; it reaches at least one bar further."""
        for tries in range(1, _MOST_ASKINGS + 1):
            answer = self._asked(since)
            if answer.doubt is None:
                return answer
            self.source.pause(tries)
            settled = self._settled(answer, answer.doubt)
            if settled is not None:
                return settled
        raise self._distrust(since)

    def _settled(self, answer: Answer, doubt: int) -> Answer | None:
        """Return how far a doubtful answer can be believed; None if it cannot at all."""
        if answer.first is None:
            return self._settled_empty(answer)
        if doubt > answer.since:
            return answer.as_shown_by(self._asked(doubt)) or answer.before(doubt)
        if self.known is None:
            return self._repeated(answer)
        other = self._asked(self.known)
        if other.first != self.known:
            return None
        if other.reach > answer.since:
            return answer.as_shown_by(other)
        return self._repeated(answer)  # the last bar before is too far away to be shown with it

    def _repeated(self, answer: Answer) -> Answer | None:
        """Return how far nearly the same question shows the same, but no further than one doubt."""
        timeframe = self.listing.timeframe
        rows, since = answer.rows, answer.since
        opened = int(_times(rows)[0]) if len(rows) else since
        shown = answer.as_shown_by(self._asked(since + timeframe.ms if opened > since else since))
        if shown is None or rows.empty:
            return shown
        after = (opened // timeframe.ms + 1) * timeframe.ms
        rest = _between(shown.rows, after, shown.reach)
        doubt = _doubt(rest, Span(after, shown.reach), timeframe)
        return shown if doubt is None else shown.before(doubt)

    def _settled_empty(self, answer: Answer) -> Answer | None:
        """Return the answer if it is empty thrice, and the last bar before is still shown alone.

        The bar may be so far back that its page does not reach the place; then who is heard to
        answer well must show nothing at the place once more.
        """
        since = answer.since
        if self.known is None or self._insisted(since).first is not None:
            return None
        near = since - self.listing.timeframe.ms
        controls = [self._asked(moment) for moment in sorted({self.known, near})]
        if controls[0].first != self.known:
            return None
        if any(len(_between(each.rows, since, answer.reach)) for each in controls):
            return None
        return replace(answer, reach=self.span.end) if self._shows_next_bars() else answer

    def _shows_next_bars(self) -> bool:
        """Return whether the source shows the next bars, however far: then empty says no more come.

        Others show the bars of as much time as a page of them takes.
        """
        page_ms = self.source.page_rows * self.listing.timeframe.ms
        start = -(-EARLIEST // self.listing.timeframe.ms) * self.listing.timeframe.ms
        first = self._asked(start).first
        return first is not None and first >= start + page_ms

    def _beginning(self) -> int:
        """Return when the first bar of the span opens; its end, if that is later."""
        start, end = self.span
        answer = self._insisted(start)
        if answer.first is not None:
            return start  # the usual case; a hole in front is doubted like any other
        log.info("%s: no bars at %s; looking for the first", self.listing, moment_text(start))
        while answer.first is None and answer.reach < end:
            answer = self._insisted(answer.reach)
        for tries in range(1, _MOST_ASKINGS + 1):
            if answer.first is not None:
                return min(self._first(answer.first), end)
            self.source.pause(tries)
            answer = self._asked(answer.since)
        raise ExchangeError(
            f"{self.listing}: the exchange shows no bars from {self.span}; choose other dates"
        )

    def _first(self, shown: int) -> int:
        """Return the first bar: neither a page before it nor the first page shows one before it.

        `shown` is any bar.
        """
        start = self.span.start
        page_ms = (self.source.page_rows - 1) * self.listing.timeframe.ms
        for tries in range(1, _MOST_ASKINGS + 1):
            first = self._insisted(max(start, shown - page_ms)).first
            while first is not None and first < shown:
                shown, first = first, self._insisted(max(start, first - page_ms)).first
            earlier = self._insisted(start).first
            if first == shown and (earlier is None or earlier >= shown):
                return shown
            shown = shown if earlier is None else min(shown, earlier)
            self.source.pause(tries)
        raise self._distrust(start)

    def _insisted(self, since: int) -> Answer:
        """Return an answer that shows bars; an empty one only if it is empty thrice."""
        answer = self._asked(since)
        for tries in (1, 2):
            if answer.first is None:
                self.source.pause(tries)
                answer = self._asked(since)
        return answer

    def _distrust(self, since: int) -> ExchangeError:
        shown = self._only_newest(since)
        if self.known is not None and shown is not None:
            return ExchangeError(
                f"{self.listing}: the exchange shows no bars before {moment_text(shown)} any more, "
                f"and the store ends at {moment_text(self.known)}: begin at "
                f"{moment_text(shown)}, or choose another --exchange"
            )
        return UnreachableError(
            f"{self.listing}: the answers about the bars from {moment_text(since)} on cannot be "
            f"believed: they differ each time, or all are empty; try again later"
        )

    def _only_newest(self, since: int) -> int | None:
        """Return the first bar that the source shows whatever it is asked; None if it varies."""
        if self.known is None:
            return None
        first, again = self._asked(self.known).first, self._asked(since).first
        return first if first is not None and self.known < first == again else None

    def _asked(self, since: int) -> Answer:
        page = self.source.page(self.listing.symbol, self.listing.timeframe, since)
        return self._made(page, since)

    def _made(self, page: FloatArray, since: int) -> Answer:
        """Return the answer that a page is; a page without bars is as long as others."""
        timeframe = self.listing.timeframe
        frame = _tidy(page)
        shown = _times(frame)[_times(frame) >= since]  # pages may overlap
        last = shown[-1] if len(shown) else since + (self.source.page_rows - 1) * timeframe.ms
        reach = min(self.span.end, (int(last) // timeframe.ms + 1) * timeframe.ms)
        rows = _between(frame, since, reach)
        return Answer(
            rows=rows,
            since=since,
            reach=reach,
            doubt=_doubt(rows, Span(since, reach), timeframe),
            first=int(shown[0]) if len(shown) else None,
        )


def _tidy(page: FloatArray) -> pd.DataFrame:
    """Return the page as a raw frame: in order, and no row twice."""
    frame = pd.DataFrame(page[:, 1:], columns=list(VALUES))
    frame.insert(0, "timestamp", page[:, 0].astype(np.int64).astype("datetime64[ms]"))
    return frame.sort_values("timestamp", kind="stable").drop_duplicates(ignore_index=True)


def _doubt(rows: pd.DataFrame, span: Span, timeframe: Timeframe) -> int | None:
    """Return the time of the first bar that is missing or has a defect."""
    expected = np.arange(span.start, span.end, timeframe.ms)
    time = _times(rows)
    both = min(len(expected), len(time))
    astray = np.flatnonzero(expected[:both] != time[:both])
    doubts = [int(found.first_time.astype(np.int64)) for found in inspect_rows(rows, timeframe)]
    if len(astray):
        doubts.append(int(expected[astray[0]]))
    elif both < len(expected):
        doubts.append(int(expected[both]))
    return min(doubts, default=None)


def _alike(mine: pd.DataFrame, theirs: pd.DataFrame) -> int:
    """Return how many rows at the start are the same; NaN is like NaN."""
    both = min(len(mine), len(theirs))
    same = mine[:both].eq(theirs[:both]) | (mine[:both].isna() & theirs[:both].isna())
    differ = np.flatnonzero(~same.all(axis=1).to_numpy())
    return int(differ[0]) if len(differ) else both


def _between(rows: pd.DataFrame, start: int, end: int) -> pd.DataFrame:
    """Return the rows from `start` on and before `end`, numbered from 0."""
    first, last = np.searchsorted(_times(rows), (start, end))
    return rows.iloc[first:last].reset_index(drop=True)


def _times(rows: pd.DataFrame) -> IntArray:
    return rows["timestamp"].to_numpy("datetime64[ms]").astype(np.int64)
