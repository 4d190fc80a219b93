"""Defects of raw rows: found one by one, refused by default, repaired only by name.

A raw frame has `timestamp` (datetime64[ms], naive UTC) and float64 `open high low close volume`.
Its index numbers the rows as they were read, from 0; messages count rows from 1.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd

from feeds.bars import PRICES, Bars, BoolArray, FloatArray, IntArray, TimeArray
from feeds.errors import BadBarsError, FeedError
from feeds.gaps import Hole, holes_of
from feeds.messages import counted
from feeds.moments import readable
from feeds.timeframe import Timeframe

LARGEST = 1e15  # no market has a price or a volume above it: a unit or a column is wrong


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """A raw frame as the checks see it."""

    frame: pd.DataFrame
    timeframe: Timeframe

    @property
    def time(self) -> IntArray:
        opened: TimeArray = self.frame["timestamp"].to_numpy("datetime64[ms]")
        return opened.astype(np.int64)

    @property
    def prices(self) -> list[FloatArray]:
        return [self.column(name) for name in PRICES]

    @property
    def columns(self) -> list[FloatArray]:
        return [*self.prices, self.column("volume")]

    def column(self, name: str) -> FloatArray:
        return np.asarray(self.frame[name], np.float64)

    def same_time(self, keep: Literal["first", "last", False]) -> BoolArray:
        """Return True for the rows of a time, but for the first, the last or none of them."""
        return np.asarray(self.frame.duplicated("timestamp", keep=keep), np.bool_)


Check: TypeAlias = Callable[[_Rows], BoolArray]
Mend: TypeAlias = Callable[[pd.DataFrame, BoolArray], pd.DataFrame]


@dataclass(frozen=True, slots=True)
class Defect:
    """One kind of defect in a file.

    Attributes
    ----------
    what : the defect in words
    rows : how many rows have it
    first_row : the first of them, counted from 1
    first_time : when its bar opened (UTC)
    repair : the name of the repair that removes it
    """

    what: str
    rows: int
    first_row: int
    first_time: np.datetime64
    repair: str

    def __str__(self) -> str:
        where = f"{readable(self.first_time)} (row {self.first_row})"
        return f"{_counted(self.rows, self.what)}, first {where}"


@dataclass(frozen=True, slots=True)
class Repair:
    """A repair that was made: its name, what it did, to which rows and how many."""

    name: str
    what: str
    rows: int

    def __str__(self) -> str:
        return f"{self.name}: {_counted(self.rows, self.what)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityReport:
    """What was found in a file, and what was done about it.

    Attributes
    ----------
    source : the file's name
    rows_read : rows in the file
    defects : every defect found, before repairs
    repairs : what was repaired, in the order in which it was done
    bars : bars made of the rows, filled ones included
    filled_bars : flat bars that stand in for missing ones
    segments : unbroken runs of bars
    holes : the gaps too long to fill
    """

    source: str
    rows_read: int
    defects: tuple[Defect, ...]
    repairs: tuple[Repair, ...]
    bars: int
    filled_bars: int
    segments: int
    holes: tuple[Hole, ...]

    def __str__(self) -> str:
        """Return a line with the counts, then a line per defect, repair and hole."""
        made = (
            f"{self.bars} bars ({self.filled_bars} filled) in {counted(self.segments, 'segment')}"
        )
        counts = f"{self.source}: {self.rows_read} rows read, {made}"
        found = (f"found {defect}" for defect in self.defects)
        done = (f"repaired with {repair}" for repair in self.repairs)
        return "\n".join([counts, *found, *done, *(f"hole of {hole}" for hole in self.holes)])


def inspect_rows(frame: pd.DataFrame, timeframe: Timeframe) -> tuple[Defect, ...]:
    """Return every kind of defect that the rows have, in the order of `CHECKS`."""
    return tuple(_defects(frame, timeframe))


def repair_rows(
    frame: pd.DataFrame, timeframe: Timeframe, repairs: Iterable[str]
) -> tuple[pd.DataFrame, tuple[Repair, ...]]:
    """Return the rows after the named repairs, and those that changed something.

    They are made in the order of `REPAIRS`, whatever order they are named in: broken rows go
    first, so that of two rows with one time the sound one stays. Unknown names are refused.
    """
    done = []
    for name in known_repairs(repairs):
        what, find, mend = REPAIRS[name]
        found = find(_Rows(frame, timeframe))
        if found.any():
            frame = mend(frame, found)
            done.append(Repair(name, what, int(found.sum())))
    return frame, tuple(done)


def known_repairs(names: Iterable[str]) -> tuple[str, ...]:
    """Return the repairs in the order in which they are made; an unknown name is refused."""
    wanted = set(names)
    for name in sorted(wanted - set(REPAIRS)):
        close = get_close_matches(name, REPAIRS, n=1)
        hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(REPAIRS)}"
        raise FeedError(f"unknown repair {name!r}: {hint}")
    return tuple(name for name in REPAIRS if name in wanted)


def refuse_defects(defects: tuple[Defect, ...], source: str, allowed: Iterable[str] = ()) -> None:
    """Raise `BadBarsError` in one line naming every defect and the repairs, if there is one.

    Those that were `allowed` already are named with them, so that the flag can be copied.
    """
    if defects:
        needed = (defect.repair for defect in defects)
        repairs = ",".join(known_repairs((*allowed, *needed)))
        found = "; ".join(map(str, defects))
        raise BadBarsError(f"{source}: {found}; repair with --repair {repairs}")


def report_of(
    bars: Bars,
    *,
    source: str,
    rows_read: int,
    defects: tuple[Defect, ...] = (),
    repairs: tuple[Repair, ...] = (),
) -> QualityReport:
    """Return the report on the bars that were made of a file's rows."""
    return QualityReport(
        source=source,
        rows_read=rows_read,
        defects=defects,
        repairs=repairs,
        bars=len(bars),
        filled_bars=int(bars.filled.sum()),
        segments=sum(1 for _ in bars.segments()),
        holes=holes_of(bars),
    )


def _counted(rows: int, what: str) -> str:
    return f"{rows} {what if rows != 1 else what.replace('rows', 'row', 1)}"


def _defects(frame: pd.DataFrame, timeframe: Timeframe) -> Iterator[Defect]:
    rows = _Rows(frame, timeframe)
    for what, (check, repair) in CHECKS.items():
        wrong = check(rows)
        if wrong.any():
            first = int(np.argmax(wrong))
            yield Defect(
                what=what.format(timeframe=timeframe),
                rows=int(wrong.sum()),
                first_row=int(frame.index[first]) + 1,
                first_time=np.datetime64(int(rows.time[first]), "ms"),
                repair=repair,
            )


def _out_of_order(rows: _Rows) -> BoolArray:
    return np.less(rows.time, np.maximum.accumulate(rows.time))


def _duplicate(rows: _Rows) -> BoolArray:
    """Rows that repeat an earlier one, values and all."""
    twins = rows.same_time(keep=False)
    found = np.zeros(len(twins), np.bool_)
    found[twins] = rows.frame[twins].duplicated()
    return found


def _contradicting(rows: _Rows) -> BoolArray:
    """Rows with the time of an earlier one, but other values."""
    return rows.same_time(keep="first") & ~_duplicate(rows)


def _superseded(rows: _Rows) -> BoolArray:
    """Rows whose time a later one has too."""
    return rows.same_time(keep="last")


def _off_grid(rows: _Rows) -> BoolArray:
    return np.not_equal(rows.time % rows.timeframe.ms, 0)


def _not_finite(rows: _Rows) -> BoolArray:
    return _any(*(~np.isfinite(column) for column in rows.columns))


def _price_not_positive(rows: _Rows) -> BoolArray:
    return _any(*(column <= 0 for column in rows.prices))


def _too_large(rows: _Rows) -> BoolArray:
    return _any(*((column > LARGEST) & np.isfinite(column) for column in rows.columns))


def _low_above_open(rows: _Rows) -> BoolArray:
    open_, _, low, _ = rows.prices
    return np.greater(low, open_)


def _outside_range(rows: _Rows) -> BoolArray:
    """Rows whose open or close lies outside low..high; low above open has its own check."""
    open_, high, low, close = rows.prices
    return _any(open_ > high, close > high, close < low, low > high)


def _volume_negative(rows: _Rows) -> BoolArray:
    return np.less(rows.column("volume"), 0)


def _broken(rows: _Rows) -> BoolArray:
    """Rows that any check of their values finds."""
    checks = [check for check, repair in CHECKS.values() if repair == "drop-broken"]
    return _any(*(check(rows) for check in checks))


def _any(*found: BoolArray) -> BoolArray:
    return np.asarray(np.any(found, axis=0), np.bool_)


def _drop(frame: pd.DataFrame, found: BoolArray) -> pd.DataFrame:
    return frame[~found]


def _sort(frame: pd.DataFrame, _: BoolArray) -> pd.DataFrame:
    return frame.sort_values("timestamp", kind="stable")  # rows of one time keep their order


# What is found, the check that finds it, the repair that removes it.
CHECKS: Mapping[str, tuple[Check, str]] = {
    "rows out of order": (_out_of_order, "sort"),
    "duplicate rows": (_duplicate, "dedupe"),
    "rows with an earlier row's time but other values": (_contradicting, "dedupe"),
    "rows off the grid of {timeframe}": (_off_grid, "drop-off-grid"),
    "rows with NaN or an infinite value": (_not_finite, "drop-broken"),
    "rows with a price not above 0": (_price_not_positive, "drop-broken"),
    "rows with a price or volume above 1e15": (_too_large, "drop-broken"),
    "rows with low above open": (_low_above_open, "drop-broken"),
    "rows with open or close outside low..high": (_outside_range, "drop-broken"),
    "rows with a negative volume": (_volume_negative, "drop-broken"),
}

# What is repaired, the rows that are, and how; in the order in which repairs are made.
REPAIRS: Mapping[str, tuple[str, Check, Mend]] = {
    "drop-broken": ("broken rows dropped", _broken, _drop),
    "drop-off-grid": ("rows off the grid dropped", _off_grid, _drop),
    "sort": ("rows put in order", _out_of_order, _sort),
    "dedupe": ("rows dropped for a later one of the same time", _superseded, _drop),
}
