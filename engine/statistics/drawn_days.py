"""What drawn days say of a figure: how far it may be from the truth.

A figure is a ratio of two sums over days, or the difference of two such ratios.

The interval is the symmetric studentised one (Hall 1988, "On Symmetric Bootstrap Confidence
Intervals", JRSS B 50): in each draw, how far is the figure from the measured one, in standard
errors of that draw; 95 % of the draws are within the distance that the interval goes to either
side. Chosen by measured coverage, on simulated trades of known expectancy (Student t with 3 degrees
of freedom, brackets with uneven sides, many small profits against rare losses of a whole day; 100
to 2500 trades in 60 to 730 days, clustered and more of them when the market is wild; a run, and the
difference of a run and a third of its trades; 300 seeds each, blocks of 2 days; in percent):

    kind                        expectancy covered, mean    least    least without rare losses
    percentile                  92.5                        88.3     89.0
    basic                       91.9                        80.7     87.3
    studentised, equal tails    91.4                        84.3     85.7
    BCa                         89.1                        80.3     82.3
    studentised, symmetric      95.5                        91.3     93.3

Where rare losses of a whole day make the result, a sample may hold none, and then no method can
know of them. With blocks as long as the days ask for, the mean is 95.3 for expectancies, 94.4 for
win rates, 94.2 for profit factors (whose interval is that of their logarithm) and 93.2 for the
differences of profit factors. Trades after falls on real bars of six symbols, their days drawn
anew in blocks of five to samples of 60 to 365 days and 130 to 5700 trades, were covered at 93.2 to
97.5 (400 seeds each); simulated markets without drift at 93.5 with 120 trades in 60 days (1000
seeds; tests/truth/test_intervals.py).
"""

import math
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np

from feeds.bars import FloatArray

LEVEL = 0.95  # share of samples in which an interval is to hold the true value
# Below this, a deviation is the rounding of floats.
_NOTHING = 1e-12
_SIGNS = np.array([1.0, -1.0])

FigureEnds: TypeAlias = tuple[float | None, float | None, float | None]
"""A figure, and the low and high end of its interval; None where undefined."""


class Figure(NamedTuple):
    """A ratio of two columns, or the first of two ratios less the second.

    Attributes
    ----------
    top, bottom : the columns of each ratio
    factor : whether it lies above 0 and is as often halved as doubled
    """

    top: tuple[int, ...]
    bottom: tuple[int, ...]
    factor: bool = False

    def of(self, sums: FloatArray) -> FloatArray:
        """Return the figure of sums (draws, columns); NaN where it is undefined."""
        above, below = sums[:, self.top], sums[:, self.bottom]
        ratios = np.full(above.shape, np.nan)
        np.divide(above, below, out=ratios, where=below > _NOTHING)
        return np.asarray(ratios @ _SIGNS[: len(self.top)])

    def at(self, *starts: int) -> "Figure":
        """Return the figure of the run whose columns begin there, or of two runs."""
        top = tuple(start + self.top[0] for start in starts)
        bottom = tuple(start + self.bottom[0] for start in starts)
        return Figure(top, bottom, self.factor and len(starts) == 1)


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """The table (days, columns), how often each day was drawn (draws, days), the sums of draws.

    `level` is the share of samples in which its intervals are to hold the true value.
    """

    table: FloatArray
    counts: FloatArray
    sums: FloatArray
    level: float = LEVEL

    @classmethod
    def drawn(cls, table: FloatArray, counts: FloatArray, level: float = LEVEL) -> "Sample":
        """Return the sample with the sums of every draw."""
        return cls(table, counts, counts @ table, level)

    def interval(self, figure: Figure) -> FigureEnds:
        """Return the figure and the ends of its interval."""
        value = self._value(figure)
        drawn = self._drawn(figure)
        if drawn is None or (figure.factor and min(value, drawn.min()) <= 0.0):
            return (None if math.isnan(value) else value), None, None
        error = _standard_errors(np.ones((1, len(self.table))), self.table, figure)
        errors = _standard_errors(self.counts, self.table, figure)
        if not figure.factor:
            return symmetric(value, float(error[0]), drawn, errors, self.level)
        reach = _reach(np.log(drawn / value), errors / drawn, self.level) * float(error[0]) / value
        with np.errstate(over="ignore"):  # beyond every float is as good as unknown
            return _around(value, value * float(np.exp(-reach)), value * float(np.exp(reach)))

    def deviation(self, figure: Figure) -> float | None:
        """Return the deviation of the figure over the draws, its standard error."""
        drawn = self._drawn(figure)
        return None if drawn is None else float(np.std(drawn, ddof=1))

    def _value(self, figure: Figure) -> float:
        return float(figure.of(self.table.sum(axis=0, keepdims=True))[0])

    def _drawn(self, figure: Figure) -> FloatArray | None:
        """Return the figure in every draw; None if one has none, or if all are the same.

        Where one of so many draws holds no trade, trades were made on too few days.
        """
        drawn = figure.of(self.sums)
        return None if np.isnan(drawn).any() or np.ptp(drawn) <= _NOTHING else drawn


def symmetric(
    value: float, error: float, drawn: FloatArray, errors: FloatArray, level: float = LEVEL
) -> FigureEnds:
    """Return the symmetric studentised interval of a figure.

    Parameters
    ----------
    value, error : as measured: the figure and its standard error
    drawn, errors : the same in each draw
    level : share of samples in which it is to hold the true value
    """
    reach = _reach(drawn - value, errors, level) * error
    return _around(value, value - reach, value + reach)


def _reach(distances: FloatArray, errors: FloatArray, level: float) -> float:
    """Return the number of standard errors within which the share `level` of the draws lies.

    A draw whose trades are all of one day has no error of its own: it is infinitely far off.
    """
    ratios = np.full(len(distances), np.inf)
    np.divide(np.abs(distances), errors, out=ratios, where=errors > _NOTHING)
    return float(np.quantile(ratios, level, method="higher"))


def _standard_errors(counts: FloatArray, table: FloatArray, figure: Figure) -> FloatArray:
    """Return the figure's standard error in each draw, as if days were independent.

    The delta method: what a day adds to a ratio is (above - ratio * below) / sum of below. The days
    need not be independent, for the draws are compared with the sample by the same measure.
    """
    columns = table[:, figure.top + figure.bottom]
    width = columns.shape[1]
    products = (columns[:, :, None] * columns[:, None, :]).reshape(len(columns), -1)
    moments = (counts @ products).reshape(len(counts), width, width)
    above, below = np.split(counts @ columns, 2, axis=1)
    signs = _SIGNS[: len(figure.top)]
    weights = np.concatenate([signs / below, -signs * above / below**2], axis=1)
    variance = np.einsum("di,dij,dj->d", weights, moments, weights)
    return np.asarray(np.sqrt(np.maximum(variance, 0.0)))


def _around(value: float, low: float, high: float) -> FigureEnds:
    """Return the figure and the ends; no ends if they are not finite."""
    finite = math.isfinite(low) and math.isfinite(high)
    return (value, low, high) if finite else (value, None, None)
