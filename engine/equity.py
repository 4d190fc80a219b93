"""The account over time, reconstructed from the fills."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from engine.records import Fill
from feeds.bars import Bars, FloatArray, IntArray, TimeArray

Times = TypeVar("Times", TimeArray, FloatArray)


@dataclass(frozen=True, slots=True, eq=False)
class EquityCurve:
    """What the account was worth each time a bar had closed.

    Attributes
    ----------
    time : datetime64[ms], the close times
    equity : cash + position_value, in quote currency
    cash, position_value : float64
    """

    time: TimeArray
    equity: FloatArray
    cash: FloatArray
    position_value: FloatArray

    def __len__(self) -> int:
        return len(self.time)


def equity_curve(
    fills: Sequence[Fill],
    bars_by_symbol: Mapping[str, Bars],
    first_by_symbol: Mapping[str, int],
    cash: float,
) -> EquityCurve:
    """Return the account at every moment at which a bar of any symbol closed.

    Parameters
    ----------
    fills : everything executed; the fills of a bar count from its close on
    bars_by_symbol : the bars of every symbol
    first_by_symbol : the position of the first bar that was traded
    cash : what the account began with

    Notes
    -----
    A symbol without a bar at a moment keeps the close of its last one.
    """
    traded = {symbol: bars[first_by_symbol[symbol] :] for symbol, bars in bars_by_symbol.items()}
    time = merged_times([bars.closed_at for bars in traded.values()])
    money = np.full(len(time), float(cash))
    value = np.zeros(len(time))
    for symbol, bars in traded.items():
        own = [fill for fill in fills if fill.symbol == symbol]
        row = _row_of(own, bars, time)
        money += _running(row, [fill.cash_change for fill in own], len(time))
        value += _running(row, [fill.units for fill in own], len(time)) * last_close(bars, time)
    return EquityCurve(time, money + value, money, value)


def merged_times(times: Sequence[Times]) -> Times:
    """Return the different times of several symbols, oldest first; each symbol's increase.

    >>> a, b = (np.array(days, "datetime64[D]") for days in (["2024-01-02"], ["2024-01-01"]))
    >>> merged_times([a, b, a]).astype(str).tolist()
    ['2024-01-01', '2024-01-02']
    """
    merged = times[0]
    for own in times[1:]:
        merged = _union(merged, own)
    return merged


def _union(merged: Times, own: Times) -> Times:
    """Return the different times of two; symbols of one exchange mostly have the same ones."""
    if np.array_equal(merged, own):
        return merged
    # NumPy's `unique` hashes first, which takes ten times as long for times in order.
    both = np.sort(np.concatenate([merged, own]), kind="stable")
    first: Times = both[np.append(True, both[1:] != both[:-1])]
    return first


def _row_of(fills: Sequence[Fill], bars: Bars, time: TimeArray) -> IntArray:
    filled_at = np.array([fill.filled_at for fill in fills], "datetime64[ms]")
    return np.searchsorted(time, filled_at + bars.timeframe.delta)


def _running(row: IntArray, change: Sequence[float], length: int) -> FloatArray:
    return np.cumsum(np.bincount(row, np.array(change, np.float64), minlength=length))


def last_close(bars: Bars, time: TimeArray) -> FloatArray:
    """Return the last close known at each time; before the first one, that one."""
    known = np.searchsorted(bars.closed_at, time, side="right") - 1
    return bars.close[np.maximum(known, 0)]
