"""What the runs are compared with: gates without skill, and holding."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.equity import EquityCurve, last_close, merged_times
from engine.jobs.comparing.gates import Gates, Ranking
from engine.jobs.markets import Market
from engine.jobs.settings import Settings
from engine.metrics import daily_returns, max_drawdown, profit_factor, sharpe, total_return
from engine.records import Trade
from engine.replay import Replayed
from feeds.bars import FloatArray
from feeds.costs import Costs
from strategies.evidence import EvidenceTable
from strategies.views import Asked

log = logging.getLogger("tandem.run")

BAND = (0.05, 0.95)
_ROUNDING = 1e-9  # of a return


@dataclass(frozen=True, slots=True, eq=False)
class References:
    """What stands beside ML-off and ML-on.

    Attributes
    ----------
    first, last : the moments between which the runs decide
    cash : what each account begins with
    random : one run a seed
    ranking, volatility : how the volatility gate ranks, and its run
    held : the account of who buys equal parts of the symbols at the start and sells at the end
    """

    first: np.datetime64
    last: np.datetime64
    cash: float
    random: Sequence[Replayed]
    ranking: Ranking
    volatility: Replayed
    held: EquityCurve


def references(
    markets: Sequence[Market],
    tables: Mapping[str, EvidenceTable],
    asked: Mapping[str, Asked],
    settings: Settings,
    on: Sequence[Trade],
) -> References:
    """Run the gates on the markets of a run with ML, and hold.

    Parameters
    ----------
    markets, tables, asked, settings : of the run
    on : what the run traded, which a replay of it must trade too
    """
    gates = Gates(markets, tables, asked, settings)
    _warn_of_another_run(gates.as_asked(), on)
    ranking, volatility = gates.volatility()
    return References(
        first=min(market.decided[0] for market in markets),
        last=max(market.decided[-1] for market in markets),
        cash=settings.broker.cash,
        random=gates.random(settings.statistics.gate_seeds),
        ranking=ranking,
        volatility=volatility,
        held=held(markets, cash=settings.broker.cash, costs=settings.costs),
    )


def _warn_of_another_run(replayed: Replayed, on: Sequence[Trade]) -> None:
    """Say it if the gates' way to trade is not the Engine's."""
    traded = {(trade.symbol, trade.decided_at): trade.return_fraction for trade in on}
    keys = zip(replayed.symbol, replayed.decided_at, strict=True)
    told = dict(zip(keys, replayed.returns.tolist(), strict=True))
    same = traded.keys() & told.keys()
    other = len(traded.keys() ^ told.keys()) + sum(
        abs(traded[key] - told[key]) > _ROUNDING for key in same
    )
    if other:
        log.warning(
            "the gates are measured by a replay that must trade what ML-on traded, found %d of %d "
            "trades that differ",
            other,
            len(traded),
        )


def held(markets: Sequence[Market], *, cash: float, costs: Costs) -> EquityCurve:
    """Return the account of who buys equal parts at the first opens and sells at the last closes.

    Costs are paid once at each end.
    """
    time = merged_times([market.decided for market in markets])
    money, value = np.zeros(len(time)), np.zeros(len(time))
    for market in markets:
        bars, part = market.bars[market.first :], cash / len(markets)
        ranges = bars.high - bars.low
        units = part / (costs.bought_at(bars.open[0], ranges[0]) * (1.0 + costs.fee))
        sold = units * costs.sold_at(bars.close[-1], ranges[-1]) * (1.0 - costs.fee)
        begun, over = time >= bars.closed_at[0], time >= bars.closed_at[-1]
        money += np.select([over, begun], [sold, 0.0], part)
        value += np.where(begun & ~over, units * last_close(bars, time), 0.0)
    return EquityCurve(time, money + value, money, value)


def held_json(curve: EquityCurve, cash: float) -> dict[str, float | None]:
    """Return what holding came to."""
    path = np.concatenate([[cash], curve.equity])
    return {
        "total_return": total_return(path),
        "max_drawdown": max_drawdown(path),
        "sharpe": sharpe(daily_returns(curve.time, curve.equity, cash)),
    }


def gate_json(run: Replayed, cash: float) -> dict[str, float | None]:
    """Return what a gate's run came to."""
    path = np.concatenate([[cash], run.equity.equity])
    traded = bool(len(run))
    return {
        "trades": len(run),
        "expectancy": float(np.mean(run.returns)) if traded else None,
        "win_rate": float(np.mean(run.pnl > 0)) if traded else None,
        "profit_factor": profit_factor(run.pnl),
        "total_return": total_return(path),
        "max_drawdown": max_drawdown(path),
    }


def seeds_json(runs: Sequence[Replayed], cash: float, expectancy: float | None) -> dict[str, Any]:
    """Return what the runs of a gate came to over its seeds, each with mean and band.

    Parameters
    ----------
    expectancy : of ML-on, with which that of each seed is compared
    """
    rows = [gate_json(run, cash) for run in runs]
    figures = {name: _spread([row[name] for row in rows]) for name in rows[0]}
    found = np.array([row["expectancy"] for row in rows if row["expectancy"] is not None])
    below = None if expectancy is None or not len(found) else float(np.mean(found < expectancy))
    return {"seeds": len(runs), **figures, "share_of_seeds_below_on": below}


def _spread(values: Sequence[float | None]) -> dict[str, float | None]:
    """Return mean and band of the values that are defined."""
    known: FloatArray = np.array([value for value in values if value is not None], np.float64)
    if not len(known):
        return {"mean": None, "low": None, "high": None}
    low, high = np.quantile(known, BAND)
    return {"mean": float(np.mean(known)), "low": float(low), "high": float(high)}
