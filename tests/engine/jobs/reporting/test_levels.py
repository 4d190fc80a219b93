"""Exits lay where the orders of the run lay."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine.jobs.hybrid_run import run_batch
from engine.jobs.markets import Market
from engine.jobs.reporting.levels import levels_of
from engine.jobs.settings import Settings, load_settings
from engine.records import Fill
from engine.report_html.report import Levels
from engine.result import RunResult
from feeds.bars import Bars
from strategies.evidence import evidence_table
from strategies.views import BatchViews
from tests.engine.run_makers import make_result
from tests.makers import make_bars

WARMUP = 400
BARS = make_bars(4_000, seed=3, volatility=0.004)


def settings_of(unit: str, tick: float, **exits: Any) -> Settings:
    rules = {"unit": unit, "take_profit": 1.5, "stop_loss": 1.0, "max_bars": 8, **exits}
    return load_settings(
        overrides={
            "strategy": {"min_entry_score": 4.0, "exits": rules},
            "symbols": {"BTC/USDT": {"tick": tick}},
        }
    )


def run(settings: Settings, bars: Bars = BARS) -> RunResult:
    tables = {bars.symbol: evidence_table(bars, settings.strategy)}
    views = BatchViews(tables, settings.strategy)
    ran = run_batch([Market(bars, WARMUP)], views, settings)
    return make_result(
        "off",
        trades=ran.execution.trades,
        fills=ran.execution.fills,
        decisions=ran.decisions,
        config=settings.model_dump(mode="json"),
    )


def exits_by_reason(result: RunResult) -> dict[str, list[tuple[int, Fill]]]:
    """Return the fills that ended trades, with their trade's position, by reason."""
    found: dict[str, list[tuple[int, Fill]]] = {}
    for at, fill in enumerate(result.fills[1::2]):
        found.setdefault(fill.reason, []).append((at, fill))
    return found


def found_levels(result: RunResult) -> Levels:
    return levels_of([result], [Market(BARS, WARMUP)])["off"]


@pytest.mark.parametrize("unit", ["percent", "atr"])
@pytest.mark.parametrize("tick", [0.0, 0.05])
def test_exits_fill_at_the_levels(unit: str, tick: float) -> None:
    result = run(settings_of(unit, tick))
    levels, exits = found_levels(result), exits_by_reason(result)
    assert {"take_profit", "stop_loss", "time_limit"} <= exits.keys()
    for at, fill in exits["take_profit"]:
        assert fill.aimed_price == levels.target[at]
    gapped = 0
    for at, fill in exits["stop_loss"]:
        at_open = fill.aimed_price == BARS.open[fill.bar]
        gapped += at_open
        assert fill.aimed_price == levels.stop[at] or (
            at_open and fill.aimed_price < levels.stop[at]
        )
    assert gapped < len(exits["stop_loss"])
    for at, fill in exits["time_limit"]:
        assert fill.filled_at == levels.until[at]


def test_a_stop_that_follows_begins_at_its_level() -> None:
    result = run(settings_of("percent", 0.0, trailing_stop=0.5, take_profit=9.0, max_bars=60))
    levels, exits = found_levels(result), exits_by_reason(result)
    assert exits["trailing_stop"]
    for at, fill in exits["trailing_stop"]:
        assert fill.aimed_price > levels.stop[at] or fill.aimed_price == BARS.open[fill.bar]


def test_a_trade_without_a_decision_has_no_levels() -> None:
    result = run(settings_of("percent", 0.0))
    bare = make_result("off", trades=result.trades, decisions=pd.DataFrame(), config=result.config)
    levels = found_levels(bare)
    assert np.isnan(levels.stop).all()
    assert np.isnan(levels.target).all()
    assert np.isnat(levels.until).all()


def test_a_strategy_that_says_nothing_of_exits_has_no_levels() -> None:
    assert levels_of([make_result("off", config={"strategy": {}})], [Market(BARS, 0)]) == {}
    assert levels_of([make_result("off", config={})], [Market(BARS, 0)]) == {}


def test_a_run_without_trades_has_no_rows() -> None:
    result = make_result("off", trades=(), config=settings_of("atr", 0.0).model_dump(mode="json"))
    assert len(found_levels(result).stop) == 0
