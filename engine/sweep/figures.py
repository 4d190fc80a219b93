"""What one set came to: the figures of the metrics, and the Engine's to the last bit."""

from dataclasses import dataclass

import numpy as np

from engine.metrics import daily_returns, profit_factor, sharpe
from engine.sweep.account import Account
from feeds.bars import FloatArray

_DAY = np.timedelta64(1, "D")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Swept:
    """The figures of one set, as `engine.metrics` defines them; None where one is undefined.

    Attributes
    ----------
    daily : return of each UTC day of the run
    """

    trades: int
    expectancy: float | None
    profit_factor: float | None
    sharpe: float | None
    total_return: float
    max_drawdown: float
    win_rate: float | None
    daily: FloatArray


def figures_of(account: Account, cash: float) -> Swept:
    """Return the figures of the run that has just ended on the account."""
    count = int(account.wallet["trades"])
    pnl, returns = (account.trades[name][:count].copy() for name in ("pnl", "returns"))
    daily = _daily(account.day_ends, cash)
    return Swept(
        trades=count,
        expectancy=float(np.mean(returns)) if count else None,
        profit_factor=profit_factor(pnl),
        sharpe=sharpe(daily),
        total_return=float(account.curve["last"] / cash - 1.0),
        max_drawdown=float(account.curve["deepest_fall"]),
        win_rate=float(np.mean(pnl > 0)) if count else None,
        daily=daily,
    )


def _daily(day_ends: FloatArray, cash: float) -> FloatArray:
    """Return the days' returns; a day on which nothing was held ends as the one before."""
    ends = np.concatenate([[cash], day_ends])
    known = np.maximum.accumulate(np.where(np.isnan(ends), 0, np.arange(len(ends))))
    midnights = _DAY * np.arange(1, len(ends))
    return daily_returns(np.datetime64(0, "ms") + midnights, ends[known][1:], cash)
