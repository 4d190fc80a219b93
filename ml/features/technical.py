"""Technical: oscillators, averages and trends, in shares of a range or multiples of the ATR."""

from functools import partial

import numpy as np

from feeds import indicators
from feeds.bars import Bars, FloatArray
from feeds.indicators import RECURSIVE_LOOKBACK
from feeds.windows import before, correlation, mean, ratio
from ml.features.base import feature, shared


@shared
def rsi(bars: Bars, *, period: int) -> FloatArray:
    """Return Wilder's RSI as a fraction."""
    return indicators.rsi(bars.close, period) / 100.0


def rsi_change(bars: Bars, *, period: int, bars_ago: int) -> FloatArray:
    """Return how far the RSI moved, as a fraction."""
    now = rsi(bars, period=period)
    return now - before(now, bars_ago)


def stochastic_k(bars: Bars) -> FloatArray:
    """Return the slow %K as a fraction."""
    return indicators.stochastic(bars.high, bars.low, bars.close).k / 100.0


def stochastic_d(bars: Bars) -> FloatArray:
    """Return the slow %D as a fraction."""
    return indicators.stochastic(bars.high, bars.low, bars.close).d / 100.0


def macd_line(bars: Bars) -> FloatArray:
    """Return the MACD line in multiples of the ATR."""
    return _in_atr(indicators.macd(bars.close).line, bars)


def macd_histogram(bars: Bars) -> FloatArray:
    """Return the MACD histogram in multiples of the ATR."""
    return _in_atr(_histogram(bars), bars)


def macd_histogram_change(bars: Bars) -> FloatArray:
    """Return the last step of the MACD histogram in multiples of the ATR."""
    histogram = _histogram(bars)
    return _in_atr(histogram - before(histogram, 1), bars)


def ema_spread(bars: Bars, *, fast: int, slow: int) -> FloatArray:
    """Return the fast less the slow exponential average in multiples of the ATR."""
    return _in_atr(indicators.ema(bars.close, fast) - indicators.ema(bars.close, slow), bars)


def sma_distance(bars: Bars, *, period: int) -> FloatArray:
    """Return the logarithm of close over its mean."""
    return np.log(bars.close / mean(bars.close, period))


def bollinger_position(bars: Bars, *, period: int) -> FloatArray:
    """Return where the close stands between the bands of 2 deviations: 0 lower, 1 upper."""
    bands = indicators.bollinger(bars.close, period, 2.0)
    return ratio(bars.close - bands.lower, bands.upper - bands.lower)


@shared
def directional_bias(bars: Bars, *, period: int) -> FloatArray:
    """Return (+DM - -DM) / (+DM + -DM), sums of `period` bars, -1 to 1.

    Wilder's smoothing is left out: over a still market his index keeps the ratio of a movement
    long gone, so that no trailing window could reproduce it.
    """
    up = bars.high - before(bars.high, 1)
    down = before(bars.low, 1) - bars.low
    plus = mean(np.where((up > down) & (up > 0.0), up, 0.0), period)
    minus = mean(np.where((down > up) & (down > 0.0), down, 0.0), period)
    return ratio(plus - minus, plus + minus)


def directional_strength(bars: Bars, *, period: int) -> FloatArray:
    """Return the mean size of the directional bias, 0 to 1: a windowed ADX."""
    return mean(np.abs(directional_bias(bars, period=period)), period)


def aroon(bars: Bars, *, period: int) -> FloatArray:
    """Return the Aroon oscillator, -1 to 1."""
    return indicators.aroon(bars.high, bars.low, period) / 100.0


def trend_fit(bars: Bars, *, period: int) -> FloatArray:
    """Return the correlation of the close with time, -1 to 1."""
    return correlation(bars.close, np.arange(len(bars), dtype=np.float64), period)


def efficiency(bars: Bars, *, period: int) -> FloatArray:
    """Return Kaufman's efficiency with its sign: net movement over the way gone, -1 to 1."""
    way = period * mean(np.abs(bars.close - before(bars.close, 1)), period)
    return ratio(bars.close - before(bars.close, period), way)


def _in_atr(x: FloatArray, bars: Bars) -> FloatArray:
    return x / _atr(bars)


@shared
def _atr(bars: Bars) -> FloatArray:
    return indicators.atr(bars.high, bars.low, bars.close, 14)


@shared
def _histogram(bars: Bars) -> FloatArray:
    return indicators.macd(bars.close).histogram


_row = partial(feature, "technical")
_RSI_CHANGE = partial(rsi_change, period=14, bars_ago=3)
_EMA_SPREAD = partial(ema_spread, fast=9, slow=21)

TECHNICAL = (
    *(
        _row(f"rsi_{n}", RECURSIVE_LOOKBACK, partial(rsi, period=n), f"RSI({n}) / 100", 0.5)
        for n in (7, 14)
    ),
    _row("rsi_14_change_3", RECURSIVE_LOOKBACK + 3, _RSI_CHANGE, "RSI(14) / 100 less 3 bars ago"),
    _row("stochastic_k", 15, stochastic_k, "slow %K(14, 3) / 100", 0.5),
    _row("stochastic_d", 17, stochastic_d, "slow %D(3) / 100", 0.5),
    _row("macd_line", RECURSIVE_LOOKBACK, macd_line, "MACD(12, 26) / ATR(14)"),
    _row("macd_histogram", RECURSIVE_LOOKBACK, macd_histogram, "MACD histogram / ATR(14)"),
    _row(
        "macd_histogram_change",
        RECURSIVE_LOOKBACK + 1,
        macd_histogram_change,
        "last step of the MACD histogram / ATR(14)",
    ),
    _row("ema_spread_9_21", RECURSIVE_LOOKBACK, _EMA_SPREAD, "(EMA(9) - EMA(21)) / ATR(14)"),
    *(
        _row(
            f"sma_distance_{n}",
            n - 1,
            partial(sma_distance, period=n),
            f"log of close / its {n}-bar mean",
        )
        for n in (10, 50, 200)
    ),
    _row(
        "bollinger_position_20",
        19,
        partial(bollinger_position, period=20),
        "place between the Bollinger bands (20, 2): 0 lower, 1 upper",
        0.5,
    ),
    _row(
        "directional_bias_14",
        14,
        partial(directional_bias, period=14),
        "(+DM - -DM) / (+DM + -DM), 14-bar sums",
    ),
    _row(
        "directional_strength_14",
        27,
        partial(directional_strength, period=14),
        "14-bar mean of the size of the directional bias (a windowed ADX)",
    ),
    _row("aroon_25", 25, partial(aroon, period=25), "Aroon oscillator(25) / 100"),
    *(
        _row(
            f"trend_fit_{n}",
            n - 1,
            partial(trend_fit, period=n),
            f"correlation of close with time, {n} bars",
        )
        for n in (20, 60)
    ),
    *(
        _row(
            f"efficiency_{n}",
            n,
            partial(efficiency, period=n),
            f"net movement / way gone, {n} bars",
        )
        for n in (10, 30)
    ),
)
