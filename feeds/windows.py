"""Windows: what the last `period` values say, each window reckoned on its own.

Running sums, TA-Lib's among them, depend in their last bits on where the segment began and find
noise where a window is flat. Here a trailing window gives, bit for bit, what the whole segment
gives, and every window is measured from its own first value, so that flat is exactly 0 at any
price.

Arrays are float64 of ONE segment, oldest first. NaN stands where a window is not yet full.
"""

import numpy as np
from numba import njit

from feeds.bars import FloatArray


def contiguous(x: FloatArray) -> FloatArray:
    """Return `x` as compiled code must have it: contiguous float64, copied only where it is not."""
    return np.ascontiguousarray(x, dtype=np.float64)


def mean(x: FloatArray, period: int) -> FloatArray:
    """Return the mean of the last `period` values; equal values give exactly that value.

    >>> mean(np.array([1.0, 2.0, 6.0]), 2)
    array([nan, 1.5, 4. ])
    """
    return np.asarray(_mean(contiguous(x), period))


def deviation(x: FloatArray, period: int) -> FloatArray:
    """Return the population deviation of the last `period` values; NaN where it is 0.

    >>> deviation(np.array([1.0, 3.0, 3.0]), 2)
    array([nan,  1., nan])
    """
    return np.asarray(_deviation(contiguous(x), period))


def correlation(x: FloatArray, y: FloatArray, period: int) -> FloatArray:
    """Return Pearson's correlation of the last `period` pairs; NaN where either is flat.

    >>> correlation(np.array([1.0, 2.0, 4.0]), np.array([3.0, 2.0, 0.0]), 3)
    array([nan, nan, -1.])
    """
    apart = deviation(x, period) * deviation(y, period)
    return np.asarray(np.clip(_covariance(contiguous(x), contiguous(y), period) / apart, -1.0, 1.0))


def before(x: FloatArray, bars: int) -> FloatArray:
    """Return the value of `bars` bars ago.

    >>> before(np.array([1.0, 2.0, 3.0]), 1)
    array([nan, 1., 2.])
    """
    shifted = np.empty(len(x))
    shifted[:bars] = np.nan
    shifted[bars:] = x[: max(len(x) - bars, 0)]
    return shifted


def ratio(part: FloatArray, whole: FloatArray) -> FloatArray:
    """Return `part` / `whole`, NaN where `whole` is 0.

    >>> ratio(np.array([1.0, 2.0]), np.array([2.0, 0.0]))
    array([0.5, nan])
    """
    undefined = np.full(len(part), np.nan)
    return np.asarray(np.divide(part, whole, out=undefined, where=whole != 0.0))


# The inner loops run over neighbouring windows, the outer ones over the places of a window: the
# compiler then takes several windows at once, and every window still adds its own values in its
# own order. A block of windows fits the processor's nearest cache.
_BLOCK = 512


@njit(cache=True)
def _mean(x: FloatArray, period: int) -> FloatArray:
    out = np.full(len(x), np.nan)
    windows = len(x) - period + 1
    total = np.empty(_BLOCK)
    for start in range(0, windows, _BLOCK):
        size = min(_BLOCK, windows - start)
        first = x[start : start + size]
        total[:] = 0.0
        for place in range(start + 1, start + period):
            here = x[place : place + size]
            for i in range(size):
                total[i] += here[i] - first[i]
        for i in range(size):
            out[start + period - 1 + i] = first[i] + total[i] / period
    return out


@njit(cache=True)
def _covariance(x: FloatArray, y: FloatArray, period: int) -> FloatArray:
    out = np.full(len(x), np.nan)
    windows = len(x) - period + 1
    dx, dy, dxy = np.empty(_BLOCK), np.empty(_BLOCK), np.empty(_BLOCK)
    for start in range(0, windows, _BLOCK):
        size = min(_BLOCK, windows - start)
        first_x, first_y = x[start : start + size], y[start : start + size]
        dx[:], dy[:], dxy[:] = 0.0, 0.0, 0.0
        for place in range(start + 1, start + period):
            here_x, here_y = x[place : place + size], y[place : place + size]
            for i in range(size):
                apart_x = here_x[i] - first_x[i]
                apart_y = here_y[i] - first_y[i]
                dx[i] += apart_x
                dy[i] += apart_y
                dxy[i] += apart_x * apart_y
        for i in range(size):
            out[start + period - 1 + i] = (dxy[i] - dx[i] * dy[i] / period) / period
    return out


@njit(cache=True)
def _deviation(x: FloatArray, period: int) -> FloatArray:
    out: FloatArray = _covariance(x, x, period)
    for i in range(len(out)):
        out[i] = np.sqrt(out[i]) if out[i] > 0.0 else np.nan
    return out
