"""Indicators: every TA-Lib call of the project, used by features and by evidence alike.

Inputs are float64 arrays of ONE segment, oldest first; outputs are as long. NaN stands in the
warm-up and wherever the window is degenerate: no range, no deviation, no movement.

Two kinds, so that a trailing window gives what the whole segment gives:

- *windowed* ones look at the last `period` bars only (see `feeds.windows`): bit for bit equal;
- *recursive* ones (`rsi`, `atr`, `ema`, `macd`) never quite forget their first bars: what was
  `RECURSIVE_LOOKBACK` bars ago weighs less than 1e-8 for Wilder's averages up to 18 bars and
  exponential ones up to 36.
"""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np
import talib

from feeds.bars import BoolArray, FloatArray, IntArray
from feeds.windows import before, contiguous, deviation, mean, ratio

# (13/14)**340 is 1e-11: so little weighs the first bar in RSI(14) and ATR(14); less in MACD.
RECURSIVE_LOOKBACK = 340


class Bands(NamedTuple):
    """Bollinger bands, in units of price."""

    upper: FloatArray
    middle: FloatArray
    lower: FloatArray


class Macd(NamedTuple):
    """MACD, in units of price: `histogram` is `line` - `signal`."""

    line: FloatArray
    signal: FloatArray
    histogram: FloatArray


class Stochastic(NamedTuple):
    """Slow stochastic, 0 to 100."""

    k: FloatArray
    d: FloatArray


# --- an average, extremes --------------------------------------------------------------------


def ema(x: FloatArray, period: int) -> FloatArray:
    """Return the exponential average, seeded with the mean of the first `period` values."""
    return np.asarray(talib.EMA(contiguous(x), period))


def highest(x: FloatArray, period: int) -> FloatArray:
    """Return the maximum of the last `period` values."""
    return np.asarray(talib.MAX(contiguous(x), period))


def lowest(x: FloatArray, period: int) -> FloatArray:
    """Return the minimum of the last `period` values."""
    return np.asarray(talib.MIN(contiguous(x), period))


def support(high: FloatArray, low: FloatArray, period: int) -> FloatArray:
    """Return the lowest low of the `period` bars BEFORE each bar; NaN where they hold one price.

    A single price is no level that a market came down to and turned at.
    """
    level = np.where(_is_flat(high, low, period), np.nan, lowest(low, period))
    return before(level, 1)


# --- bands and movement -------------------------------------------------------------------------


def bollinger(close: FloatArray, period: int, deviations: float) -> Bands:
    """Return the bands `deviations` population deviations about the mean.

    `upper` and `lower` are NaN where the window is flat: no deviation, no bands.
    """
    reach = deviations * deviation(close, period)
    middle = mean(close, period)
    return Bands(middle + reach, middle, middle - reach)


def macd(close: FloatArray) -> Macd:
    """Return MACD(12, 26, 9); NaN where the last 34 closes are equal."""
    found = talib.MACD(contiguous(close), 12, 26, 9)
    flat = _is_flat(close, close, 34)
    return Macd(*(np.where(flat, np.nan, part) for part in found))


def atr(high: FloatArray, low: FloatArray, close: FloatArray, period: int) -> FloatArray:
    """Return Wilder's average true range; NaN where the last `period` true ranges are all 0."""
    prices = contiguous(high), contiguous(low), contiguous(close)
    still = np.equal(talib.MAX(talib.TRANGE(*prices), period), 0.0)
    return np.where(still, np.nan, talib.ATR(*prices, period))


# --- oscillators ------------------------------------------------------------------------------


def rsi(close: FloatArray, period: int) -> FloatArray:
    """Return Wilder's RSI, 0 to 100; NaN where the last `period` changes are all 0."""
    found = talib.RSI(contiguous(close), period)
    return np.where(_is_flat(close, close, period + 1), np.nan, found)


def stochastic(high: FloatArray, low: FloatArray, close: FloatArray) -> Stochastic:
    """Return the slow stochastic: %K(14, 3) and its 3-bar mean %D, as TA-Lib's STOCH.

    Reckoned window by window. A window of 14 bars without range has no place to be in: it
    makes the %K and %D that stand on it NaN, where TA-Lib says 0.
    """
    k = mean(100.0 * place_in_range(high, low, close, 14), 3)
    return Stochastic(k, mean(k, 3))


def place_in_range(high: FloatArray, low: FloatArray, close: FloatArray, period: int) -> FloatArray:
    """Return where the close stands in the range of the last `period` bars: 0 low, 1 high."""
    top, bottom = highest(high, period), lowest(low, period)
    return ratio(close - bottom, top - bottom)


def aroon(high: FloatArray, low: FloatArray, period: int) -> FloatArray:
    """Return the Aroon oscillator, -100 to 100; NaN where the bars have no range."""
    found = talib.AROONOSC(contiguous(high), contiguous(low), period)
    return np.where(_is_flat(high, low, period + 1), np.nan, found)


# --- candle patterns --------------------------------------------------------------------------

_Pattern: TypeAlias = Callable[[FloatArray, FloatArray, FloatArray, FloatArray], IntArray]

_PATTERNS: dict[str, _Pattern] = {
    "three_white_soldiers": talib.CDL3WHITESOLDIERS,
    "morning_star": talib.CDLMORNINGSTAR,
    "morning_doji_star": talib.CDLMORNINGDOJISTAR,
    "engulfing": talib.CDLENGULFING,
    "piercing": talib.CDLPIERCING,
    "hammer": talib.CDLHAMMER,
    "inverted_hammer": talib.CDLINVERTEDHAMMER,
    "dragonfly_doji": talib.CDLDRAGONFLYDOJI,
    "harami": talib.CDLHARAMI,
    "evening_star": talib.CDLEVENINGSTAR,
    "hanging_man": talib.CDLHANGINGMAN,
    "shooting_star": talib.CDLSHOOTINGSTAR,
    "three_inside": talib.CDL3INSIDE,
    "three_outside": talib.CDL3OUTSIDE,
    "belt_hold": talib.CDLBELTHOLD,
    "long_line": talib.CDLLONGLINE,
    "doji": talib.CDLDOJI,
    "spinning_top": talib.CDLSPINNINGTOP,
}
CANDLES = tuple(_PATTERNS)
CANDLE_LOOKBACK = 12  # bars before: three candles, after the 10 whose mean they are measured by

# Strongest first: three bars that confirm one another, then two, then one, then inside a body.
BULLISH_CANDLES = CANDLES[: CANDLES.index("harami") + 1]


def candle(
    name: str, open_: FloatArray, high: FloatArray, low: FloatArray, close: FloatArray
) -> IntArray:
    """Return TA-Lib's verdict on each bar: above 0 bullish, below 0 bearish, 0 for no pattern.

    It is 0, not NaN, in the warm-up of `CANDLE_LOOKBACK` bars.
    Most patterns say 100; engulfing and harami say 80 where one end of the bodies is equal.

    Raises
    ------
    ValueError : `name` is not in `CANDLES`
    """
    if name not in _PATTERNS:
        raise ValueError(f"a candle pattern must be one of {', '.join(CANDLES)}, found {name!r}")
    # TA-Lib's running sums do no harm here: differences of neighbouring prices are whole multiples
    # of a price's last bit and add up exactly, so that even ties do not depend on the start.
    prices = [contiguous(x) for x in (open_, high, low, close)]
    return np.asarray(_PATTERNS[name](*prices), dtype=np.int64)


# --- shared -----------------------------------------------------------------------------------


def _is_flat(high: FloatArray, low: FloatArray, period: int) -> BoolArray:
    """Return True where the last `period` bars hold a single price."""
    return np.equal(highest(high, period), lowest(low, period))
