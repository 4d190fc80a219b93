"""ML-on against ML-off and against what has no skill: what differs, how surely, through what."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from engine.jobs.comparing.references import References, gate_json, held_json, seeds_json
from engine.jobs.comparing.verdict import OFF, ON, PAIRS, RANDOM, VOLATILITY, verdict
from engine.metrics import daily_returns
from engine.records import Trade
from engine.result import RunResult
from engine.statistics.intervals import Intervals, TradeReturns, joint_intervals
from engine.statistics.sharpe import chance_variance, deflated_sharpe, probabilistic_sharpe
from engine.statistics.trials import Trials
from strategies.journal import Outcome

Key: TypeAlias = tuple[str, np.datetime64]


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
        ON: [_returns(on.trades)],
        OFF: [_returns(off.trades)],
        RANDOM: [TradeReturns(run.decided_at, run.returns) for run in beside.random],
        VOLATILITY: [TradeReturns(beside.volatility.decided_at, beside.volatility.returns)],
    }
    return joint_intervals(runs, PAIRS, first=beside.first, last=beside.last, seed=on.seed)


def _returns(trades: Sequence[Trade]) -> TradeReturns:
    return TradeReturns(
        np.array([trade.decided_at for trade in trades], "datetime64[ms]"),
        np.array([trade.return_fraction for trade in trades], np.float64),
    )


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
    """Return how the entries did, by what made them differ.

    added, removed : the opinion lifted the score to an entry, or took it below
    moved_in, moved_out : only one run entered, because the other was in a position at that bar,
        could not pay or was stopped by a protection; a consequence of earlier entries, not of an
        opinion
    kept : both entered; counted as ML-on traded them
    """
    off_trades, on_trades = _by_decision(off.trades), _by_decision(on.trades)
    only_on = [key for key in on_trades if key not in off_trades]
    only_off = [key for key in off_trades if key not in on_trades]
    off_below, on_below = _scored_below(off.decisions), _scored_below(on.decisions)
    groups = {
        "added": [on_trades[key] for key in only_on if key in off_below],
        "removed": [off_trades[key] for key in only_off if key in on_below],
        "moved_in": [on_trades[key] for key in only_on if key not in off_below],
        "moved_out": [off_trades[key] for key in only_off if key not in on_below],
        "kept": [trade for key, trade in on_trades.items() if key in off_trades],
    }
    return {name: _summary(trades) for name, trades in groups.items()}


def _by_decision(trades: Sequence[Trade]) -> dict[Key, Trade]:
    return {(trade.symbol, trade.decided_at): trade for trade in trades}


def _scored_below(decisions: pd.DataFrame) -> set[Key]:
    """Return the candidate bars at which the score did not suffice."""
    if decisions.empty:
        return set()
    below = decisions[decisions["outcome"] == Outcome.SCORE_BELOW]
    moments = below["decided_at"].to_numpy("datetime64[ms]")
    return set(zip(below["symbol"], moments, strict=True))


def _summary(trades: Sequence[Trade]) -> dict[str, float | None]:
    if not trades:
        return {"trades": 0, "win_rate": None, "expectancy": None, "pnl": 0.0}
    return {
        "trades": len(trades),
        "win_rate": float(np.mean([trade.pnl > 0 for trade in trades])),
        "expectancy": float(np.mean([trade.return_fraction for trade in trades])),
        "pnl": float(sum(trade.pnl for trade in trades)),
    }
