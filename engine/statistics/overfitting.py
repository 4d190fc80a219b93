"""How likely the best of many trials is one that will not stay the best.

Combinatorially symmetric cross-validation: the days are cut into blocks, and half of the blocks are
taken in every possible way. The trial that is best on the taken half is looked up among all trials
on the other half. Where choosing means something it is among the better ones there, too; the
probability of backtest overfitting is how often it is below the median.

Nothing is assumed of the returns, and each split is as good as its mirror image. Trials without any
edge come to about 0.5 on average, single searches far from it: the splits share their days.

Source
------
Bailey, Borwein, López de Prado & Zhu (2017), "The Probability of Backtest Overfitting", Journal of
Computational Finance 20(4).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from feeds.bars import BoolArray, FloatArray, IntArray

BLOCKS = 16  # as in the paper: 12,870 splits
FEWEST_BLOCKS = 4
FEWEST_DAYS = 5  # of a block
_NOTHING = 1e-12  # a deviation below it is the rounding of floats
_AT_ONCE = 4_000_000  # numbers of a matrix (splits, trials)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overfitting:
    """What the splits came to.

    Attributes
    ----------
    probability : share of the splits in which the best of one half is below the median of the
        other; one that is the median counts half
    series : different return series that were compared; trials that trade alike are one
    blocks, splits : into how many parts the days were cut, in how many ways they were halved
    degradation : mean over the splits of the chosen trial's Sharpe ratio per day on the other half,
        less that on the half which chose it
    loss : share of the splits in which the chosen trial lost on the other half
    """

    probability: float
    series: int
    blocks: int
    splits: int
    degradation: float
    loss: float


def overfitting(returns: FloatArray) -> Overfitting | None:
    """Return how overfitted the choice of the best trial by its Sharpe ratio is.

    Parameters
    ----------
    returns : daily, (trials, days), all on the same days

    None with fewer than two different series, or days for fewer than `FEWEST_BLOCKS` blocks.
    """
    different = np.unique(returns, axis=0)
    blocks = _blocks(different.shape[1])
    if len(different) < 2 or blocks < FEWEST_BLOCKS:
        return None
    sums = _Sums.of(different, blocks)
    parts = [_judged(sums, halves) for halves in _halves(blocks, len(different))]
    place, before, after = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Overfitting(
        probability=float(np.mean(place < 0.5) + 0.5 * np.mean(place == 0.5)),
        series=len(different),
        blocks=blocks,
        splits=len(place),
        degradation=float(np.mean(after - before)),
        loss=float(np.mean(after < 0.0)),
    )


def _blocks(days: int) -> int:
    """Return into how many blocks the days are cut: an even number."""
    most = min(BLOCKS, days // FEWEST_DAYS)
    return most - most % 2


def _halves(blocks: int, trials: int) -> Iterator[BoolArray]:
    """Yield all choices of half of the blocks (splits, blocks), some at once."""
    chosen = np.array(list(combinations(range(blocks), blocks // 2)))
    halves = np.zeros((len(chosen), blocks), np.bool_)
    np.put_along_axis(halves, chosen, values=True, axis=1)
    yield from np.array_split(halves, -(-halves.shape[0] * trials // _AT_ONCE))


@dataclass(frozen=True, slots=True, eq=False)
class _Sums:
    """Of each block (blocks, trials): the sums of returns and of their squares, and its days."""

    first: FloatArray
    second: FloatArray
    days: IntArray

    @classmethod
    def of(cls, returns: FloatArray, blocks: int) -> "_Sums":
        parts = np.array_split(returns, blocks, axis=1)
        return cls(
            np.array([part.sum(axis=1) for part in parts]),
            np.array([np.square(part).sum(axis=1) for part in parts]),
            np.array([part.shape[1] for part in parts]),
        )

    def sharpes(self, halves: BoolArray) -> FloatArray:
        """Return the Sharpe ratios per day (splits, trials); 0 of who did nothing."""
        taken = halves.astype(np.float64)
        days = (taken @ self.days)[:, None]
        mean = taken @ self.first / days
        variance = np.maximum(taken @ self.second / days - mean**2, 0.0)
        deviation = np.sqrt(variance * days / (days - 1))
        ratio: FloatArray = np.zeros_like(mean)
        np.divide(mean, deviation, out=ratio, where=deviation > _NOTHING)
        return ratio


def _judged(sums: _Sums, halves: BoolArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return of each split: the place of the best on the other half, its ratios before and after.

    The place is from 0 (the worst) to 1, that of equals in the middle of them.
    """
    before, after = sums.sharpes(halves), sums.sharpes(~halves)
    best = np.argmax(before, axis=1)[:, None]
    chosen = np.take_along_axis(after, best, axis=1)
    below, equal = (after < chosen).sum(axis=1), (after == chosen).sum(axis=1)
    place = (below + (equal + 1) / 2.0) / (after.shape[1] + 1)
    return place, np.take_along_axis(before, best, axis=1)[:, 0], chosen[:, 0]
