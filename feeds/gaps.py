"""From rows with missing bars to `Bars`: short gaps are filled, long ones split segments."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from feeds.bars import PRICES, Bars, BoolArray, FloatArray, IntArray, TimeArray, given_up
from feeds.errors import BadBarsError
from feeds.moments import readable
from feeds.timeframe import Timeframe

FILL_LIMIT = 5  # missing bars in a row that are still filled


@dataclass(frozen=True, slots=True)
class Hole:
    """A run of missing bars that was too long to fill.

    Attributes
    ----------
    after, before : open times (UTC) of the last bar in front of it and the first one behind it
    missing : how many bars are not there
    """

    after: np.datetime64
    before: np.datetime64
    missing: int

    def __str__(self) -> str:
        return f"{self.missing} bars between {readable(self.after)} and {readable(self.before)}"


@dataclass(frozen=True, slots=True, eq=False)
class _Layout:
    """Where each bar comes from: its row, how many steps after it, its segment."""

    row: IntArray
    offset: IntArray
    segment: IntArray

    @property
    def filled(self) -> BoolArray:
        return self.offset > 0


def to_bars(
    frame: pd.DataFrame,
    symbol: str,
    timeframe: Timeframe,
    *,
    fill_limit: int = FILL_LIMIT,
    synthetic: bool = False,
) -> Bars:
    """Return the rows as bars; what is missing between them is filled or splits segments.

    Up to `fill_limit` missing bars in a row become flat bars at the previous close with volume 0,
    flagged `filled`; a longer hole starts a new segment.

    Parameters
    ----------
    frame : `timestamp` (datetime64[ms], naive UTC, rising, on the grid of `timeframe`) and
        float64 `open high low close volume`
    fill_limit : missing bars in a row that are filled, 0 or more

    Raises
    ------
    BadBarsError
        if times do not rise on the grid, or a row breaks a promise of `Bars`
    """
    if fill_limit < 0:
        raise BadBarsError(f"the fill limit must be 0 or more bars, found {fill_limit}")
    time: TimeArray = frame["timestamp"].to_numpy("datetime64[ms]")
    layout = _lay_out(_missing_after(time, symbol, timeframe), fill_limit)
    prices = {name: frame[name].to_numpy(np.float64)[layout.row] for name in PRICES}
    volume = frame["volume"].to_numpy(np.float64)[layout.row]
    return Bars(
        symbol=symbol,
        timeframe=timeframe,
        time=given_up(time[layout.row] + layout.offset * timeframe.delta),
        **{name: _flat(price, prices["close"], layout.filled) for name, price in prices.items()},
        volume=given_up(np.where(layout.filled, 0.0, volume)),
        filled=given_up(layout.filled),
        segment=given_up(layout.segment),
        synthetic=synthetic,
    )


def holes_of(bars: Bars) -> tuple[Hole, ...]:
    """Return the holes between the segments of `bars`, oldest first."""
    last = np.flatnonzero(np.diff(bars.segment))
    return tuple(_hole(bars.time[i], bars.time[i + 1], bars.timeframe) for i in last.tolist())


def _hole(after: np.datetime64, before: np.datetime64, timeframe: Timeframe) -> Hole:
    return Hole(after, before, int((before - after) // timeframe.delta) - 1)


def _missing_after(time: TimeArray, symbol: str, timeframe: Timeframe) -> IntArray:
    """Return how many bars are missing after each row; none after the last."""
    off_grid = time.astype(np.int64) % timeframe.ms != 0
    stuck = np.diff(time, prepend=time[:1] - timeframe.delta) <= np.timedelta64(0, "ms")
    wrong = off_grid | stuck
    if wrong.any():
        first = int(np.argmax(wrong))
        raise BadBarsError(
            f"{symbol}: times must rise on the grid of {timeframe}, found "
            f"{readable(time[first])} in row {first + 1}"
        )
    steps = np.diff(time.astype(np.int64), append=time[-1:].astype(np.int64) + timeframe.ms)
    return np.asarray(steps // timeframe.ms - 1, np.int64)


def _lay_out(missing: IntArray, fill_limit: int) -> _Layout:
    """Repeat each row once for itself and once for every bar that is filled after it."""
    fills = np.where(missing <= fill_limit, missing, 0)
    row = np.repeat(np.arange(len(missing)), 1 + fills)
    first = np.cumsum(1 + fills) - (1 + fills)
    splits = np.cumsum(missing > fill_limit)
    segment = np.concatenate([[0], splits[:-1]])[: len(missing)]
    return _Layout(row, np.arange(len(row)) - first[row], segment[row])


def _flat(price: FloatArray, close: FloatArray, filled: BoolArray) -> FloatArray:
    return given_up(np.where(filled, close, price))
