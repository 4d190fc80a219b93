"""The sweep trades what the Engine trades and comes to the same figures, to the last bit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.jobs.markets import Market
from engine.jobs.settings import Settings, load_settings
from engine.metrics import daily_returns
from engine.sweep.figures import Swept
from engine.sweep.sweep import SweptTrades
from feeds.exit_reasons import ExitReason
from tests.engine.jobs.test_random_runs import SYMBOLS, market
from tests.engine.jobs.test_replay import any_settings, wild_markets
from tests.engine.sweep.makers import (
    engine_run,
    metrics_of,
    opinions_of,
    set_of,
    sweep_of,
    tables_of,
)
from tests.makers import scaled

NUMBERS = ("units", "entry_price", "exit_price", "pnl")
TIMES = ("decided_at", "opened_at", "closed_at")
FIGURES = (
    *("expectancy", "profit_factor", "sharpe", "total_return"),
    *("max_drawdown", "win_rate"),
)


@dataclass(frozen=True, slots=True)
class Opinions:
    """Whether the ensemble says something, and whether thresholds were fitted."""

    seed: int
    fitted: bool


def check_same(
    markets: Sequence[Market], chosen: Settings, opinions: Opinions | None = None
) -> tuple[SweptTrades, Swept]:
    """Check that the sweep's run is the Engine's, and return it."""
    tables = tables_of(markets, chosen)
    asked = {} if opinions is None else opinions_of(
        tables, chosen, opinions.seed, fitted=opinions.fitted
    )  # fmt: skip
    run = engine_run(markets, tables, asked, chosen)
    sweep = sweep_of(markets, tables, asked, chosen)
    told = sweep.trades(set_of(chosen))
    check_trades(told, run.execution.trades)
    (figures,) = sweep.run([set_of(chosen)])
    metrics = metrics_of(run, markets, chosen).to_dict()
    assert {name: getattr(figures, name) for name in FIGURES} == {
        name: metrics[name] for name in FIGURES
    }
    equity = run.execution.equity
    daily = daily_returns(equity.time, equity.equity, chosen.broker.cash)
    np.testing.assert_array_equal(figures.daily, daily)
    assert figures.trades == len(told)
    return told, figures


def check_trades(told: SweptTrades, trades: Sequence[Any]) -> None:
    assert list(told.symbol) == [t.symbol for t in trades]
    for name in (*TIMES, *NUMBERS):
        found = np.array([getattr(t, name) for t in trades])
        np.testing.assert_array_equal(getattr(told, name), found, err_msg=name)
    assert told.returns.tolist() == [t.return_fraction for t in trades]
    names = [ExitReason(number).name.lower() for number in told.reason.tolist()]
    assert names == [t.exit_reason for t in trades]


SEEDS = st.lists(st.integers(0, 10_000), min_size=1, max_size=3)
BEGINNINGS = st.lists(st.integers(0, 120), min_size=3, max_size=3)
OPINIONS = st.none() | st.builds(Opinions, seed=st.integers(0, 99), fitted=st.booleans())


@given(seeds=SEEDS, begin=BEGINNINGS, chosen=any_settings(), opinions=OPINIONS)
@settings(max_examples=25)
def test_the_sweep_is_the_engine(
    seeds: list[int], begin: list[int], chosen: Settings, opinions: Opinions | None
) -> None:
    check_same(wild_markets(seeds, begin), chosen, opinions)


@pytest.mark.slow
@given(seeds=SEEDS, begin=BEGINNINGS, chosen=any_settings(), opinions=OPINIONS)
@settings(max_examples=400)
def test_the_sweep_is_the_engine_in_hundreds_of_cases(
    seeds: list[int], begin: list[int], chosen: Settings, opinions: Opinions | None
) -> None:
    check_same(wild_markets(seeds, begin), chosen, opinions)


@st.composite
def odd_settings(draw: st.DrawFn) -> Settings:
    """Draw prices, amounts and exits at the ends of what may be configured."""
    chosen = draw(any_settings())
    step = st.sampled_from([0.0, 1e-13, 1e-12, 1e-8, 0.1, 1.0])
    tick = st.sampled_from([0.0, 1e-8, 1e-6, 0.05])
    rules = {
        name: {"amount_step": draw(step), "tick": draw(tick), "min_notional": draw(LEAST)}
        for name in MANY
    }
    found = chosen.model_dump()
    found["symbols"] = rules
    found["broker"]["cash"] = draw(st.sampled_from([1e4, 3.33e8, 60.0]))
    found["strategy"]["min_entry_score"] = 2.0
    found["strategy"]["exits"]["take_profit"] = draw(st.sampled_from([1e-13, 0.01, 1.0, 400.0]))
    found["strategy"]["exits"]["stop_loss"] = draw(st.sampled_from([1e-13, 0.2, 99.0]))
    found["strategy"]["exits"]["max_bars"] = draw(st.sampled_from([1, 2, 500]))
    return load_settings(overrides=found)


MANY = ("A/USDT", "B/USDT", "C/USDT", "D/USDT", "E/USDT", "F/USDT")
LEAST = st.sampled_from([0.0, 5.0])
SCALES = st.lists(st.sampled_from([1e-7, 1.0, 317.7]), min_size=6, max_size=6)


@given(
    seeds=st.lists(st.integers(0, 10_000), min_size=1, max_size=6),
    scales=SCALES,
    chosen=odd_settings(),
    opinions=OPINIONS,
)
@settings(max_examples=15)
def test_odd_prices_amounts_and_many_symbols(
    seeds: list[int], scales: list[float], chosen: Settings, opinions: Opinions | None
) -> None:
    made = [market(seed, name) for seed, name in zip(seeds, MANY, strict=False)]
    markets = [
        Market(scaled(m.bars, factor), m.first) for m, factor in zip(made, scales, strict=False)
    ]
    check_same(markets, chosen, opinions)


CASES: Mapping[str, dict[str, Any]] = {
    "fraction": {"sizing": {"fraction": 0.4}},
    "risk": {"sizing": {"method": "risk", "risk": 0.01}, "exits": {"unit": "atr"}},
    "trailing": {"exits": {"trailing_stop": 0.4, "max_bars": 20}},
    "time": {"exits": {"take_profit": 9.0, "stop_loss": 9.0}},
    "whole cash": {"sizing": {"fraction": 1.0, "reserve_percent": 0.0}},
    "limit": {"entry": {"order": "limit", "offset_percent": 0.2, "valid_bars": 3}},
    "limit at the close": {"entry": {"order": "limit", "valid_bars": 1}},
}
PROTECTIONS: Mapping[str, dict[str, Any]] = {
    "none": {},
    "max_drawdown": {"max_drawdown": 0.03},
    "daily_loss": {"daily_loss_limit": 0.004},
    "losing_streak": {"max_losses_in_a_row": 2, "losing_streak_pause_bars": 12},
    "cooldown": {"cooldown_bars": 4},
    "max_open_positions": {"max_open_positions": 1},
    "max_exposure": {"max_exposure": 0.3},
}


def chosen_with(strategy: dict[str, Any], **others: Any) -> Settings:
    usual = {"rsi_oversold": 60.0, "min_entry_score": 2.0}
    return load_settings(overrides={"strategy": {**usual, **strategy}, **others})


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("rule", [{}, {"amount_step": 0.5, "tick": 0.1, "min_notional": 900.0}])
def test_each_way_to_trade(case: str, rule: dict[str, float]) -> None:
    chosen = chosen_with(CASES[case], symbols={symbol: rule for symbol in SYMBOLS if rule})
    told, _ = check_same(wild_markets([1, 2, 3], [0, 50, 100]), chosen)
    reasons = {ExitReason(number) for number in told.reason.tolist()}
    assert len(told) > 60
    assert reasons >= {
        "trailing": {ExitReason.TRAILING_STOP},
        "time": {ExitReason.TIME_LIMIT},
    }.get(case, {ExitReason.STOP_LOSS, ExitReason.TAKE_PROFIT})


@pytest.mark.parametrize("name", PROTECTIONS)
def test_each_protection(name: str) -> None:
    markets = wild_markets([0, 1, 2], [0, 0, 0])
    told, _ = check_same(markets, chosen_with({}, protections=PROTECTIONS[name]))
    free, _ = check_same(markets, chosen_with({}))
    assert name == "none" or 0 < len(told) < len(free)


@pytest.mark.parametrize("fitted", [False, True])
def test_opinions_decide(fitted: bool) -> None:
    markets, chosen = wild_markets([4, 5], [0, 0]), chosen_with({"min_entry_score": 4.0})
    told, _ = check_same(markets, chosen, Opinions(1, fitted))
    silent, _ = check_same(markets, chosen)
    assert told.decided_at.tolist() != silent.decided_at.tolist()
