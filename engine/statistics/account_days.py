"""What an account went through on each calendar day: the days that are drawn anew."""

from dataclasses import dataclass

import numpy as np

from engine.equity import EquityCurve
from engine.metrics import max_drawdown
from feeds.bars import FloatArray, IntArray, TimeArray


@dataclass(frozen=True, slots=True, eq=False)
class AccountDays:
    """What an account went through on each calendar day (n,).

    Attributes
    ----------
    marked : 1.0 if the account was there, else 0.0 and nothing happened
    growth : equity at its end over that at its begin
    high, low : the highest and lowest equity, over that at its begin; the begin counts as high
    fall : the deepest drawdown within the day, of who begins at its begin
    """

    marked: FloatArray
    growth: FloatArray
    high: FloatArray
    low: FloatArray
    fall: FloatArray

    @classmethod
    def of(cls, curve: EquityCurve, cash: float, days: TimeArray) -> "AccountDays":
        """Return what an account that began with `cash` went through on each of the days.

        Equity known at midnight belongs to the day that ends there.
        """
        place = _places(curve.time, days)
        begin = np.flatnonzero(np.append(True, np.diff(place) > 0))
        before = np.concatenate([[cash], curve.equity[begin[1:] - 1]])
        parts = np.split(curve.equity, begin[1:])
        row, n = place[begin], len(days)
        made = cls(np.zeros(n), np.ones(n), np.ones(n), np.ones(n), np.zeros(n))
        made.marked[row[0] : row[-1] + 1] = 1.0
        made.growth[row] = np.array([part[-1] for part in parts]) / before
        made.high[row] = np.maximum(np.maximum.reduceat(curve.equity, begin) / before, 1.0)
        made.low[row] = np.minimum.reduceat(curve.equity, begin) / before
        paths = (np.append(start, part) for start, part in zip(before, parts, strict=True))
        made.fall[row] = [max_drawdown(path) for path in paths]
        return made


def _places(time: TimeArray, days: TimeArray) -> IntArray:
    """Return which of the days each moment's equity belongs to.

    The days are those on which trades are decided, where midnight belongs to the day that begins.
    So an account whose bars all close at midnight lies a day before them, and is moved by one; a
    first close at midnight goes with the day that it begins.
    """
    closed = (time - np.timedelta64(1, "ms")).astype("datetime64[D]")
    place: IntArray = (closed - days[0]).astype(np.int64)
    if place[0] < 0 and place[-1] < len(days) - 1:
        place += 1
    return np.maximum(place, 0)
