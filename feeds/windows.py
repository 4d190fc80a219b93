"""Windows: what the last `period` values say, each window reckoned on its own.

Running sums would be faster by a little, but their last bits depend on where the segment began,
and they find noise where a window is flat. Here a trailing window gives, bit for bit, what the
whole segment gives, and every window is measured from its own first value, so that flat is
exactly 0 at any price.

Arrays are float64 of ONE segment, oldest first. NaN stands where a window is not yet full.
"""

import math

import numpy as np
from numba import njit

from feeds.bars import FloatArray


def mean(x: FloatArray, period: int) -> FloatArray:
    """Return the mean of the last `period` values; equal values give exactly that value.

    >>> mean(np.array([1.0, 2.0, 6.0]), 2)
    array([nan, 1.5, 4. ])
    """
    return np.asarray(_mean(np.asarray(x, np.float64), period))


def deviation(x: FloatArray, period: int) -> FloatArray:
    """Return the population deviation of the last `period` values; NaN where it is 0.

    >>> deviation(np.array([1.0, 3.0, 3.0]), 2)
    array([nan,  1., nan])
    """
    found = _deviation(np.asarray(x, np.float64), period)
    return np.where(found == 0.0, np.nan, found)


def correlation(x: FloatArray, y: FloatArray, period: int) -> FloatArray:
    """Return Pearson's correlation of the last `period` pairs; NaN where either is flat.

    >>> correlation(np.array([1.0, 2.0, 4.0]), np.array([3.0, 2.0, 0.0]), 3)
    array([nan, nan, -1.])
    """
    pair = np.asarray(x, np.float64), np.asarray(y, np.float64)
    return np.asarray(_correlation(*pair, period))


def before(x: FloatArray, bars: int) -> FloatArray:
    """Return the value of `bars` bars ago.

    >>> before(np.array([1.0, 2.0, 3.0]), 1)
    array([nan, 1., 2.])
    """
    shifted = np.full(len(x), np.nan)
    shifted[bars:] = x[: max(len(x) - bars, 0)]
    return shifted


def ratio(part: FloatArray, whole: FloatArray) -> FloatArray:
    """Return `part` / `whole`, NaN where `whole` is 0.

    >>> ratio(np.array([1.0, 2.0]), np.array([2.0, 0.0]))
    array([0.5, nan])
    """
    undefined = np.full(len(part), np.nan)
    return np.asarray(np.divide(part, whole, out=undefined, where=whole != 0.0))


@njit(cache=True)
def _mean(x, period):  # type: ignore[no-untyped-def]
    out = np.full(len(x), np.nan)
    for i in range(period - 1, len(x)):
        first = x[i - period + 1]
        total = 0.0
        for j in range(i - period + 2, i + 1):
            total += x[j] - first
        out[i] = first + total / period
    return out


@njit(cache=True)
def _deviation(x, period):  # type: ignore[no-untyped-def]
    out = np.full(len(x), np.nan)
    for i in range(period - 1, len(x)):
        first = x[i - period + 1]
        total = 0.0
        squares = 0.0
        for j in range(i - period + 2, i + 1):
            apart = x[j] - first
            total += apart
            squares += apart * apart
        out[i] = math.sqrt(max(squares - total * total / period, 0.0) / period)
    return out


@njit(cache=True)
def _correlation(x, y, period):  # type: ignore[no-untyped-def]
    out = np.full(len(x), np.nan)
    for i in range(period - 1, len(x)):
        start = i - period + 1
        sx = sy = sxx = syy = sxy = 0.0
        for j in range(start + 1, i + 1):
            dx = x[j] - x[start]
            dy = y[j] - y[start]
            sx += dx
            sy += dy
            sxx += dx * dx
            syy += dy * dy
            sxy += dx * dy
        spread = (sxx - sx * sx / period) * (syy - sy * sy / period)
        if spread > 0.0:
            found = (sxy - sx * sy / period) / math.sqrt(spread)
            out[i] = max(-1.0, min(1.0, found))
    return out
