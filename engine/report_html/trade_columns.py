"""The trades of the runs as columns, with what was thought at the entry and seen on the way."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import numpy as np
import pandas as pd

from engine.records import Trade
from engine.report_html.report import Report, Traded
from engine.report_html.trade_rows import decisions_of
from engine.result import RunResult
from feeds.bars import Bars, FloatArray, IntArray, TimeArray

_NUMBERS = ("units", "entry_price", "exit_price", "fees", "pnl", "bars_held")
_MOMENTS = ("decided_at", "opened_at", "closed_at")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class TradeColumns:
    """The trades of one run, in their order; each array has a value for each of them.

    Attributes
    ----------
    label : of the run
    symbol, reason : places in the names of `TradeTable`
    numbers : fields of `Trade`, by their names
    moments : datetime64[ms], by their names
    returns : net profit over the money put in
    decided : row of the decision in the journal, or `NO_DECISION`
    score, probability : of the decision to enter; NaN where there is none
    worst, best : how far the price was against the trade and for it, at least, while it was open:
        fractions of the entry price, from 0 down and from 0 up; NaN where there are no bars
    """

    label: str
    symbol: IntArray
    reason: IntArray
    numbers: Mapping[str, FloatArray]
    moments: Mapping[str, TimeArray]
    returns: FloatArray
    decided: IntArray
    score: FloatArray
    probability: FloatArray
    worst: FloatArray
    best: FloatArray

    def __len__(self) -> int:
        return len(self.returns)

    @property
    def won(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """True where there was a net profit."""
        return np.asarray(self.numbers["pnl"] > 0)


@dataclass(frozen=True, slots=True, eq=False)
class TradeTable:
    """The trades of all runs of a report, and the names that they share."""

    runs: Sequence[TradeColumns]
    symbols: Sequence[str]
    reasons: Sequence[str]


def trade_table(report: Report) -> TradeTable:
    """Return the trades of the report's runs as columns."""
    every = [trade for result in report.results for trade in result.trades]
    symbols = sorted({trade.symbol for trade in every})
    reasons = sorted({trade.exit_reason for trade in every})
    runs = [_columns(result, symbols, reasons, report.markets) for result in report.results]
    return TradeTable(runs, symbols, reasons)


def _columns(
    result: RunResult,
    symbols: Sequence[str],
    reasons: Sequence[str],
    markets: Mapping[str, Traded],
) -> TradeColumns:
    trades = result.trades
    numbers = {name: _column(trades, name, np.float64) for name in _NUMBERS}
    moments = {name: _column(trades, name, "datetime64[ms]") for name in _MOMENTS}
    symbol = _codes(trades, "symbol", symbols)
    decided = decisions_of(result)
    worst, best = _excursions(markets, symbols, symbol, numbers, moments)
    return TradeColumns(
        label=result.label,
        symbol=symbol,
        reason=_codes(trades, "exit_reason", reasons),
        numbers=numbers,
        moments=moments,
        returns=numbers["pnl"] / (np.abs(numbers["units"]) * numbers["entry_price"]),
        decided=decided,
        score=_said(result.decisions, "score", decided),
        probability=_said(result.decisions, "probability", decided),
        worst=worst,
        best=best,
    )


def _column(trades: Sequence[Trade], name: str, dtype: Any) -> np.ndarray[Any, Any]:
    return np.array(list(map(attrgetter(name), trades)), dtype)


def _codes(trades: Sequence[Trade], name: str, names: Sequence[str]) -> IntArray:
    place = {each: code for code, each in enumerate(names)}
    return np.array([place[each] for each in map(attrgetter(name), trades)], np.int64)


def _said(decisions: pd.DataFrame, name: str, decided: IntArray) -> FloatArray:
    """Return a number of the decision that each trade came of; NaN where there is none."""
    if name not in decisions or not len(decisions):
        return np.full(len(decided), np.nan)
    values = decisions[name].to_numpy(np.float64, na_value=np.nan)
    return np.where(decided >= 0, values[decided], np.nan)


def _excursions(
    markets: Mapping[str, Traded],
    symbols: Sequence[str],
    symbol: IntArray,
    numbers: Mapping[str, FloatArray],
    moments: Mapping[str, TimeArray],
) -> tuple[FloatArray, FloatArray]:
    """Return how far the price went against each trade and for it."""
    entry, left = numbers["entry_price"], numbers["exit_price"]
    low, high = np.full((2, len(symbol)), np.nan)
    for code, name in enumerate(symbols):
        own = np.flatnonzero(symbol == code)
        if name in markets:
            low[own], high[own] = _range_between(
                markets[name].bars, moments["opened_at"][own], moments["closed_at"][own]
            )
    least = np.minimum(np.minimum(low, entry), left) / entry - 1.0
    most = np.maximum(np.maximum(high, entry), left) / entry - 1.0
    long = numbers["units"] > 0
    return np.where(long, least, -most), np.where(long, most, -least)


def _range_between(
    bars: Bars, opened: TimeArray, closed: TimeArray
) -> tuple[FloatArray, FloatArray]:
    """Return the lowest low and highest high from the bar of entry to that before the exit's.

    Of the exit's bar it is not known what came before the exit: such a trade leaves only its own
    prices.
    """
    first, beyond = np.searchsorted(bars.time, opened), np.searchsorted(bars.time, closed)
    edges = np.ravel(np.column_stack([first, beyond]))
    some = beyond > first
    # `reduceat` wants each edge within the array: behind the last bar lies one that is never lower.
    low = np.minimum.reduceat(np.append(bars.low, np.inf), edges)[::2]
    high = np.maximum.reduceat(np.append(bars.high, -np.inf), edges)[::2]
    return np.where(some, low, np.inf), np.where(some, high, -np.inf)
