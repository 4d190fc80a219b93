"""The hybrid strategy on the Engine: sizing among several entries, outcomes in the journal."""

from dataclasses import replace

import numpy as np
import pytest

from engine.jobs.hybrid_run import HybridRun, run_batch
from engine.jobs.markets import Market
from engine.jobs.settings import Settings, load_settings
from strategies.evidence import evidence_table
from strategies.views import BatchViews
from tests.makers import make_bars


def run(settings: Settings, *symbols: str) -> HybridRun:
    """Trade the same random walk under each name: all enter at the same moments."""
    bars = make_bars(4000, seed=3)
    markets = [Market(replace(bars, symbol=symbol), 400) for symbol in symbols]
    tables = {m.bars.symbol: evidence_table(m.bars, settings.strategy) for m in markets}
    return run_batch(markets, BatchViews(tables, settings.strategy), settings)


def sized(**sizing: object) -> Settings:
    return load_settings(overrides={"strategy": {"sizing": sizing, "min_entry_score": 5.0}})


def test_entries_of_one_moment_share_the_cash_instead_of_refusing_each_other() -> None:
    settings = sized(fraction=0.6)
    alone, together = run(settings, "A/USDT"), run(settings, "A/USDT", "B/USDT", "C/USDT")
    assert len(alone.execution.trades) > 10
    assert {r.reason for r in together.execution.rejections} <= {"too_small"}
    first, second = together.execution.fills[0], together.execution.fills[1]
    assert first.decided_at == second.decided_at
    assert second.units < first.units


def test_the_whole_cash_can_be_asked_for_although_the_open_is_above_the_close() -> None:
    assert run(sized(fraction=1.0, reserve_percent=0.0), "A/USDT").execution.rejections
    assert not run(sized(fraction=1.0), "A/USDT").execution.rejections


@pytest.mark.parametrize("method", ["fraction", "risk"])
def test_each_order_of_the_journal_became_a_trade_or_was_refused(method: str) -> None:
    ran = run(
        sized(method=method, reserve_percent=0.0, fraction=1.0, risk=0.02), "A/USDT", "B/USDT"
    )
    outcome = ran.decisions["outcome"].value_counts()
    assert outcome["entered"] == len(ran.execution.trades) > 0
    refused = outcome.get("rejected", 0) + outcome.get("too_small", 0)
    assert refused == len(ran.execution.rejections) > 0
    assert "ordered" not in outcome
    assert min(t.units * t.entry_price for t in ran.execution.trades) > 0.001
    entered = ran.decisions[ran.decisions["outcome"] == "entered"]
    assert np.isclose(entered["pnl"].sum(), sum(t.pnl for t in ran.execution.trades))


def test_risk_sizing_loses_about_the_risk_at_the_stop() -> None:
    ran = run(sized(method="risk", risk=0.004), "A/USDT")
    stopped = [t for t in ran.execution.trades if t.exit_reason == "stop_loss"]
    equity = dict(zip(ran.execution.equity.time, ran.execution.equity.equity, strict=True))
    losses = [-t.pnl / equity[t.decided_at] for t in stopped]
    assert np.median(losses) == pytest.approx(0.004, rel=0.1)
