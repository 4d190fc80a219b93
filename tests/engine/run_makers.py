"""Small trades, curves and runs for tests."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from engine.clock import ClockReport
from engine.cost_sweep import cost_sweep
from engine.equity import EquityCurve
from engine.metrics import compute_metrics
from engine.records import Fill, Rejection, Trade
from engine.result import RunResult
from tests.makers import make_bars

START = np.datetime64("2024-01-01", "ms")
BAR = np.timedelta64(300_000, "ms")


def make_curve(equity: Sequence[float], *, step: np.timedelta64 = BAR) -> EquityCurve:
    """Return a curve that is all cash, its first bar opening at `START`."""
    values = np.asarray(equity, np.float64)
    time = START + (np.arange(len(values)) + 1) * step.astype("timedelta64[ms]")
    return EquityCurve(time=time, equity=values, cash=values, position_value=np.zeros(len(values)))


def make_trade(pnl: float = 1.0, *, bar: int = 1, held: int = 2, symbol: str = "BTC/USDT") -> Trade:
    """Return a trade of one unit bought at 100 at the open of bar `bar`."""
    return Trade(
        symbol=symbol,
        units=1.0,
        entry_price=100.0,
        exit_price=100.0 + pnl + 0.2,
        decided_at=START + bar * BAR,
        opened_at=START + bar * BAR,
        closed_at=START + (bar + held) * BAR,
        bars_held=held,
        fees=0.2,
        pnl=pnl,
        exit_reason="take_profit" if pnl > 0 else "stop_loss",
    )


def make_fill(*, units: float = 1.0, price: float = 100.0, fee: float = 0.1) -> Fill:
    """Return a fill at the open of the second bar."""
    return Fill(
        symbol="BTC/USDT",
        units=units,
        price=price,
        aimed_price=price,
        fee=fee,
        decided_at=START + BAR,
        filled_at=START + BAR,
        bar=1,
        reason="entry" if units > 0 else "take_profit",
    )


def make_result(label: str = "off", **changed: Any) -> RunResult:
    """Return a run of ten bars with a winning and a losing trade."""
    trades = [make_trade(2.0, bar=1), make_trade(-1.0, bar=5)]
    fills = [make_fill(), make_fill(units=-1.0, price=102.2)]
    curve = make_curve([1000.0, 1000.0, 1002.0, 1002.0, 1002.0, 1001.0, 1001.0])
    metrics = compute_metrics(
        trades, curve, fills=fills, initial_cash=1000.0, markets=[make_bars(7)]
    )
    given: dict[str, Any] = {
        "label": label,
        "trades": trades,
        "fills": fills,
        "rejections": [
            Rejection(symbol="BTC/USDT", units=0.1, decided_at=START + BAR, reason="no cash")
        ],
        "equity": curve,
        "clock": ClockReport(kind="sparse", reasons=(), moments=2, run=2),
        "metrics": metrics,
        "vetoes": {},
        "ml_asked": 0,
        "ml_unavailable": 0,
        "in_sample": False,
        "synthetic": False,
        "decisions": pd.DataFrame(
            {
                "symbol": ["BTC/USDT"],
                "decided_at": np.array(["2024-01-01"], "datetime64[ms]"),
                "score": [6.5],
            }
        ),
        "sweep": cost_sweep(trades, fills, 0.001),
        "flattery": ("targets fill as soon as the price touches them",),
        "config": {"cash": 1000.0},
        "digests": {"BTC/USDT": "ab12"},
        "versions": {"numpy": "2"},
        "seed": 7,
    }
    return RunResult(**{**given, **changed})
