"""ML-off against ML-on: what differs, and which entries made the difference."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from engine.records import Trade
from engine.result import RunResult


def comparison(off: RunResult, on: RunResult) -> dict[str, Any]:
    """Return the differences (on minus off) and how the added, removed and kept entries did."""
    return {
        "difference": _difference(off.metrics.to_dict(), on.metrics.to_dict()),
        "average_entry_score": {run.label: _average_score(run) for run in (off, on)},
        "losing_entries": {run.label: _losing(run.trades) for run in (off, on)},
        "groups": _groups(off.trades, on.trades),
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
    entered = decisions.loc[decisions["outcome"] == "entered", "score"]
    return float(entered.mean()) if len(entered) else None


def _losing(trades: Sequence[Trade]) -> dict[str, float | None]:
    count = sum(trade.pnl <= 0 for trade in trades)
    return {"count": count, "rate": count / len(trades) if trades else None}


def _groups(off: Sequence[Trade], on: Sequence[Trade]) -> dict[str, dict[str, float | None]]:
    """Return the trades that only ML-on made, only ML-off made, and both made (as ML-on did)."""
    off_entries = {(trade.symbol, trade.decided_at): trade for trade in off}
    on_entries = {(trade.symbol, trade.decided_at): trade for trade in on}
    return {
        "added": _summary([t for key, t in on_entries.items() if key not in off_entries]),
        "removed": _summary([t for key, t in off_entries.items() if key not in on_entries]),
        "kept": _summary([t for key, t in on_entries.items() if key in off_entries]),
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
