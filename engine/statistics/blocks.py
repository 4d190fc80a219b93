"""Calendar days drawn anew in blocks: the stationary bootstrap, and how long its blocks are.

Politis & Romano 1994, "The Stationary Bootstrap", JASA 89: a draw is as many days as there are. It
goes on with the next day, after the last one with the first, or begins a new block at any day: so
that blocks last as long as asked in the mean.

The length is what Politis & White (2004) ask for, as corrected by Patton, Politis & White (2009).
Both are as in the package `arch`, which a test compares them with; loading it takes two seconds,
and every run would wait for them.
"""

import math
from functools import lru_cache

import numpy as np

from feeds.bars import FloatArray, IntArray

_FEWEST_CORRELATIONS = 5


@lru_cache(maxsize=1)  # the runs of a comparison share their days
def drawn_days(days: int, block: float, *, seed: int, draws: int) -> IntArray:
    """Return the days of each draw in their order, int32 (draws, days), read-only.

    Parameters
    ----------
    days : there are; they are told by their place, from 0
    block : mean length of the blocks, at least 1
    """
    rng = np.random.default_rng(seed)
    begun, chance = np.empty((draws, days), np.int32), np.empty((draws, days))
    for days_row, chance_row in zip(begun, chance, strict=True):
        days_row[:] = rng.integers(days, size=days)
        rng.random(out=chance_row)
    chance[:, 0] = 0.0  # a draw begins with a block
    place = np.arange(days, dtype=np.int32)
    began = np.where(chance <= 1.0 / block, place, np.int32(0))
    np.maximum.accumulate(began, axis=1, out=began)
    drawn = np.take_along_axis(begun, began, axis=1) + (place - began)
    drawn[drawn >= days] -= days
    drawn.flags.writeable = False
    return drawn


def counts_of(drawn: IntArray) -> FloatArray:
    """Return how often each day was drawn (draws, days)."""
    draws, days = drawn.shape
    cells = drawn + np.arange(draws)[:, None] * days
    counts = np.bincount(cells.ravel(), minlength=draws * days)
    return counts.reshape(draws, days).astype(np.float64)


def block_length(values: FloatArray) -> float:
    """Return the mean block length that a series of more than ten values asks for.

    With autocovariances g(k) up to a lag m, tapered by h(x) = min(1, 2 (1 - x)):

        ( (sum of 2 h(k/m) k g(k))² / (g(0) + sum of 2 h(k/m) g(k))² * n )^(1/3)

    m is twice the lag behind which several autocorrelations in a row are insignificant. NaN where
    the estimate fails.
    """
    n = len(values)
    covariances, correlations = _correlations(values - values.mean())
    m = _most_lags(correlations, n)
    lags = np.arange(1, m + 1)
    tapered = 2.0 * np.where(lags / m <= 0.5, 1.0, 2.0 * (1.0 - lags / m)) * covariances[1 : m + 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        asked = (np.sum(lags * tapered) ** 2 / (covariances[0] + tapered.sum()) ** 2 * n) ** (1 / 3)
    return float(min(asked, np.ceil(min(3 * np.sqrt(n), n / 3))))


def _correlations(excess: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the autocovariances, and the sizes of the autocorrelations, at every lag from 0."""
    n = len(excess)
    lags = range(math.ceil(math.sqrt(n)) + _insignificant(n) + 1)
    products = np.array([excess[lag:] @ excess[: n - lag] for lag in lags])
    # As `arch` has it: both parts lack one value more than are multiplied.
    parts = [(excess[lag + 1 :], excess[: -(lag + 1)]) for lag in lags]
    scales = np.sqrt([(late @ late) * (early @ early) for late, early in parts])
    with np.errstate(divide="ignore", invalid="ignore"):  # few days with trades
        return products / n, np.abs(products) / scales


def _most_lags(correlations: FloatArray, n: int) -> int:
    """Return up to which lag a series of n values hangs together, twice to be sure."""
    row, longest = _insignificant(n), len(correlations) - 1
    small = correlations < 2.0 * math.sqrt(math.log10(n) / n)
    for lag in range(longest + 1 - row):
        if small[lag : lag + row].all():
            return min(2 * max(lag, 1), longest)
    return longest


def _insignificant(n: int) -> int:
    """Return how many autocorrelations in a row must be insignificant."""
    return max(_FEWEST_CORRELATIONS, int(math.log10(n)))
