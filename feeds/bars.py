"""Bars: the one form in which market data flows through the house."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from feeds.errors import BadBarsError
from feeds.moments import readable
from feeds.timeframe import Timeframe

FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]
BoolArray: TypeAlias = NDArray[np.bool_]
TimeArray: TypeAlias = NDArray[np.datetime64]

PRICES = ("open", "high", "low", "close")
_DTYPES: Mapping[str, Any] = {
    "time": "datetime64[ms]",
    **dict.fromkeys((*PRICES, "volume"), np.float64),
    "filled": np.bool_,
    "segment": np.int64,
}


@dataclass(frozen=True, slots=True, eq=False)
class Bars:
    """OHLCV bars of one symbol and timeframe, oldest first, read-only.

    A row carries the moment its bar *opened* (UTC); it is known at open + timeframe.
    Inside a segment the times are one timeframe apart: short gaps are flat bars flagged
    `filled`, longer holes separate segments. Nothing may reach across a segment's edge.

    Attributes
    ----------
    time : datetime64[ms], the open times
    open, high, low, close, volume : float64; volume in base units
    filled : bool, True for bars that stand in for missing ones
    segment : int64, never falling; a new number after each hole
    synthetic : True if the market is simulated
    """

    symbol: str
    timeframe: Timeframe
    time: TimeArray
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray
    filled: BoolArray
    segment: IntArray
    synthetic: bool = False

    def __post_init__(self) -> None:
        for name, dtype in _DTYPES.items():
            object.__setattr__(self, name, _own(getattr(self, name), dtype))
        _check(self)

    def __len__(self) -> int:
        return len(self.time)

    def __getitem__(self, rows: slice) -> "Bars":
        """Return the bars of a forward slice, without copying or checking again."""
        if rows.step not in (None, 1):
            raise BadBarsError(f"bars are sliced forward, one by one, found step {rows.step}")
        return self.unchecked({name: getattr(self, name)[rows] for name in _DTYPES})

    def unchecked(self, columns: Mapping[str, Any]) -> "Bars":
        """Return bars with other columns, for callers that keep the promises by themselves."""
        view = object.__new__(Bars)
        for field in fields(Bars):
            value = columns.get(field.name, getattr(self, field.name))
            object.__setattr__(view, field.name, value)
        return view

    @property
    def closed_at(self) -> TimeArray:
        """The moments at which the bars became known."""
        return self.time + self.timeframe.delta

    def known_at(self, moment: np.datetime64) -> "Bars":
        """Return what a trader could know at `moment`: bars closed by then."""
        opened = moment - self.timeframe.delta
        return self[: int(np.searchsorted(self.time, opened, side="right"))]

    def index_from(self, moment: np.datetime64) -> int:
        """Return the position of the first bar that opens at or after `moment`."""
        return int(np.searchsorted(self.time, moment, side="left"))

    def segments(self) -> Iterator[slice]:
        """Yield the rows of each unbroken run of bars."""
        edges = np.flatnonzero(np.diff(self.segment)) + 1
        starts = [0, *edges.tolist(), len(self)]
        for start, stop in pairwise(starts):
            if stop > start:
                yield slice(start, stop)

    def bars_before(self) -> IntArray:
        """Return for each bar how many bars its segment holds before it."""
        count = np.arange(len(self))
        for rows in self.segments():
            count[rows] -= rows.start
        return count

    def last_of_segment(self) -> BoolArray:
        """Return True for the last bar of each segment."""
        last = np.zeros(len(self), np.bool_)
        last[[rows.stop - 1 for rows in self.segments()]] = True
        return last

    def frame(self) -> pd.DataFrame:
        """Return a copy as a frame: `timestamp` (UTC), prices, volume."""
        columns = {name: getattr(self, name) for name in (*PRICES, "volume")}
        return pd.DataFrame({"timestamp": pd.DatetimeIndex(self.time, tz="UTC"), **columns})

    def digest(self) -> str:
        """Return the SHA-256 of symbol, timeframe and every column: same digest, same bars."""
        sha = hashlib.sha256(f"{self.symbol} {self.timeframe} {self.synthetic}".encode())
        for name in _DTYPES:
            sha.update(np.ascontiguousarray(getattr(self, name)).view(np.uint8).data)
        return sha.hexdigest()


def given_up(array: np.ndarray) -> np.ndarray:
    """Return an array that its maker will not write to again, so that `Bars` need no copy of it."""
    array.flags.writeable = False
    return array


def sharing(markets: Sequence[Bars]) -> list[Bars]:
    """Return the bars of several symbols with one copy of what they have in common.

    Symbols of one exchange mostly have the same times, and often the same gaps.
    """
    seen: dict[str, list[np.ndarray]] = {name: [] for name in ("time", "filled", "segment")}
    return [
        bars.unchecked({n: _first_equal(getattr(bars, n), seen[n]) for n in seen})
        for bars in markets
    ]


def _first_equal(column: np.ndarray, seen: list[np.ndarray]) -> np.ndarray:
    for other in seen:
        if np.array_equal(column, other):
            return other
    seen.append(column)
    return column


def _own(column: Any, dtype: Any) -> np.ndarray:
    """Return a column that nobody else writes to."""
    if isinstance(column, np.ndarray) and column.dtype == dtype:
        flags = column.flags
        if flags.owndata and flags.c_contiguous and not flags.writeable:
            return column
    return given_up(np.array(column, dtype=dtype))


def _check(bars: Bars) -> None:
    lengths = {name: len(getattr(bars, name)) for name in _DTYPES}
    if len(set(lengths.values())) > 1:
        raise BadBarsError(f"{bars.symbol}: columns must be equally long, found {lengths}")
    # Column by column: a table of all prices would be copied together first. NaN fails each test.
    unsound = np.zeros(len(bars), np.bool_)
    for price in (bars.open, bars.high, bars.low, bars.close):
        unsound |= ~((price > 0) & (price < np.inf))
    _refuse(bars, unsound, "a price that is not a finite number above 0")
    volume_known = (bars.volume >= 0) & (bars.volume < np.inf)
    _refuse(bars, ~volume_known, "a volume that is not a finite number from 0 up")
    outside = (bars.open < bars.low) | (bars.open > bars.high) | (bars.high < bars.low)
    outside |= (bars.close < bars.low) | (bars.close > bars.high)
    _refuse(bars, outside, "open or close outside low..high")
    off_grid = np.not_equal(bars.time.astype(np.int64) % bars.timeframe.ms, 0)
    _refuse(bars, off_grid, f"a time off the grid of {bars.timeframe}")
    _refuse(bars, _unsteady(bars), "a time that does not fit their segment")


def _unsteady(bars: Bars) -> BoolArray:
    """Return where a step in time does not fit the step in `segment` that goes with it."""
    step = np.diff(bars.time, prepend=bars.time[:1] - bars.timeframe.delta)
    turn = np.diff(bars.segment, prepend=bars.segment[:1])
    same = np.equal(step, bars.timeframe.delta) & (turn == 0)
    after_hole = np.greater(step, bars.timeframe.delta) & (turn > 0)
    return np.asarray(~(same | after_hole))


def _refuse(bars: Bars, wrong: BoolArray, what: str) -> None:
    if wrong.any():
        first = bars.time[int(np.argmax(wrong))]
        raise BadBarsError(
            f"{bars.symbol} {bars.timeframe}: {int(wrong.sum())} bars have {what}, "
            f"first at {readable(first)}"
        )
