"""Price: returns, the shape of the bar, the place in a range."""

from functools import partial

import numpy as np

from feeds.bars import Bars, FloatArray
from feeds.indicators import place_in_range, support
from feeds.windows import before, mean, ratio
from ml.features.base import feature, shared


def log_return(bars: Bars, *, period: int) -> FloatArray:
    """Return the logarithm of close over the close `period` bars before."""
    return np.log(bars.close / before(bars.close, period))


@shared
def last_return(bars: Bars) -> FloatArray:
    """Return the logarithm of close over the close before it."""
    return log_return(bars, period=1)


def body_share(bars: Bars) -> FloatArray:
    """Return close - open as a share of the bar's range, -1 to 1."""
    return ratio(bars.close - bars.open, bars.high - bars.low)


def upper_shadow(bars: Bars) -> FloatArray:
    """Return the upper shadow as a share of the bar's range."""
    return ratio(bars.high - np.maximum(bars.open, bars.close), bars.high - bars.low)


def lower_shadow(bars: Bars) -> FloatArray:
    """Return the lower shadow as a share of the bar's range."""
    return ratio(np.minimum(bars.open, bars.close) - bars.low, bars.high - bars.low)


def gap(bars: Bars) -> FloatArray:
    """Return the logarithm of open over the close before it."""
    return np.log(bars.open / before(bars.close, 1))


def place(bars: Bars, *, period: int) -> FloatArray:
    """Return where the close stands in the range of the last `period` bars, 0 to 1."""
    return place_in_range(bars.high, bars.low, bars.close, period)


def support_distance(bars: Bars, *, period: int) -> FloatArray:
    """Return the logarithm of close over the lowest low of the `period` bars before."""
    return np.log(bars.close / support(bars.high, bars.low, period))


def up_balance(bars: Bars, *, period: int) -> FloatArray:
    """Return the share of rising less that of falling closes in the last `period`."""
    return mean(np.sign(bars.close - before(bars.close, 1)), period)


_row = partial(feature, "price")

PRICE = (
    *(
        _row(f"return_{n}", n, partial(log_return, period=n), f"log of close / close {n} back")
        for n in (1, 3, 6, 12, 24, 48)
    ),
    _row("gap", 1, gap, "log of open / previous close"),
    _row("body_share", 0, body_share, "(close - open) / (high - low)"),
    _row("upper_shadow", 0, upper_shadow, "upper shadow / (high - low)"),
    _row("lower_shadow", 0, lower_shadow, "lower shadow / (high - low)"),
    *(
        _row(f"place_{n}", n - 1, partial(place, period=n), f"place in the {n}-bar range", 0.5)
        for n in (20, 60, 240)
    ),
    _row(
        "support_distance_20",
        20,
        partial(support_distance, period=20),
        "log of close / lowest low of the 20 bars before",
    ),
    _row("up_balance_12", 12, partial(up_balance, period=12), "(rising - falling closes) / 12"),
)
