"""How sure the figures of one run are, by the days of a comparison's intervals.

Figures of trades are those of `engine.statistics.intervals`. Those of the account come from what it
went through on each calendar day, drawn with the same days in the same order:

    total return    by the mean of the daily logarithmic returns (`engine.statistics.growth`)
    Sharpe ratio    of the drawn daily returns (`engine.statistics.drawn_sharpe`)
    drawdown        of the account that goes through the drawn days one after the other
                    (`engine.statistics.drawdown_range`): a range, no interval for a true value

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
points, `MEASURED` says it, and whoever shows such an interval says it, too.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from engine.equity import EquityCurve
from engine.metrics import daily_returns, max_drawdown, sharpe, total_return
from engine.statistics.account_days import AccountDays
from engine.statistics.blocks import counts_of, drawn_days
from engine.statistics.drawdown_range import drawdown_range
from engine.statistics.drawn_days import LEVEL, Sample
from engine.statistics.drawn_sharpe import sharpe_ends
from engine.statistics.ends import NO_ENDS, Ends
from engine.statistics.growth import growth_ends
from engine.statistics.intervals import (
    DRAWS,
    Interval,
    TradeReturns,
    asked_block_days,
    calendar,
    day_table,
    run_intervals,
)
from feeds.bars import FloatArray, IntArray

# Share of samples in which an interval held the true value, where that is well below its level.
MEASURED: Mapping[str, float] = {"sharpe": 0.90}
# Figures around which drawn accounts lie, without a true value that they would hold.
RANGES = frozenset({"max_drawdown"})


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
    ends: tuple[Ends, ...] = (NO_ENDS, NO_ENDS, NO_ENDS)
    if path.min() > 0.0:  # behind its ruin an account has no days that could come again
        account = AccountDays.of(curve, cash, calendar(curve.time[0], curve.time[-1]))
        ends = (
            growth_ends(account, counts),
            sharpe_ends(account, counts),
            drawdown_range(account, drawn, values[2]),
        )
    names = ("total_return", "sharpe", "max_drawdown")
    return {
        name: Interval(value=value, low=low, high=high)
        for name, value, (low, high) in zip(names, values, ends, strict=True)
    }
