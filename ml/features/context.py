"""Context: the same market on slower timeframes, of CLOSED slow bars only.

A slow bar covers `factor` bars on the grid of the epoch. It counts when all of them lie in the
segment, from the moment the last of them has closed. Between two closes of slow bars the value
stands still. Everything here is windowed, so that lookbacks stay short.
"""

from functools import lru_cache, partial

import numpy as np

from feeds.bars import Bars, FloatArray, IntArray
from feeds.windows import before, mean, ratio
from ml.features.base import Compute, Feature, feature
from ml.features.price import log_return, place
from ml.features.technical import trend_fit
from ml.features.volatility import volatility
from ml.features.volume import volume_ratio

FACTORS = (3, 12)


# Every context feature of a matrix asks for the same slow bars. `Bars` never change and are
# told apart by identity, so remembering the latest changes no answer.
@lru_cache(maxsize=len(FACTORS))
def slow_bars(bars: Bars, factor: int) -> Bars:
    """Return the whole slow bars of ONE segment, each `factor` bars on the epoch's grid."""
    start = _rows_before_first(bars, factor)
    count = max(len(bars) - start, 0) // factor
    rows = slice(start, start + count * factor)

    def grouped(column: FloatArray) -> FloatArray:
        return column[rows].reshape(count, factor)

    # Whole bars grouped keep all that `Bars` promises: to check it again costs more than to group.
    return bars.unchecked(
        {
            "timeframe": bars.timeframe.times(factor),
            "time": bars.time[rows][::factor],
            "open": bars.open[rows][::factor],
            "high": grouped(bars.high).max(axis=1),
            "low": grouped(bars.low).min(axis=1),
            "close": bars.close[rows][factor - 1 :: factor],
            "volume": grouped(bars.volume).sum(axis=1),
            "filled": np.zeros(count, np.bool_),
            "segment": np.zeros(count, np.int64),
        }
    )


def on_slow_bars(bars: Bars, *, compute: Compute, factor: int) -> FloatArray:
    """Return for each bar what `compute` says of the slow bars closed by then."""
    values = np.concatenate([[np.nan], compute(slow_bars(bars, factor))])
    return values[_closed(bars, factor)]


@lru_cache(maxsize=1)
def _closed(bars: Bars, factor: int) -> IntArray:
    """Return for each bar how many slow bars have closed with it."""
    grouped = np.arange(1, len(bars) + 1) - _rows_before_first(bars, factor)
    return np.asarray(np.maximum(grouped // factor, 0))


def rise_share(bars: Bars, *, period: int) -> FloatArray:
    """Return the share of movement that was upwards, 0 to 1: an RSI without memory."""
    step = bars.close - before(bars.close, 1)
    return ratio(mean(np.maximum(step, 0.0), period), mean(np.abs(step), period))


def _rows_before_first(bars: Bars, factor: int) -> int:
    """Return how many bars lie before the first slow bar that is whole."""
    if not len(bars):
        return 0
    place_on_grid = bars.time[0].astype(np.int64) // bars.timeframe.ms
    return int(-place_on_grid % factor)


def _on_factor(factor: int, slow: Feature) -> Feature:
    """Return the slow feature as seen from the fast bars.

    `slow.lookback` + 1 whole slow bars are needed, and up to `factor` - 1 bars after them
    belong to one that has not closed.
    """
    return Feature(
        name=f"context_{factor}x_{slow.name}",
        family="context",
        lookback=(slow.lookback + 2) * factor - 2,
        compute=partial(on_slow_bars, compute=slow.compute, factor=factor),
        neutral=slow.neutral,
        meaning=f"{slow.meaning}, on closed bars {factor} times as long",
    )


_row = partial(feature, "context")

_SLOW = (
    _row("return_1", 1, partial(log_return, period=1), "log of close / close 1 back"),
    _row("return_6", 6, partial(log_return, period=6), "log of close / close 6 back"),
    _row("place_20", 19, partial(place, period=20), "place in the 20-bar range", 0.5),
    _row("rise_share_14", 14, partial(rise_share, period=14), "upward share of 14 changes", 0.5),
    _row("trend_fit_20", 19, partial(trend_fit, period=20), "correlation of close with time"),
    _row("volatility_20", 20, partial(volatility, period=20), "deviation of 20 log returns"),
    _row("volume_ratio_20", 19, partial(volume_ratio, period=20), "volume / 20-bar mean", 1.0),
)

CONTEXT = tuple(_on_factor(factor, slow) for factor in FACTORS for slow in _SLOW)
