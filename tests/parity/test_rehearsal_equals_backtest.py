"""One road: the same bars, in one batch or one by one, give the same decisions and fills."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from engine.jobs.hybrid_run import HybridRun, run_batch, run_stream
from engine.jobs.markets import BarFiles, Market, cut
from engine.jobs.serving import serving_analyzer
from engine.jobs.settings import Settings, load_settings
from engine.protections import Protection
from strategies.evidence import evidence_table
from strategies.views import BatchViews, WindowViews, ask
from tests.makers import make_bars, with_hole
from tests.world import UNTIL, World

SETTINGS = load_settings(overrides={"strategy": {"min_entry_score": 5.0}})
WAITING = {"order": "limit", "offset_percent": 0.1, "valid_bars": 4}
LIMITED = load_settings(overrides={"strategy": {"min_entry_score": 5.0, "entry": WAITING}})
PROTECTED = load_settings(
    overrides={
        "strategy": {"rsi_oversold": 45.0, "min_entry_score": 3.0, "sizing": {"fraction": 0.3}},
        "protections": {
            "max_drawdown": 0.02,
            "daily_loss_limit": 0.004,
            "max_losses_in_a_row": 4,
            "losing_streak_pause_bars": 8,
            "cooldown_bars": 3,
            "max_open_positions": 2,
            "max_exposure": 0.6,
        },
    }
)


def markets(seed: int) -> list[Market]:
    first = with_hole(make_bars(2200, seed=seed), at=1000, missing=60)
    second = make_bars(1900, seed=seed + 100, symbol="ETH/USDT", start="2024-01-01T12:00")
    return [Market(first, 400), Market(second, 100)]


def backtest(traded: list[Market], settings: Settings = SETTINGS) -> HybridRun:
    tables = {m.bars.symbol: evidence_table(m.bars, settings.strategy) for m in traded}
    return run_batch(traded, BatchViews(tables, settings.strategy), settings)


def rehearsal(traded: list[Market], settings: Settings = SETTINGS) -> HybridRun:
    return run_stream(traded, WindowViews(settings.strategy), settings)


@pytest.mark.parametrize("settings", [SETTINGS, LIMITED], ids=["market", "limit"])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_rehearsal_makes_the_fills_of_the_backtest(seed: int, settings: Settings) -> None:
    traded = markets(seed)
    at_once, one_by_one = backtest(traded, settings), rehearsal(traded, settings)
    assert len(at_once.execution.trades) > 5
    assert one_by_one.execution.fills == at_once.execution.fills
    assert one_by_one.execution.rejections == at_once.execution.rejections
    np.testing.assert_array_equal(
        one_by_one.execution.equity.equity, at_once.execution.equity.equity
    )


def test_a_rehearsal_is_vetoed_where_the_backtest_is() -> None:
    third = make_bars(1900, seed=204, symbol="SOL/USDT")
    traded = [*markets(4), Market(third, 400)]
    at_once, one_by_one = backtest(traded, PROTECTED), rehearsal(traded, PROTECTED)
    assert one_by_one.execution.fills == at_once.execution.fills
    assert one_by_one.execution.rejections == at_once.execution.rejections
    assert one_by_one.vetoes == at_once.vetoes
    assert set(at_once.vetoes) == set(Protection)
    told = ["symbol", "decided_at", "outcome", "veto"]
    pd.testing.assert_frame_equal(one_by_one.decisions[told], at_once.decisions[told])


def test_a_symbol_trades_before_another_one_has_begun() -> None:
    early = Market(make_bars(1200, seed=8), 400)
    late = Market(make_bars(500, seed=9, symbol="ETH/USDT", start="2024-01-06"), 0)
    alone, together = backtest([early]), backtest([early, late])
    begun = [f for f in together.execution.fills if f.filled_at < late.bars.time[0]]
    assert begun == [f for f in alone.execution.fills if f.filled_at < late.bars.time[0]]
    assert begun


def test_a_rehearsal_keeps_the_journal_of_the_backtest() -> None:
    traded = markets(3)
    pd.testing.assert_frame_equal(
        rehearsal(traded).decisions, backtest(traded).decisions, rtol=1e-6, atol=1e-6
    )


def test_the_ensemble_tips_the_same_decisions_bar_by_bar(world: World) -> None:
    settings = world.settings()
    end = UNTIL + np.timedelta64(6, "D")
    traded = [cut(bars, start=UNTIL, end=end, warmup_bars=400) for bars in world.bars]
    analyzer = serving_analyzer(settings, traded[0].bars.timeframe)
    tables = {m.bars.symbol: evidence_table(m.bars, settings.strategy) for m in traded}
    views = BatchViews(tables, settings.strategy, ask(tables, settings.strategy, analyzer))
    at_once = run_batch(traded, views, settings)
    one_by_one = run_stream(traded, WindowViews(settings.strategy, analyzer), settings)
    assert at_once.ml_asked > 20
    assert one_by_one.ml_asked == at_once.ml_asked
    assert one_by_one.execution.fills == at_once.execution.fills
    pd.testing.assert_frame_equal(one_by_one.decisions, at_once.decisions, rtol=1e-5, atol=1e-5)


@pytest.mark.real_data
def test_real_bars_are_decided_alike_bar_by_bar(world: World, real_bars_dir: Path) -> None:
    settings = world.settings()
    start, end = np.datetime64("2023-03-20", "ms"), np.datetime64("2023-03-30", "ms")
    files = [real_bars_dir / f"binance_{name}-USDT_5m.parquet" for name in ("BTC", "DOGE")]
    read = BarFiles(tuple(files)).read(settings.data)  # an outage lies within the dates
    traded = [cut(bars, start=start, end=end, warmup_bars=400) for bars in read]
    assert len(list(traded[0].bars.segments())) == 2
    analyzer = serving_analyzer(settings, traded[0].bars.timeframe)
    tables = {m.bars.symbol: evidence_table(m.bars, settings.strategy) for m in traded}
    at_once = run_batch(
        traded,
        BatchViews(tables, settings.strategy, ask(tables, settings.strategy, analyzer)),
        settings,
    )
    one_by_one = run_stream(traded, WindowViews(settings.strategy, analyzer), settings)
    assert at_once.ml_asked > 50
    assert one_by_one.execution.fills == at_once.execution.fills
    pd.testing.assert_frame_equal(one_by_one.decisions, at_once.decisions, rtol=1e-5, atol=1e-5)
