"""How sure the figures of one run are, by the days of a comparison's intervals.

Figures of trades are those of `engine.statistics.intervals`. Those of the account come from what it
went through on each calendar day, drawn with the same days in the same order:

    total return    the mean of the daily logarithmic returns, over as many days: the growth of who
                    has neither good nor bad luck
    Sharpe ratio    of the drawn daily returns, its standard error by Mertens (2002), "Comments on
                    variance of the IID estimator in Lo": the studentised interval, symmetric
    drawdown        the deepest fall of the account that goes through the drawn days one after the
                    other, falls within a day included: where 95 % of them lie, and the measured one

A drawdown has no standard error, and depends on the order of the days. Its interval says what such
days come to in another order; it is made to hold the measured one, which a decline over months,
longer than any block, would leave outside.

Measured on simulated accounts whose truth is known (24 bars a day, normal or Student t with 3
degrees of freedom, the size of moves steady or in clusters that last for weeks, rising, level and
falling, 60 to 365 days; 27 kinds, 200 seeds each, blocks of 2 days; in percent):

    figure                            covered, mean    least    where moves are steady
    total return                      93.7             92.5     93.3
    Sharpe ratio                      90.4             83.5     93.2
    the drawdown that half exceed     90.4             72.0     95.8
    the drawdown of a further run     78.1             64.0     84.4

The least are those of 60 days, or of a drift, with clusters of weeks: what a sample shows of them
is much or little by luck.

So 95 % is the nominal level. Where the measured coverage is lower by more than two percentage
points, `MEASURED` says it, and whoever shows such an interval says it, too. What is given around
the drawdown is no interval for a true value: it is a range of drawn accounts.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from engine.equity import EquityCurve
from engine.metrics import DAYS_PER_YEAR, daily_returns, max_drawdown, sharpe, total_return
from engine.statistics.blocks import counts_of, drawn_days
from engine.statistics.drawn_days import LEVEL, Figure, Sample, symmetric
from engine.statistics.intervals import (
    DRAWS,
    Interval,
    TradeReturns,
    asked_block_days,
    calendar,
    day_table,
    run_intervals,
)
from feeds.bars import FloatArray, IntArray, TimeArray

# Share of samples in which an interval held the true value, where that is well below its level.
MEASURED: Mapping[str, float] = {"sharpe": 0.90}
# Figures around which drawn accounts lie, without a true value that they would hold.
RANGES = frozenset({"max_drawdown"})

_MEAN = Figure((0,), (1,))
_TAILS = ((1.0 - LEVEL) / 2.0, (1.0 + LEVEL) / 2.0)
# Of accounts with fewer days it held the drawdown that half exceed in 76 to 85 % of samples.
FEWEST_DAYS_OF_FALLS = 14
# Below this, a deviation or a drawdown is the rounding of floats.
_NOTHING = 1e-12

_Ends: TypeAlias = tuple[float | None, float | None]
_NO_ENDS: _Ends = (None, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureIntervals:
    """How sure the figures of a run are.

    Attributes
    ----------
    level : nominal: share of samples in which such an interval should hold the true value; what
        was measured is lower for the figures of `MEASURED`
    days : calendar days, those without trades included
    block_days : mean length of the blocks that were drawn
    draws : how often
    total_return, sharpe : of the account, as in its metrics
    max_drawdown : of the account; the range in which so many of the drawn accounts lie
    expectancy, win_rate, profit_factor : of the trades, each of which weighs the same
    """

    level: float
    days: int
    block_days: float
    draws: int
    total_return: Interval
    expectancy: Interval
    win_rate: Interval
    profit_factor: Interval
    sharpe: Interval
    max_drawdown: Interval


@dataclass(frozen=True, slots=True, eq=False)
class AccountDays:
    """What an account went through on each calendar day (n,).

    Attributes
    ----------
    marked : 1.0 if the account was there, else 0.0 and nothing happened
    growth : equity at its end over that at its begin
    high, low : the highest and lowest equity, over that at its begin; the begin counts as high
    fall : the deepest drawdown within the day, of who begins at its begin
    """

    marked: FloatArray
    growth: FloatArray
    high: FloatArray
    low: FloatArray
    fall: FloatArray

    @classmethod
    def of(cls, curve: EquityCurve, cash: float, days: TimeArray) -> "AccountDays":
        """Return what an account that began with `cash` went through on each of the days.

        Equity known at midnight belongs to the day that ends there.
        """
        place = _places(curve.time, days)
        begin = np.flatnonzero(np.append(True, np.diff(place) > 0))
        before = np.concatenate([[cash], curve.equity[begin[1:] - 1]])
        parts = np.split(curve.equity, begin[1:])
        row, n = place[begin], len(days)
        made = cls(np.zeros(n), np.ones(n), np.ones(n), np.ones(n), np.zeros(n))
        made.marked[row[0] : row[-1] + 1] = 1.0
        made.growth[row] = np.array([part[-1] for part in parts]) / before
        made.high[row] = np.maximum(np.maximum.reduceat(curve.equity, begin) / before, 1.0)
        made.low[row] = np.minimum.reduceat(curve.equity, begin) / before
        paths = (np.append(start, part) for start, part in zip(before, parts, strict=True))
        made.fall[row] = [max_drawdown(path) for path in paths]
        return made

    def falls(self, drawn: IntArray) -> FloatArray:
        """Return the deepest drawdown of each draw of days (draws, days)."""
        level = np.ones(len(drawn))
        peak, deepest = np.ones(len(drawn)), np.zeros(len(drawn))
        for day in np.ascontiguousarray(drawn.T):
            np.maximum(deepest, self.fall[day], out=deepest)
            np.maximum(deepest, 1.0 - level * self.low[day] / peak, out=deepest)
            np.maximum(peak, level * self.high[day], out=peak)
            level *= self.growth[day]
        return deepest


def _places(time: TimeArray, days: TimeArray) -> IntArray:
    """Return which of the days each moment's equity belongs to.

    The days are those on which trades are decided, where midnight belongs to the day that begins.
    So an account whose bars all close at midnight lies a day before them, and is moved by one; a
    first close at midnight goes with the day that it begins.
    """
    closed = (time - np.timedelta64(1, "ms")).astype("datetime64[D]")
    place: IntArray = (closed - days[0]).astype(np.int64)
    if place[0] < 0 and place[-1] < len(days) - 1:
        place += 1
    return np.maximum(place, 0)


def figure_intervals(
    trades: TradeReturns,
    curve: EquityCurve,
    cash: float,
    *,
    seed: int,
    draws: int = DRAWS,
    block_days: float | None = None,
) -> FigureIntervals:
    """Return intervals of a run's figures, nominally at 95 %.

    Parameters
    ----------
    trades : decided while the account was marked
    curve : the account at the close of every bar
    cash : that it began with
    seed, draws, block_days : of the days that are drawn, as in `joint_intervals`: the same ones
        give the intervals of a comparison
    """
    days = calendar(curve.time[0], curve.time[-1])
    table = day_table([trades], days)
    block = asked_block_days(table) if block_days is None else block_days
    drawn = drawn_days(len(days), block, seed=seed, draws=draws)
    counts = counts_of(drawn)
    traded = run_intervals(Sample.drawn(table, counts))
    return FigureIntervals(
        level=LEVEL,
        days=len(days),
        block_days=block,
        draws=draws,
        expectancy=traded.expectancy,
        win_rate=traded.win_rate,
        profit_factor=traded.profit_factor,
        **_of_account(curve, cash, drawn, counts),
    )


def _of_account(
    curve: EquityCurve, cash: float, drawn: IntArray, counts: FloatArray
) -> dict[str, Interval]:
    path = np.concatenate([[cash], curve.equity])
    values = (
        total_return(path),
        sharpe(daily_returns(curve.time, curve.equity, cash)),
        max_drawdown(path),
    )
    ends: tuple[_Ends, ...] = (_NO_ENDS, _NO_ENDS, _NO_ENDS)
    if path.min() > 0.0:  # behind its ruin an account has no days that could come again
        account = AccountDays.of(curve, cash, calendar(curve.time[0], curve.time[-1]))
        ends = (
            _growth(account, counts),
            _sharpe(account, counts),
            _falls(account, drawn, values[2]),
        )
    names = ("total_return", "sharpe", "max_drawdown")
    return {
        name: Interval(value=value, low=low, high=high)
        for name, value, (low, high) in zip(names, values, ends, strict=True)
    }


def _growth(account: AccountDays, counts: FloatArray) -> _Ends:
    """Return the ends for the growth over as many days, from those of a day's mean."""
    table = np.stack([np.log(account.growth), account.marked], axis=1)
    _, low, high = Sample.drawn(table, counts).interval(_MEAN)
    if low is None or high is None:
        return _NO_ENDS
    with np.errstate(over="ignore"):  # beyond every float is as good as unknown
        grown = np.expm1(np.array([low, high]) * account.marked.sum())
    return (float(grown[0]), float(grown[1])) if np.isfinite(grown).all() else _NO_ENDS


def _sharpe(account: AccountDays, counts: FloatArray) -> _Ends:
    """Return the ends for the Sharpe ratio per year."""
    returns = account.growth - 1.0
    mean, deviation = returns[account.marked > 0].mean(), returns[account.marked > 0].std()
    if deviation <= _NOTHING:
        return _NO_ENDS
    around = (returns - mean) / deviation * account.marked
    powers = np.stack([account.marked * around**power for power in range(5)], axis=1)
    value, error = _ratio(np.sum(powers, axis=0, keepdims=True), mean / deviation)
    drawn, errors = _ratio(counts @ powers, mean / deviation)
    if not np.isfinite(drawn).all():
        return _NO_ENDS
    _, low, high = symmetric(float(value[0]), float(error[0]), drawn, errors)
    year = math.sqrt(DAYS_PER_YEAR)
    return _NO_ENDS if low is None or high is None else (low * year, high * year)


def _ratio(sums: FloatArray, shift: float) -> tuple[FloatArray, FloatArray]:
    """Return Sharpe ratios per day and their standard errors; NaN where undefined.

    Parameters
    ----------
    sums : of the powers 0 to 4 of standardised returns (draws, 5)
    shift : the mean that was taken from them, in their unit
    """
    n = sums[:, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        m, m2, m3, m4 = (sums[:, power] / n for power in range(1, 5))
        variance = m2 - m**2
        variance[variance <= _NOTHING] = np.nan
        skew = (m3 - 3 * m * m2 + 2 * m**3) / variance**1.5
        kurtosis = (m4 - 4 * m * m3 + 6 * m**2 * m2 - 3 * m**4) / variance**2
        ratio = (m + shift) / np.sqrt(variance * n / (n - 1))
        spread = 1.0 - skew * ratio + (kurtosis - 1.0) / 4.0 * ratio**2
    return ratio, np.sqrt(np.maximum(spread, 0.0) / n)


def _falls(account: AccountDays, drawn: IntArray, measured: float) -> _Ends:
    """Return between which drawdowns 95 % of the drawn ones lie, and the measured one."""
    falls = account.falls(drawn)
    if account.marked.sum() < FEWEST_DAYS_OF_FALLS or np.ptp(falls) <= _NOTHING:
        return _NO_ENDS
    low, high = np.quantile(falls, _TAILS)
    return min(float(low), measured), max(float(high), measured)
