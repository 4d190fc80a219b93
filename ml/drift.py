"""How far a distribution has moved: the population stability index.

A reference is cut into ten bins of as many rows each, and the shares of later rows in the same bins
are set beside its own. The usual reading: below 0.1 the same, from 0.25 on another distribution.
Between n reference rows and m later ones chance alone makes it some 9 (1/n + 1/m).
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from feeds.bars import FloatArray

BINS = 10
NOTICED = 0.10
LARGE = 0.25

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
        expected = np.maximum(self.shares, _LEAST_SHARE)
        actual = np.maximum(_shares(values, np.array(self.edges)), _LEAST_SHARE)
        return float(np.sum((actual - expected) * np.log(actual / expected)))


def _shares(values: FloatArray, edges: FloatArray) -> FloatArray:
    if not len(values):
        raise ValueError("a distribution needs values, found none")
    counts = np.bincount(np.searchsorted(edges, values, side="left"), minlength=len(edges) + 1)
    return np.asarray(counts / len(values))
