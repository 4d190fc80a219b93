"""One road for strategies of one's own: in one batch, one by one, by either clock."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine.clock import Pace
from engine.jobs.hybrid_run import HybridRun, run_batch, run_stream
from engine.jobs.markets import Market
from engine.jobs.settings import Settings, load_settings
from engine.protections import Protection
from strategies.evidence import evidence_table
from strategies.views import BatchViews, WindowViews
from tests.makers import make_bars, with_hole
from tests.strategies.own import MINE, settings_of, written

EXAMPLE = settings_of(*MINE.split(":"))
WAITING = {"order": "limit", "offset_percent": 0.1, "valid_bars": 4}
CASES = {
    "as it is": EXAMPLE,
    "by limits": settings_of(*MINE.split(":"), entry=WAITING),
    "trailing": settings_of(*MINE.split(":"), exits={"trailing_stop": 1.0}),
}


def markets(seed: int) -> list[Market]:
    first = with_hole(make_bars(2200, seed=seed), at=1000, missing=60)
    second = make_bars(1900, seed=seed + 100, symbol="ETH/USDT", start="2024-01-01T12:00")
    return [Market(first, 400), Market(second, 100)]


def backtest(traded: list[Market], settings: Settings, clock: Pace = "sparse") -> HybridRun:
    tables = {m.bars.symbol: evidence_table(m.bars, settings.strategy) for m in traded}
    return run_batch(traded, BatchViews(tables, settings.strategy), settings, clock=clock)


def alike(first: Sequence[Any], second: Sequence[Any]) -> None:
    one, two = (pd.DataFrame([asdict(each) for each in of]) for of in (first, second))
    pd.testing.assert_frame_equal(one, two, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("seed", [1, 2])
def test_a_rehearsal_makes_the_fills_and_the_journal_of_the_backtest(seed: int, case: str) -> None:
    traded, settings = markets(seed), CASES[case]
    at_once = backtest(traded, settings)
    one_by_one = run_stream(traded, WindowViews(settings.strategy), settings)
    assert len(at_once.execution.trades) > 5
    # Its stops are multiples of the ATR, whose last digits are others on a window.
    alike(one_by_one.execution.fills, at_once.execution.fills)
    alike(one_by_one.execution.rejections, at_once.execution.rejections)
    pd.testing.assert_frame_equal(one_by_one.decisions, at_once.decisions, rtol=1e-6, atol=1e-6)
    assert {"points_dip", "points_uptrend", "found_dip"} <= set(at_once.decisions)


@pytest.mark.parametrize("case", CASES)
def test_the_sparse_clock_makes_the_fills_of_the_dense_one(case: str) -> None:
    traded, settings = markets(3), CASES[case]
    sparse, dense = (backtest(traded, settings, clock) for clock in ("sparse", "dense"))
    assert sparse.execution.clock.kind == "sparse"
    assert sparse.execution.clock.run < dense.execution.clock.run / 2
    assert sparse.execution.fills == dense.execution.fills
    np.testing.assert_array_equal(sparse.execution.equity.equity, dense.execution.equity.equity)


def test_protections_veto_a_strategy_of_ones_own() -> None:
    limited = EXAMPLE.model_dump() | {"protections": {"cooldown_bars": 30}}
    settings = Settings.model_validate(limited)
    run = backtest(markets(4), settings)
    assert run.vetoes[Protection.COOLDOWN] > 0


def test_rules_that_copy_the_built_in_ones_trade_as_it_does(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        """
        EPS = 1e-7

        def rsi(bars):
            return indicators.rsi(bars.close, 14) < 30 * (1 - EPS)

        def bollinger(bars):
            return bars.close <= indicators.bollinger(bars.close, 20, 2.0).lower * (1 + EPS)

        def stochastic(bars):
            return indicators.stochastic(bars.high, bars.low, bars.close).k < 20 * (1 - EPS)

        class Own(HybridStrategy):
            rules = (
                Rule("rsi", rsi, points=2.0, mandatory=True),
                Rule("bollinger", bollinger, points=2.0),
                Rule("stochastic", stochastic, points=1.0),
            )
            min_entry_score = 5.0
        """,
    )
    others = dict.fromkeys(("volume", "pattern", "macd", "support"), 0.0)
    built_in = load_settings(overrides={"strategy": {"points": others, "min_entry_score": 5.0}})
    own, ours = backtest(markets(5), settings_of(path)), backtest(markets(5), built_in)
    assert len(ours.execution.trades) > 5
    assert own.execution.fills == ours.execution.fills
