"""How sure a figure is: intervals for runs and for their differences, from the same drawn days.

Trades that are open at the same time share the market's fate, and trades of two runs on the same
bars share nearly everything. So what is drawn anew is not trades but calendar days in blocks, and
the same days for all runs and symbols: a stationary bootstrap (`engine.statistics.blocks`) of one
table of days by sums. A day without trades is a row of zeros, which is why the number of trades is
as uncertain as it should be.

Every figure here is a ratio of two sums over the days, so that a draw of days is a count per day,
and all draws together are one product of matrices:

    expectancy      sum of the returns / number of trades
    win rate        number of trades with a return above 0 / number of trades
    profit factor   sum of the returns above 0 / sum of the losses, in fractions of the money put in

How an interval is made of the draws, and why so, says `engine.statistics.drawn_days`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from engine.records import Trade
from engine.statistics.blocks import block_length, counts_of, drawn_days
from engine.statistics.drawn_days import LEVEL, Figure, Sample
from feeds.bars import FloatArray, TimeArray

DRAWS = 2000
# A block holds what hangs together, such as a position that is open over midnight. The estimate of
# its length is noisy on few days; with fewer than some 20 blocks coverage falls.
SHORTEST_BLOCK_DAYS = 2.0
FEWEST_BLOCKS = 20
_FEWEST_DAYS_FOR_ESTIMATE = 10
_POWER = 0.84  # the normal quantile of four of five samples

_COLUMNS = 5
_TRADES, _RETURNS, _WINS, _PROFITS, _LOSSES = range(_COLUMNS)
_FIGURES = {
    "expectancy": Figure((_RETURNS,), (_TRADES,)),
    "win_rate": Figure((_WINS,), (_TRADES,)),
    "profit_factor": Figure((_PROFITS,), (_LOSSES,), factor=True),
}
# Below this, a deviation is the rounding of floats.
_NOTHING = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class TradeReturns:
    """What trades came to, in any order.

    Attributes
    ----------
    decided_at : datetime64[ms] (n,): when the entry was decided, UTC
    returns : float64 (n,): net profit over the money put in
    """

    decided_at: TimeArray
    returns: FloatArray

    @classmethod
    def of(cls, trades: Sequence[Trade]) -> "TradeReturns":
        """Return what the trades of a run came to."""
        return cls(
            np.array([trade.decided_at for trade in trades], "datetime64[ms]"),
            np.array([trade.return_fraction for trade in trades], np.float64),
        )

    def __post_init__(self) -> None:
        if self.decided_at.shape != self.returns.shape or self.returns.ndim != 1:
            raise ValueError(
                "trades must have a moment and a return each, found "
                f"{self.decided_at.shape} moments and {self.returns.shape} returns"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A figure and the interval that covers its true value at the stated level.

    Attributes
    ----------
    value : the figure as it was; None if undefined
    low, high : the ends of the interval; None if there is too little to say one
    """

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunIntervals:
    """How sure the figures of a run are.

    Attributes
    ----------
    trades : number of trades; the mean over its sets if there are several
    expectancy, win_rate, profit_factor : fractions; the profit factor of the trades' returns,
        each trade weighing the same
    """

    trades: float
    expectancy: Interval
    win_rate: Interval
    profit_factor: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class PairIntervals:
    """How sure the differences of two runs are: the first less the second.

    Attributes
    ----------
    expectancy, win_rate, profit_factor : differences
    smallest_difference : in expectancy, that these trades would show in four of five samples
        (80 % power, two-sided, at the level); None if there is too little to say
    """

    expectancy: Interval
    win_rate: Interval
    profit_factor: Interval
    smallest_difference: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervals:
    """Intervals of runs and of differences, all from the same drawn days.

    Attributes
    ----------
    level : share of samples in which such an interval holds the true value
    days : calendar days, those without trades included
    block_days : mean length of the blocks that were drawn
    draws : how often
    runs : by name
    pairs : by `pair_name`
    """

    level: float
    days: int
    block_days: float
    draws: int
    runs: Mapping[str, RunIntervals]
    pairs: Mapping[str, PairIntervals]

    def pair(self, first: str, second: str) -> PairIntervals:
        """Return the differences `first` less `second`."""
        return self.pairs[pair_name(first, second)]


def pair_name(first: str, second: str) -> str:
    """Return what the difference `first` less `second` is called.

    >>> pair_name("on", "off")
    'on_less_off'
    """
    return f"{first}_less_{second}"


def joint_intervals(
    runs: Mapping[str, Sequence[TradeReturns]],
    pairs: Sequence[tuple[str, str]],
    *,
    first: np.datetime64,
    last: np.datetime64,
    seed: int,
    draws: int = DRAWS,
) -> Intervals:
    """Return 95 % intervals for the runs and for the differences of the pairs.

    Parameters
    ----------
    runs : the trades of each run; several sets, such as those of a random gate's seeds, are pooled
        day by day as their mean
    pairs : names of runs, the first less the second
    first, last : the moments between which trades could be decided, both included
    seed : of the days that are drawn
    draws : how many samples are drawn

    Raises
    ------
    ValueError
        if a trade was decided before `first` or after `last`
    """
    return intervals_on(runs, pairs, calendar(first, last), seed=seed, draws=draws)


def intervals_on(
    runs: Mapping[str, Sequence[TradeReturns]],
    pairs: Sequence[tuple[str, str]],
    days: TimeArray,
    *,
    seed: int,
    draws: int = DRAWS,
    level: float = LEVEL,
) -> Intervals:
    """Return what `joint_intervals` does, on these UTC days and at any level.

    Parameters
    ----------
    level : share of samples in which an interval is to hold the true value; the more there are to
        be, the more draws it takes to tell
    """
    tables = {name: day_table(sets, days) for name, sets in runs.items()}
    table = np.concatenate([*tables.values()], axis=1)
    start = {name: _COLUMNS * place for place, name in enumerate(tables)}
    block = asked_block_days(next(iter(tables.values())))
    drawn = drawn_days(len(table), block, seed=seed, draws=draws)
    sample = Sample.drawn(table, counts_of(drawn), level)
    return Intervals(
        level=level,
        days=len(table),
        block_days=block,
        draws=draws,
        runs={name: run_intervals(sample, start[name]) for name in runs},
        pairs={pair_name(a, b): _pair(sample, start[a], start[b]) for a, b in pairs},
    )


def smallest_difference(standard_error: float, level: float = LEVEL) -> float:
    """Return the difference that intervals of the level show in four of five samples: 80 % power.

    >>> smallest_difference(0.001)
    0.0028
    >>> smallest_difference(0.001, 0.975)
    0.00308
    """
    reach = round(NormalDist().inv_cdf((1.0 + level) / 2.0), 2)
    return (reach + _POWER) * standard_error


def run_intervals(sample: Sample, start: int = 0) -> RunIntervals:
    """Return the intervals of the run whose columns begin there."""
    trades = float(sample.table[:, start + _TRADES].sum())
    return RunIntervals(trades=trades, **_intervals(sample, start))


def _pair(sample: Sample, first: int, second: int) -> PairIntervals:
    error = sample.deviation(_FIGURES["expectancy"].at(first, second))
    smallest = None if error is None else smallest_difference(error, sample.level)
    return PairIntervals(**_intervals(sample, first, second), smallest_difference=smallest)


def _intervals(sample: Sample, *starts: int) -> dict[str, Interval]:
    """Return the intervals of the run whose columns begin there, or of two runs' differences."""
    ends = {name: sample.interval(figure.at(*starts)) for name, figure in _FIGURES.items()}
    return {name: Interval(value=v, low=low, high=high) for name, (v, low, high) in ends.items()}


def calendar(first: np.datetime64, last: np.datetime64) -> TimeArray:
    """Return the UTC days from the first to the last moment."""
    start, end = first.astype("datetime64[D]"), last.astype("datetime64[D]")
    return np.arange(start, end + np.timedelta64(1, "D"))


def day_table(sets: Sequence[TradeReturns], days: TimeArray) -> FloatArray:
    """Return what is drawn: the sums of each day (days, columns), the mean over the sets."""
    if not sets:
        return np.zeros((len(days), _COLUMNS))
    return np.asarray(np.mean([_day_sums(trades, days) for trades in sets], axis=0))


def _day_sums(trades: TradeReturns, days: TimeArray) -> FloatArray:
    place = (trades.decided_at.astype("datetime64[D]") - days[0]).astype(np.int64)
    if len(place) and not 0 <= place.min() <= place.max() < len(days):
        raise ValueError(
            f"trades must be decided from {days[0]} to {days[-1]}, found "
            f"{trades.decided_at.min()}Z to {trades.decided_at.max()}Z"
        )
    values = trades.returns
    weights = (None, values, values > 0.0, np.maximum(values, 0.0), np.maximum(-values, 0.0))
    columns = [np.bincount(place, weights=each, minlength=len(days)) for each in weights]
    return np.stack(columns, axis=1).astype(np.float64)


def asked_block_days(table: FloatArray) -> float:
    """Return the mean block length: what the first run's expectancy asks for, or the floor.

    Asked are the days' sums of returns less expectancy.
    """
    trades = table[:, _TRADES].sum()
    excess = table[:, _RETURNS] - table[:, _TRADES] * table[:, _RETURNS].sum() / (trades or 1.0)
    asked = SHORTEST_BLOCK_DAYS
    if len(table) > _FEWEST_DAYS_FOR_ESTIMATE and np.ptp(excess) > _NOTHING:
        asked = block_length(excess)
    longest = max(SHORTEST_BLOCK_DAYS, len(table) / FEWEST_BLOCKS)
    # An estimate that failed is NaN.
    return min(asked, longest) if asked > SHORTEST_BLOCK_DAYS else SHORTEST_BLOCK_DAYS
