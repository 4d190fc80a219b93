"""Metrics of a run: pure functions of equity, trades and fills.

Conventions
-----------
- A fraction is a fraction: 0.05 is 5 percent. Money is in quote currency.
- A crypto year has 365 days. The risk-free rate is 0.
- Ratios per day come from the equity at the end of each UTC day, from the first to the last day of
  the run; the first day's return counts from the initial cash. A day without bars keeps the equity
  of the day before (nothing is held across a hole). The first and the last day may be short.
- Drawdown comes from the equity at every bar, not from day ends.
- What is undefined (no trades, no losses, no variance, less than two days) is None, never
  infinity or NaN.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from engine.equity import EquityCurve
from engine.records import Fill, Trade
from feeds.bars import Bars, BoolArray, FloatArray, TimeArray

DAYS_PER_YEAR = 365.0
MIN_DAYS = 2
_DAY = np.timedelta64(1, "D")
# Below this, a deviation or a drawdown is the rounding of floats and divides nothing.
_NOTHING = 1e-12
# A position worth less than this part of the equity is the rounding of its units.
_DUST = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """What a run came to; None where a figure is undefined.

    Attributes
    ----------
    total_return : last equity over initial cash, minus 1
    cagr : the total return as a rate per year of 365 days
    volatility : standard deviation of the daily returns, per year
    sharpe : mean over standard deviation of the daily returns, per year
    sortino : mean over downside deviation (below 0) of the daily returns, per year
    calmar : `cagr` over `max_drawdown`
    max_drawdown : the deepest fall from a peak of equity, as a fraction of the peak, above 0
    max_drawdown_days : from that peak until equity is back there, or to the end of the run
    win_rate : trades with a net profit above 0 over all trades
    profit_factor : net profits over net losses
    expectancy : mean net return per trade, as a fraction of the money put in
    expectancy_quote : mean net profit per trade, in quote currency
    average_win, average_loss : mean net return of the winning and of the other trades
    longest_losing_streak : most trades in a row, by time of closing, without a net profit
    sqn : system quality number, mean over standard deviation of the trades' net returns times
        the square root of their number
    exposure : bars in which a position was held at some moment, over all bars
    turnover : money bought and sold over the mean equity; 2 is the whole account in and out once
    fees_paid : in quote currency
    buy_and_hold : mean over the symbols of last close over first open, minus 1, without costs
    """

    total_return: float | None
    cagr: float | None
    volatility: float | None
    sharpe: float | None
    sortino: float | None
    calmar: float | None
    max_drawdown: float | None
    max_drawdown_days: float | None
    win_rate: float | None
    profit_factor: float | None
    expectancy: float | None
    expectancy_quote: float | None
    average_win: float | None
    average_loss: float | None
    longest_losing_streak: int
    sqn: float | None
    exposure: float | None
    turnover: float | None
    fees_paid: float
    buy_and_hold: float | None

    def to_dict(self) -> dict[str, float | None]:
        """Return the figures by the names that JSON and tables use."""
        return asdict(self)


def compute_metrics(
    trades: Sequence[Trade],
    equity: EquityCurve,
    *,
    fills: Sequence[Fill],
    initial_cash: float,
    markets: Iterable[Bars],
) -> Metrics:
    """Return the metrics of a run.

    Parameters
    ----------
    trades, fills : of the run
    equity : at the close of every bar of the run, warm-up left out; at least one bar
    initial_cash : equity before the first bar
    markets : bars of each symbol; only those that close within `equity` are looked at
    """
    path = np.concatenate([[initial_cash], equity.equity])
    moments = _with_start(equity.time)
    days = daily_returns(equity.time, equity.equity, initial_cash)
    growth = cagr(total_return(path), float((moments[-1] - moments[0]) / _DAY))
    fall = max_drawdown(path)
    pnl = np.array([trade.pnl for trade in trades])
    returns = np.array([trade.return_fraction for trade in trades])
    return Metrics(
        total_return=total_return(path),
        cagr=growth,
        volatility=volatility(days),
        sharpe=sharpe(days),
        sortino=sortino(days),
        calmar=calmar(growth, fall),
        max_drawdown=fall,
        max_drawdown_days=max_drawdown_days(moments, path),
        win_rate=_mean(pnl > 0),
        profit_factor=profit_factor(pnl),
        expectancy=_mean(returns),
        expectancy_quote=_mean(pnl),
        average_win=_mean(returns[pnl > 0]),
        average_loss=_mean(returns[pnl <= 0]),
        longest_losing_streak=longest_losing_streak(trades),
        sqn=sqn(returns),
        exposure=exposure(equity, trades),
        turnover=turnover(fills, equity.equity),
        fees_paid=float(sum(fill.fee for fill in fills)),
        buy_and_hold=buy_and_hold(markets, equity.time),
    )


def daily_returns(time: TimeArray, equity: FloatArray, initial: float) -> FloatArray:
    """Return one return per UTC day, from day end to day end.

    Parameters
    ----------
    time : datetime64, increasing; equity known at midnight belongs to the day that ends there
    equity : at those moments
    initial : before the first of them
    """
    day = (time - np.timedelta64(1, "ms")).astype("datetime64[D]").astype(np.int64)
    last = np.flatnonzero(np.append(np.diff(day) > 0, True))
    calendar = np.arange(day[0], day[-1] + 1)
    at_day_end = equity[last][np.searchsorted(day[last], calendar, side="right") - 1]
    before = np.concatenate([[initial], at_day_end[:-1]])
    # A ruined account returns nothing on the days after its ruin.
    returns: FloatArray = np.zeros(len(before))
    np.divide(at_day_end - before, before, out=returns, where=before > 0)
    return returns


def total_return(path: FloatArray) -> float:
    """Return the growth from the first to the last equity, as a fraction.

    >>> total_return(np.array([100.0, 90.0, 105.0]))
    0.05
    """
    return float(path[-1] / path[0] - 1.0)


def cagr(total: float, days: float) -> float | None:
    """Return the yearly rate that grows to `total` in `days`; None below two days.

    >>> cagr(0.21, 2 * 365)
    0.1
    """
    if days < MIN_DAYS:
        return None
    if total <= -1.0:
        return -1.0
    try:
        return math.expm1(math.log1p(total) * DAYS_PER_YEAR / days)
    except OverflowError:  # a rate beyond every float says nothing
        return None


def volatility(returns: FloatArray) -> float | None:
    """Return the standard deviation (n - 1) of daily returns, per year; None below two days."""
    if len(returns) < MIN_DAYS:
        return None
    return float(np.std(returns, ddof=1) * math.sqrt(DAYS_PER_YEAR))


def sharpe(returns: FloatArray) -> float | None:
    """Return the Sharpe ratio of daily returns, per year; None below two days or if all equal."""
    deviation = volatility(returns)
    return None if deviation is None else _over(np.mean(returns) * DAYS_PER_YEAR, deviation)


def sortino(returns: FloatArray) -> float | None:
    """Return the Sortino ratio of daily returns, per year; None below two days or without loss.

    The downside deviation is the root of the mean square of the returns below 0, over all days.
    """
    if len(returns) < MIN_DAYS:
        return None
    downside = math.sqrt(float(np.mean(np.minimum(returns, 0.0) ** 2)))
    return _over(np.mean(returns) * math.sqrt(DAYS_PER_YEAR), downside)


def calmar(growth: float | None, fall: float | None) -> float | None:
    """Return the yearly growth over the deepest drawdown; None without either."""
    return None if growth is None or fall is None else _over(growth, fall)


def max_drawdown(path: FloatArray) -> float:
    """Return the deepest fall from an earlier peak, as a fraction of the peak.

    >>> max_drawdown(np.array([100.0, 120.0, 90.0, 130.0]))
    0.25
    """
    peak = np.maximum.accumulate(path)
    return float(np.max(1.0 - path / peak))


def max_drawdown_days(time: TimeArray, path: FloatArray) -> float:
    """Return how long the deepest drawdown lasted: from its peak until equity was back there.

    One that was not made good lasts to the end; without any fall it is 0.
    """
    peak = np.maximum.accumulate(path)
    trough = int(np.argmax(1.0 - path / peak))
    if path[trough] >= peak[trough]:
        return 0.0
    start = int(np.flatnonzero(path[:trough] == peak[trough])[-1])
    back = np.flatnonzero(path[trough:] >= peak[trough])
    end = trough + int(back[0]) if len(back) else len(path) - 1
    return float((time[end] - time[start]) / _DAY)


def profit_factor(pnl: FloatArray) -> float | None:
    """Return the sum of profits over the sum of losses; None without a loss.

    >>> profit_factor(np.array([3.0, -1.0, -1.0]))
    1.5
    """
    return _over(pnl[pnl > 0].sum(), -pnl[pnl < 0].sum())


def sqn(returns: FloatArray) -> float | None:
    """Return the system quality number of the trades' returns; None below two trades."""
    if len(returns) < 2:
        return None
    return _over(math.sqrt(len(returns)) * np.mean(returns), float(np.std(returns, ddof=1)))


def longest_losing_streak(trades: Sequence[Trade]) -> int:
    """Return the most trades in a row, by time of closing, that made no net profit."""
    longest = current = 0
    for trade in sorted(trades, key=lambda trade: trade.closed_at):
        current = current + 1 if trade.pnl <= 0 else 0
        longest = max(longest, current)
    return longest


def exposure(curve: EquityCurve, trades: Iterable[Trade]) -> float | None:
    """Return the fraction of bars in which a position was held at some moment.

    A trade counts from the bar of its entry to the bar of its exit, both included; a position
    that is still open counts by its value at each close.
    """
    bars = len(curve.time)
    steps = np.zeros(bars + 1, np.int64)
    for trade in trades:
        # A bar that opens at t is the first to close after t.
        first, last = np.searchsorted(curve.time, [trade.opened_at, trade.closed_at], side="right")
        steps[first] += 1
        steps[min(int(last) + 1, bars)] -= 1
    held = (np.cumsum(steps[:bars]) > 0) | (
        np.abs(curve.position_value) > _DUST * np.abs(curve.equity)
    )
    return _mean(held)


def turnover(fills: Iterable[Fill], equity: FloatArray) -> float | None:
    """Return the money bought and sold over the mean equity."""
    traded = sum(abs(fill.units) * fill.price for fill in fills)
    return _over(traded, float(np.mean(equity)))


def buy_and_hold(markets: Iterable[Bars], time: TimeArray) -> float | None:
    """Return what equal parts of each symbol, held from first open to last close, came to.

    Parameters
    ----------
    markets : bars of each symbol
    time : closing times of the run's bars; others are not looked at. A symbol without bars there
        is left out.
    """
    returns = [_held(bars, time[0], time[-1]) for bars in markets]
    return _mean(np.array([r for r in returns if r is not None]))


def _held(bars: Bars, first: np.datetime64, last: np.datetime64) -> float | None:
    start = int(np.searchsorted(bars.closed_at, first, side="left"))
    stop = int(np.searchsorted(bars.closed_at, last, side="right"))
    return float(bars.close[stop - 1] / bars.open[start] - 1.0) if stop > start else None


def _with_start(time: TimeArray) -> TimeArray:
    """Return the moments with the open of the first bar before them: when the run started."""
    step = np.min(np.diff(time)) if len(time) > 1 else np.timedelta64(0, "ms")
    return np.concatenate([time[:1] - step, time])


def _mean(values: FloatArray | BoolArray) -> float | None:
    return float(np.mean(values)) if len(values) else None


def _over(top: float | np.floating, bottom: float) -> float | None:
    return float(top / bottom) if bottom > _NOTHING else None
