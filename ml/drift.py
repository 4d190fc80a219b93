"""How far a distribution has moved: the population stability index.

A reference is cut into ten bins of as many rows each, and the shares of later rows in the same bins
are set beside its own. The usual reading: below 0.1 the same, from 0.25 on another distribution.
Between n independent reference rows and m later ones chance alone makes it some 9 (1/n + 1/m).

Rows that follow one another are not independent: whole days are calm or wild, and the index of a
few days is large though nothing is new. What is usual is therefore measured, on *stretches*: runs
of STRETCH rows in a row out of those of the reference.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from feeds.bars import BoolArray, FloatArray, IntArray

BINS = 10
NOTICED = 0.10
LARGE = 0.25
STRETCH = 200  # rows

_STEP = 50  # rows from one stretch to the next, of which a stretch holds a whole number
_LEAST_SHARE = 1e-4  # stands for an empty bin, whose logarithm there is not


@dataclass(frozen=True, slots=True)
class Reference:
    """A distribution in bins.

    Attributes
    ----------
    edges : between the bins, ascending; a value at an edge belongs below it
    shares : of the rows, in each bin
    """

    edges: tuple[float, ...]
    shares: tuple[float, ...]

    def __post_init__(self) -> None:
        edges = np.array(self.edges)
        if not (np.isfinite(edges).all() and (np.diff(edges) > 0.0).all()):
            raise ValueError("edges must be finite numbers that rise")
        if len(self.shares) != len(edges) + 1 or min(self.shares) < 0.0 or max(self.shares) > 1.0:
            raise ValueError("there must be a share from 0 to 1 for each bin")

    @classmethod
    def of(cls, values: FloatArray) -> Self:
        """Return the distribution of finite values; few distinct ones get a bin each."""
        distinct = np.unique(values)
        if len(distinct) <= BINS:
            edges = (distinct[:-1] + distinct[1:]) / 2.0
        else:
            edges = np.unique(np.quantile(values, np.arange(1, BINS) / BINS))
        return cls(tuple(edges.tolist()), tuple(_shares(values, edges).tolist()))

    def stability_index(self, values: FloatArray) -> float:
        """Return the population stability index of later values.

        The sum over the bins of (a - e) ln(a / e), with e the shares here and a those there; 0 if
        they are the same.

        References
        ----------
        Siddiqi, "Credit risk scorecards", 2006, chapter 8.
        """
        return float(_index(np.array(self.shares), _shares(values, np.array(self.edges))))

    def stretch_indices(self, values: FloatArray) -> FloatArray:
        """Return the index of every stretch of the values, oldest first; empty if there is none."""
        bins = np.searchsorted(self.edges, values, side="left")
        count, steps = len(self.shares), len(values) // _STEP
        cells = bins[: steps * _STEP] + np.repeat(np.arange(steps) * count, _STEP)
        each = np.bincount(cells, minlength=steps * count).reshape(steps, count)
        total = np.concatenate([np.zeros((1, count)), np.cumsum(each, axis=0)])
        length = STRETCH // _STEP
        return _index(np.array(self.shares), (total[length:] - total[:-length]) / STRETCH)


def stretch_ends(rows: int) -> IntArray:
    """Return the positions of the last row of each stretch out of so many rows, oldest first."""
    return np.arange(STRETCH - 1, rows, _STEP)


def stretch_means(values: FloatArray | BoolArray) -> FloatArray:
    """Return the mean over each stretch of rows, oldest first.

    Parameters
    ----------
    values : (rows,) or (rows, columns)
    """
    first = np.arange(0, len(values) - STRETCH + 1, _STEP)
    total = np.concatenate([np.zeros_like(values[:1], np.float64), np.cumsum(values, axis=0)])
    return np.asarray((total[first + STRETCH] - total[first]) / STRETCH)


def _index(expected: FloatArray, actual: FloatArray) -> FloatArray:
    """Return the index of shares (..., bins) against those expected (bins,)."""
    expected, actual = np.maximum(expected, _LEAST_SHARE), np.maximum(actual, _LEAST_SHARE)
    return np.asarray(np.sum((actual - expected) * np.log(actual / expected), axis=-1))


def _shares(values: FloatArray, edges: FloatArray) -> FloatArray:
    if not len(values):
        raise ValueError("a distribution needs values, found none")
    counts = np.bincount(np.searchsorted(edges, values, side="left"), minlength=len(edges) + 1)
    return np.asarray(counts / len(values))
