"""Feeds: `Bars`, recorded or arriving, as backtrader data.

`BarsFeed` hands over recorded bars in bulk, `StreamFeed` takes them one by one, as does
`engine.unfolding.UnfoldingFeed` with recorded ones. A strategy sees no difference: the
same lines with the same stamps, the same `index`, `window` and `moment`.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import backtrader as bt
import numpy as np
from numpy.typing import NDArray

from engine.errors import RunError
from feeds.bars import Bars, FloatArray, IntArray, TimeArray
from feeds.timeframe import Timeframe

_EPOCH_DAY = 719163  # 1970-01-01 as backtrader counts days
_DAY_MS = 86_400_000
LINES = ("open", "high", "low", "close", "volume", "filled", "segment")


def stamps(time: TimeArray) -> FloatArray:
    """Return times as backtrader's days; the one formula, so that equal times are equal floats.

    >>> stamps(np.array(["1970-01-02T12:00"], "datetime64[ms]")).tolist()
    [719164.5]
    """
    return _EPOCH_DAY + time.astype("datetime64[ms]").astype(np.int64) / _DAY_MS


def times(stamp: FloatArray) -> TimeArray:
    """Return the times whose `stamps` these are."""
    return np.rint((stamp - _EPOCH_DAY) * _DAY_MS).astype(np.int64).astype("datetime64[ms]")


class SymbolFeed(bt.feed.DataBase):
    """What every feed offers to strategies and broker.

    Lines beside backtrader's own: `filled` (1.0 for a bar that stands in for a missing one),
    `segment` (its number) and `segment_end` (1.0 on the last bar of a segment).
    """

    lines: Any = ("filled", "segment", "segment_end")

    # Rows that hold the current bar: `_age` counts the bars of its segment before each row,
    # `_base` is the position of row 0, `_ahead` the number of bars before the first delivered one.
    _rows: Bars
    _age: IntArray
    _base = 0
    _ahead = 0

    symbol: str
    bar_length: Timeframe

    # Ticks matter to replayed data only; the broker asks for them at every order and every bar.
    tick_open = tick_high = tick_low = tick_close = None

    def __init__(self) -> None:
        super().__init__()
        # backtrader finds a line by failing to find an attribute first: 0.5 µs at every look.
        for name in (*LINES, "segment_end", "datetime"):
            setattr(self, name, getattr(self.lines, name))

    def __len__(self) -> int:
        return int(self.datetime.lencount)

    @property
    def index(self) -> int:
        """The position of the current bar, counted from the first warm-up bar.

        Raises
        ------
        RunError
            before the first bar: backtrader's lines would answer with the last bar of all.
        """
        delivered: int = self.datetime.lencount
        if not delivered:
            raise RunError(f"{self.symbol}: a bar must have been delivered, found none yet")
        return self._ahead + delivered - 1

    @property
    def bar_time(self) -> np.datetime64:
        """The open time of the current bar (datetime64[ms], UTC)."""
        return np.datetime64(self._rows.time[self.index - self._base])

    @property
    def moment(self) -> np.datetime64:
        """The time at which the current bar closed, which is now (datetime64[ms], UTC)."""
        return np.datetime64(self.bar_time + self.bar_length.delta)

    def window(self, n: int) -> Bars:
        """Return the last `n` bars of the current segment, the current bar last.

        They are fewer if the segment is younger.
        """
        row = self.index - self._base
        return self._rows[row - min(n - 1, self._age_at(row)) : row + 1]

    def _age_at(self, row: int) -> int:
        """Return how many bars of its segment lie before a row."""
        return int(self._age[row])

    def delivered(self) -> Bars:
        """Return the bars delivered so far, without warm-up."""
        raise NotImplementedError  # each of the two feeds says how

    def _tick_nullify(self) -> None:
        """Leave the ticks alone: they took 7 of an idle bar's 17 µs."""

    def _tick_fill(self, force: bool = False) -> None:
        """Leave the ticks alone."""


class BarsFeed(SymbolFeed):
    """Recorded bars; its lines read the columns of `Bars` where they lie.

    Parameters
    ----------
    bars : the market, warm-up included
    first : position of the first bar delivered; strategies may look back at those before it
    """

    def __init__(self, bars: Bars, first: int = 0) -> None:
        super().__init__()
        if not 0 <= first < len(bars):
            raise RunError(
                f"{bars.symbol}: the first bar must be one of the {len(bars)} bars, found {first}"
            )
        self._name = self.symbol = bars.symbol
        self.bar_length = bars.timeframe
        self._rows, self._ahead = bars, first
        self._begins: list[int] = [rows.start for rows in bars.segments()]

    def _age_at(self, row: int) -> int:
        return row - self._begins[bisect_right(self._begins, row) - 1]

    @property
    def recorded(self) -> Bars:
        """The whole recording, for indicators that are computed in one go."""
        return self._rows

    @property
    def first(self) -> int:
        """The position of the first bar delivered."""
        return self._ahead

    @property
    def stamps(self) -> FloatArray:
        """The stamps of the bars that are delivered; known once preloaded."""
        return np.asarray(self.lines.datetime.array)

    def delivered(self) -> Bars:
        return self._rows[self._ahead : self._ahead + len(self)]

    def stand_at(self, delivered: int) -> None:
        """Stand at the bar with which so many have been delivered."""
        # What `advance` does to each line, whatever lies between, and past the check for buffers
        # that keep only some bars: these keep all.
        last = delivered - 1
        for line in self.lines.lines:
            line._idx = last
            line.lencount = delivered

    def preload(self) -> None:
        bars = self._rows
        lines = {name: getattr(bars, name) for name in LINES}
        lines |= {"segment_end": bars.last_of_segment()}
        lines |= {"openinterest": np.broadcast_to(np.nan, len(bars))}
        for name, values in lines.items():
            getattr(self.lines, name).array = as_line(values[self._ahead :])
        self.lines.datetime.array = self._stamps()
        self.home()

    def _stamps(self) -> Any:
        """Return the line of stamps; that of a feed before this one if its times are the same."""
        own = self._rows.time[self._ahead :]
        feeds = getattr(getattr(self, "_env", None), "datas", ())
        before = takewhile(lambda feed: feed is not self, feeds)
        for feed in before:
            if type(feed) is BarsFeed and np.array_equal(feed._rows.time[feed._ahead :], own):
                return feed.lines.datetime.array
        return as_line(stamps(own))

    def load(self) -> bool:
        """Say that no bar follows those that were preloaded."""
        return False


def as_line(values: NDArray[Any]) -> memoryview:
    """Return numbers as a line that is not written to: float64 where they lie, others narrow.

    A line of one number all along holds it once. Others than float64 become float32 where that
    loses nothing; reading gives a float in any case.

    >>> list(as_line(np.array([False, True])))
    [0.0, 1.0]
    """
    if values.dtype == np.float64:
        return values.data
    if len(values) and (values == values[0]).all():
        return np.broadcast_to(np.float64(values[0]), len(values)).data
    narrow = values.astype(np.float32)
    return narrow.data if (narrow == values).all() else values.astype(np.float64).data


@dataclass(frozen=True, slots=True)
class StreamBar:
    """A bar that has just closed, and whether its segment is known to end with it."""

    bar: Bars
    ends_segment: bool


def stream_of(bars: Bars, first: int = 0) -> Iterator[StreamBar]:
    """Replay recorded bars, from position `first` on, as they once arrived."""
    last = bars.last_of_segment()
    for i in range(first, len(bars)):
        yield StreamBar(bars[i : i + 1], bool(last[i]))


class _LatestBars:
    """The latest bars of a stream, in contiguous columns.

    When the room is used up the bars worth keeping move to fresh columns, so that windows handed
    out before stay as they were; every bar is moved at most once on average.
    """

    def __init__(self, warmup: Bars, keep: int) -> None:
        self._symbol, self._timeframe = warmup.symbol, warmup.timeframe
        self._keep = keep
        self._used = 0
        self._columns: dict[str, NDArray[Any]] = {}
        self.age = np.empty(0, np.int64)
        self.base = 0
        self.rows: Bars
        for bar in stream_of(warmup):
            self.append(bar.bar)

    def append(self, bar: Bars) -> None:
        """Take the next bar."""
        self._check(bar)
        if self._used == len(self.age):
            self._make_room(bar)
        row = self._used
        for name, column in self._columns.items():
            column[row] = getattr(bar, name)[0]
        same = row > 0 and self._columns["segment"][row - 1] == bar.segment[0]
        self.age[row] = self.age[row - 1] + 1 if same else 0
        self._used += 1

    @property
    def count(self) -> int:
        """How many bars were taken so far."""
        return self.base + self._used

    def _check(self, bar: Bars) -> None:
        if bar.symbol != self._symbol or bar.timeframe != self._timeframe or not self._follows(bar):
            last = f"{self.rows.time[self._used - 1]}Z" if self._used else "its beginning"
            raise RunError(
                f"the stream of {self._symbol} {self._timeframe} must go on one bar after {last}, "
                f"or later with a new segment, found {bar.symbol} {bar.timeframe} {bar.time[0]}Z"
            )

    def _follows(self, bar: Bars) -> bool:
        if not self._used:
            return True
        last = self.rows[self._used - 1 : self._used]
        apart = bar.time[0] - last.time[0]
        same = bar.segment[0] == last.segment[0]
        return bool(apart == bar.timeframe.delta if same else apart > bar.timeframe.delta)

    def _make_room(self, bar: Bars) -> None:
        kept = slice(max(0, self._used - self._keep), self._used)
        size = kept.stop - kept.start
        room = max(2 * self._keep, 2)
        old, old_age = self._columns, self.age
        self._columns = {n: np.empty(room, getattr(bar, n).dtype) for n in (*LINES, "time")}
        self.age = np.empty(room, np.int64)
        if size:
            self.age[:size] = old_age[kept]
            for name, column in self._columns.items():
                column[:size] = old[name][kept]
        self.base += kept.start
        self._used = size
        self.rows = bar.unchecked({n: _read_only(c) for n, c in self._columns.items()})


def _read_only(column: NDArray[Any]) -> NDArray[Any]:
    view = column.view()
    view.flags.writeable = False
    return view


class StreamFeed(SymbolFeed):
    """Bars that arrive one by one.

    None in place of a bar says that the symbol has none at this moment; others may.

    When several streams run together backtrader asks for a bar ahead of its time and puts it
    back; `window` and `index` go by what was delivered, so a strategy never sees that bar.

    Parameters
    ----------
    stream : when it ends, so does the run
    warmup : bars before the stream that strategies may look back at; they may be none at all, and
        name the symbol and the timeframe
    keep : how many bars back `window` must be able to reach
    """

    def __init__(
        self, stream: Iterator[StreamBar | None], warmup: Bars, *, keep: int = 1000
    ) -> None:
        super().__init__()
        self._name = self.symbol = warmup.symbol
        self.bar_length = warmup.timeframe
        self._stream = stream
        self._keep = keep
        self._latest = _LatestBars(warmup, keep)
        self._ahead = self._latest.count

    def islive(self) -> bool:
        """Tell Cerebro to take the bars one by one."""
        return True

    def window(self, n: int) -> Bars:
        if n > self._keep:
            raise RunError(
                f"{self.symbol}: a window must be within the {self._keep} bars that the stream "
                f"keeps, found {n}; raise `keep`"
            )
        return super().window(n)

    def delivered(self) -> Bars:
        if not len(self):
            raise RunError(f"{self.symbol}: the stream must deliver a bar, it ended without one")
        lines = {
            name: np.array(getattr(self.lines, name).array[: len(self)])
            for name in (*LINES, "datetime")
        }
        time = times(lines.pop("datetime"))
        return Bars(self.symbol, self.bar_length, time, **lines, synthetic=self._rows.synthetic)

    def next(self, datamaster: Any = None, ticks: bool = True) -> bool | None:
        # Cerebro asks those without a bar once more, with a master: they have answered already.
        return None if datamaster is not None else super().next(ticks=ticks)

    def _load(self) -> bool | None:
        try:
            arrived = next(self._stream)
        except StopIteration:
            return False
        if arrived is None:
            return None
        self._latest.append(arrived.bar)
        self._rows, self._age, self._base = self._latest.rows, self._latest.age, self._latest.base
        for name in LINES:
            getattr(self.lines, name)[0] = float(getattr(arrived.bar, name)[0])
        self.lines.datetime[0] = stamps(arrived.bar.time)[0]
        self.lines.segment_end[0] = float(arrived.ends_segment)
        return True
