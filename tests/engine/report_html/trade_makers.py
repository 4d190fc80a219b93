"""Reports of a few trades, for tests."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from engine.cost_sweep import cost_sweep
from engine.metrics import compute_metrics
from engine.plain import plain
from engine.records import Trade
from engine.report_html.report import Report
from engine.result import RunResult
from tests.engine.run_makers import make_curve, make_result, make_trade
from tests.makers import make_bars


def trade_of(pnl: float = 1.0, **changed: Any) -> Trade:
    """Return a trade of one unit bought at 100, but for what is changed."""
    return replace(make_trade(pnl), **changed)


def run_of(trades: Sequence[Trade], label: str = "off") -> RunResult:
    """Return a run that made these trades and kept no journal of scores."""
    run = make_result(label)
    curve = make_curve([1000.0, 1000.0 + sum(trade.pnl for trade in trades)])
    metrics = compute_metrics(trades, curve, fills=[], initial_cash=1000.0, markets=[make_bars(7)])
    return replace(
        run,
        trades=trades,
        metrics=metrics,
        equity=curve,
        decisions=run.decisions.iloc[:0],
        sweep=cost_sweep(trades, [], 0.001),
    )


def report_of(*runs: RunResult, **given: Any) -> Report:
    """Return a report of the runs; of the document only what the trades need."""
    document = {
        "runs": [
            {"ml": run.label, "trades": len(run.trades), "metrics": run.metrics.to_dict()}
            for run in runs
        ],
        "comparison": {},
        "data": {"timeframe": "5m"},
    }
    filled: dict[str, Any] = {
        "name": "made", "created_at": "", "document": plain(document), "results": runs,
        "markets": {}, "request": {}, **given,
    }  # fmt: skip
    return Report(**filled)
