"""Pages of bars: asked for one after the other, and believed with care.

An answer in which every bar follows the one before is taken at its word. Anything else may be the
truth or trouble on the way:

- a hole, or rows with a defect, are believed when another question shows them too: one that begins
  at the place, or at the last bar before. What was damaged on the way, or kept by a proxy, will not
  look the same from there. Where there is no other question, the same is asked again;
- an empty answer is believed after three in a row, when one more, which begins at the last bar
  before, shows that bar and none after it. So whoever answers nothing at all is not believed;
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
        """Return how far the answer to another question shows the same; None if it differs."""
        since, reach = max(self.since, other.since), min(self.reach, other.reach)
        mine, theirs = (_between(each.rows, since, reach) for each in (self, other))
        same = other.first is not None and since < reach and mine.equals(theirs)
        return self.before(reach) if same else None


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
            if answer.first is None:
                settled = self._settled_empty(answer)
            elif answer.doubt > since:
                settled = self._confirmed(answer, answer.doubt) or answer.before(answer.doubt)
            elif tries % 2 and self.known is not None:
                settled = self._confirmed(answer, self.known)
            else:
                settled = self._repeated(answer)
            if settled is not None:
                return settled
        raise self._distrust(since)

    def _confirmed(self, answer: Answer, question: int) -> Answer | None:
        """Return how far another question shows the same; None if it does not."""
        return answer.as_shown_by(self._asked(question))

    def _repeated(self, answer: Answer) -> Answer | None:
        """Return how far the same question shows the same, to where the next doubt is at most."""
        shown = self._confirmed(answer, answer.since)
        if shown is None or shown.rows.empty:
            return shown
        timeframe = self.listing.timeframe
        after = (int(_times(shown.rows)[0]) // timeframe.ms + 1) * timeframe.ms
        rows = _between(shown.rows, after, shown.reach)
        doubt = _doubt(rows, Span(after, shown.reach), timeframe)
        return shown if doubt is None else shown.before(doubt)

    def _settled_empty(self, answer: Answer) -> Answer | None:
        """Return the answer if it is empty thrice, and the last bar before is still shown alone."""
        since = answer.since
        if self.known is None or self._insisted(since).first is not None:
            return None
        control = self._asked(self.known)
        after = _between(control.rows, since, answer.reach)
        if control.first != self.known or not after.empty:
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
        for _ in range(2):
            if answer.first is None:
                answer = self._asked(since)
        return answer

    def _distrust(self, since: int) -> UnreachableError:
        return UnreachableError(
            f"{self.listing}: the answers about the bars from {moment_text(since)} on cannot be "
            f"believed: they differ each time, or all are empty; try again later"
        )

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


def _between(rows: pd.DataFrame, start: int, end: int) -> pd.DataFrame:
    """Return the rows from `start` on and before `end`, numbered from 0."""
    first, last = np.searchsorted(_times(rows), (start, end))
    return rows.iloc[first:last].reset_index(drop=True)


def _times(rows: pd.DataFrame) -> IntArray:
    return rows["timestamp"].to_numpy("datetime64[ms]").astype(np.int64)
