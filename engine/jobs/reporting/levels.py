"""Where the exits of trades lay: what the configuration says of the price that each entry got."""

from collections.abc import Sequence

import numpy as np

from engine.jobs.markets import Market
from engine.report_html.report import Levels
from engine.report_html.trade_rows import decisions_of
from engine.result import RunResult
from engine.rules import SymbolRules
from strategies.config import ExitRules


def levels_of(results: Sequence[RunResult], markets: Sequence[Market]) -> dict[str, Levels]:
    """Return where exits lay, by the run's label; runs of a strategy without exits are left out."""
    delta = markets[0].bars.timeframe.delta
    return {
        result.label: _levels(result, exits, delta)
        for result in results
        if (exits := _exits(result)) is not None
    }


def _exits(result: RunResult) -> ExitRules | None:
    strategy = result.config.get("strategy") or {}
    return ExitRules.model_validate(strategy["exits"]) if "exits" in strategy else None


def _levels(result: RunResult, exits: ExitRules, delta: np.timedelta64) -> Levels:
    trades, decided = result.trades, decisions_of(result)
    known = decided >= 0
    atr, paid = np.full((2, len(trades)), np.nan)
    if known.any():
        atr[known] = result.decisions["atr_fraction"].to_numpy(np.float64)[decided[known]]
        paid[known] = np.array([trade.entry_price for trade in trades])[known]
    stop, target = np.full((2, len(trades)), np.nan)
    symbols = np.array([trade.symbol for trade in trades], np.str_)
    for symbol in np.unique(symbols):
        rows = symbols == symbol
        away = exits.fractions(atr[rows])
        stop[rows], target[rows] = away.prices(paid[rows], _tick(result, str(symbol)))
    opened = np.array([trade.opened_at for trade in trades], "datetime64[ms]")
    until = np.where(known, opened + exits.max_bars * delta, np.datetime64("NaT", "ms"))
    return Levels(stop, target, until)


def _tick(result: RunResult, symbol: str) -> float:
    return SymbolRules.model_validate(result.config.get("symbols", {}).get(symbol, {})).tick
