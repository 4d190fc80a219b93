"""ML-on against ML-off and against what has no skill: what differs, how surely, through what."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from engine.jobs.comparing.groups import entry_groups
from engine.jobs.comparing.references import References, gate_json, held_json, seeds_json
from engine.jobs.comparing.verdict import OFF, ON, PAIRS, RANDOM, VOLATILITY, verdict
from engine.metrics import daily_returns
from engine.records import Trade
from engine.result import RunResult
from engine.statistics.intervals import Intervals, TradeReturns, joint_intervals
from engine.statistics.sharpe import chance_variance, deflated_sharpe, probabilistic_sharpe
from engine.statistics.trials import Trials
from strategies.journal import Outcome


def comparison(off: RunResult, on: RunResult, beside: References, tried: Trials) -> dict[str, Any]:
    """Return the verdict and what it rests on, the differences, and how groups of entries did.

    Parameters
    ----------
    off, on : the runs; a difference is on minus off
    beside : what they are compared with
    tried : what has been looked at on the same bars
    """
    intervals = _intervals(off, on, beside)
    found = verdict(intervals, synthetic=on.synthetic)
    return {
        "verdict": found.sentence,
        "ml_helps": found.ml_helps,
        "intervals": asdict(intervals),
        "sharpe": _sharpe(on, beside.cash, tried),
        "difference": _difference(off.metrics.to_dict(), on.metrics.to_dict()),
        "random_gate": seeds_json(beside.random, beside.cash, on.metrics.expectancy),
        "volatility_gate": {
            "ranking": str(beside.ranking),
            **gate_json(beside.volatility, beside.cash),
        },
        "buy_and_hold": held_json(beside.held, beside.cash),
        "average_entry_score": {run.label: _average_score(run) for run in (off, on)},
        "losing_entries": {run.label: _losing(run.trades) for run in (off, on)},
        "groups": _groups(off, on),
    }


def _intervals(off: RunResult, on: RunResult, beside: References) -> Intervals:
    """Return the intervals of the runs, of the gates, and of what ML-on has above each."""
    runs = {
        ON: [TradeReturns.of(on.trades)],
        OFF: [TradeReturns.of(off.trades)],
        RANDOM: [TradeReturns(run.decided_at, run.returns) for run in beside.random],
        VOLATILITY: [TradeReturns(beside.volatility.decided_at, beside.volatility.returns)],
    }
    return joint_intervals(runs, PAIRS, first=beside.first, last=beside.last, seed=on.seed)


def _sharpe(on: RunResult, cash: float, tried: Trials) -> dict[str, float | int | None]:
    days = daily_returns(on.equity.time, on.equity.equity, cash)
    return {
        "probabilistic": probabilistic_sharpe(days),
        "deflated": deflated_sharpe(
            days,
            tried.sharpes,
            count=tried.count,
            least_variance=chance_variance(len(days)),
        ),
        "trials": tried.count,
    }


def _difference(
    off: Mapping[str, float | None], on: Mapping[str, float | None]
) -> dict[str, float | None]:
    pairs = {name: (off[name], on[name]) for name in off}
    return {
        name: None if low is None or high is None else high - low
        for name, (low, high) in pairs.items()
    }


def _average_score(run: RunResult) -> float | None:
    decisions: pd.DataFrame = run.decisions
    if decisions.empty:
        return None
    entered = decisions.loc[decisions["outcome"] == Outcome.ENTERED, "score"]
    return float(entered.mean()) if len(entered) else None


def _losing(trades: Sequence[Trade]) -> dict[str, float | None]:
    count = sum(trade.pnl <= 0 for trade in trades)
    return {"count": count, "rate": count / len(trades) if trades else None}


def _groups(off: RunResult, on: RunResult) -> dict[str, dict[str, float | None]]:
    """Return how the entries did, by what made them differ."""
    runs = {run.label: run for run in (off, on)}
    return {
        name: _summary([runs[group.label].trades[place] for place in group.trades])
        for name, group in entry_groups(off, on).items()
    }


def _summary(trades: Sequence[Trade]) -> dict[str, float | None]:
    if not trades:
        return {"trades": 0, "win_rate": None, "expectancy": None, "pnl": 0.0}
    return {
        "trades": len(trades),
        "win_rate": float(np.mean([trade.pnl > 0 for trade in trades])),
        "expectancy": float(np.mean([trade.return_fraction for trade in trades])),
        "pnl": float(sum(trade.pnl for trade in trades)),
    }
