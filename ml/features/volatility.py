"""Volatility: how far prices move, whatever the direction."""

import math
from functools import partial

import numpy as np

from feeds.bars import Bars, FloatArray
from feeds.indicators import RECURSIVE_LOOKBACK, atr, bollinger, highest
from feeds.windows import deviation, mean, ratio
from ml.features.base import feature
from ml.features.price import last_return


def volatility(bars: Bars, *, period: int) -> FloatArray:
    """Return the deviation of log returns."""
    return deviation(last_return(bars), period)


def volatility_ratio(bars: Bars, *, fast: int, slow: int) -> FloatArray:
    """Return recent over usual volatility."""
    return ratio(volatility(bars, period=fast), volatility(bars, period=slow))


def atr_share(bars: Bars, *, period: int) -> FloatArray:
    """Return Wilder's average true range over the close."""
    return atr(bars.high, bars.low, bars.close, period) / bars.close


def range_ratio(bars: Bars, *, period: int) -> FloatArray:
    """Return the bar's range over the mean range."""
    span = bars.high - bars.low
    return ratio(span, mean(span, period))


def parkinson(bars: Bars, *, period: int) -> FloatArray:
    """Return Parkinson's volatility, per bar, from highs and lows."""
    squares = np.log(bars.high / bars.low) ** 2
    return np.sqrt(mean(squares, period) / (4.0 * math.log(2.0)))


def rogers_satchell(bars: Bars, *, period: int) -> FloatArray:
    """Return Rogers' and Satchell's volatility, per bar, which no trend inflates."""
    up = np.log(bars.high / bars.close) * np.log(bars.high / bars.open)
    down = np.log(bars.low / bars.close) * np.log(bars.low / bars.open)
    return np.sqrt(mean(up + down, period))


def bollinger_width(bars: Bars, *, period: int) -> FloatArray:
    """Return the distance of the bands of 2 deviations over their middle."""
    bands = bollinger(bars.close, period, 2.0)
    return (bands.upper - bands.lower) / bands.middle


def downside_share(bars: Bars, *, period: int) -> FloatArray:
    """Return the share of squared returns that were falls, 0 to 1."""
    returns = last_return(bars)
    return ratio(mean(np.minimum(returns, 0.0) ** 2, period), mean(returns**2, period))


def jumpiness(bars: Bars, *, period: int) -> FloatArray:
    """Return the largest over the mean size of a return, at least 1."""
    size = np.abs(last_return(bars))
    return ratio(highest(size, period), mean(size, period))


_row = partial(feature, "volatility")

VOLATILITY = (
    *(
        _row(
            f"volatility_{n}",
            n,
            partial(volatility, period=n),
            f"deviation of {n} log returns",
        )
        for n in (10, 20, 60, 240)
    ),
    _row(
        "volatility_ratio_10_60",
        60,
        partial(volatility_ratio, fast=10, slow=60),
        "deviation of 10 / of 60 log returns",
        1.0,
    ),
    _row("atr_14", RECURSIVE_LOOKBACK, partial(atr_share, period=14), "ATR(14) / close"),
    _row("range_ratio_20", 19, partial(range_ratio, period=20), "range / its 20-bar mean", 1.0),
    *(
        _row(
            f"parkinson_{n}",
            n - 1,
            partial(parkinson, period=n),
            f"Parkinson's volatility of {n} bars",
        )
        for n in (12, 96)
    ),
    _row(
        "rogers_satchell_20",
        19,
        partial(rogers_satchell, period=20),
        "Rogers' and Satchell's volatility of 20 bars",
    ),
    _row(
        "bollinger_width_20",
        19,
        partial(bollinger_width, period=20),
        "width of the Bollinger bands (20, 2) / their middle",
    ),
    _row(
        "downside_share_20",
        20,
        partial(downside_share, period=20),
        "share of squared returns that were falls",
        0.5,
    ),
    _row(
        "jumpiness_20",
        20,
        partial(jumpiness, period=20),
        "largest / mean size of 20 returns",
        1.0,
    ),
)
