"""Candle patterns: TA-Lib's verdicts as -1 bearish, 0 none, 1 bullish."""

from functools import partial

import numpy as np

from feeds.bars import Bars, FloatArray
from feeds.indicators import CANDLE_LOOKBACK, candle
from ml.features.base import feature


def pattern(bars: Bars, *, names: tuple[str, ...]) -> FloatArray:
    """Return the sum of the verdicts on the named patterns, one unit each."""
    prices = bars.open, bars.high, bars.low, bars.close
    total = np.zeros(len(bars))
    for name in names:
        total += np.sign(candle(name, *prices))
    return total


_row = partial(feature, "candles")

_MEANINGS = {
    "engulfing": "body engulfs the body before: 1 rising, -1 falling",
    "harami": "body inside the body before: 1 rising, -1 falling",
    "three_outside": "engulfing, confirmed by the next bar",
    "three_inside": "harami, confirmed by the next bar",
    "hammer": "small body on top, long lower shadow, after a fall",
    "inverted_hammer": "small body at the bottom, long upper shadow, after a fall",
    "hanging_man": "-1: a hammer's shape after a rise",
    "shooting_star": "-1: an inverted hammer's shape after a rise",
    "doji": "1: open and close nearly equal",
    "spinning_top": "small body between longer shadows: 1 rising, -1 falling",
    "long_line": "long body, short shadows: 1 rising, -1 falling",
    "belt_hold": "long body that opens at its extreme: 1 rising, -1 falling",
}

CANDLES = (
    *(
        _row(name, CANDLE_LOOKBACK, partial(pattern, names=(name,)), meaning)
        for name, meaning in _MEANINGS.items()
    ),
    _row(
        "star",
        CANDLE_LOOKBACK,
        partial(pattern, names=("morning_star", "evening_star")),
        "1 morning star, -1 evening star",
    ),
)
