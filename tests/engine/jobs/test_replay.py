"""The replay trades what the Engine trades, on random markets under random settings."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.jobs.comparing.gates import replay_of
from engine.jobs.hybrid_run import run_batch
from engine.jobs.markets import Market
from engine.jobs.settings import Settings, load_settings
from engine.protections import ProtectionsConfig
from engine.replay import Replayed
from feeds.exit_reasons import ExitReason
from strategies.evidence import candidates, evidence_table
from strategies.scoring import technical_scores
from strategies.views import BatchViews
from tests.engine.jobs.test_random_runs import (
    COSTS,
    EXITS,
    PROTECTIONS,
    RULES,
    SIZING,
    SYMBOLS,
    market,
)

ENTRY = st.fixed_dictionaries(
    {
        "order": st.sampled_from(["market", "limit"]),
        "offset_percent": st.sampled_from([0.0, 0.05, 0.5, 1.5]),
        "valid_bars": st.integers(1, 12),
    }
)
NO_PROTECTIONS = dict.fromkeys(ProtectionsConfig.model_fields)


@st.composite
def any_settings(draw: st.DrawFn) -> Settings:
    """Draw settings under which nearly every other bar is an entry."""
    protections = draw(st.just(NO_PROTECTIONS) | PROTECTIONS)
    if protections["max_losses_in_a_row"] is None:
        protections = {**protections, "losing_streak_pause_bars": None}
    return load_settings(
        overrides={
            "broker": {
                "fee": draw(COSTS),
                "half_spread": draw(COSTS),
                "slippage": draw(COSTS),
                "maker_fee": draw(st.none() | COSTS),
                "range_slippage": draw(st.sampled_from([0.0, 0.03, 0.2])),
            },
            "strategy": {
                "rsi_oversold": 60.0,
                "min_entry_score": draw(st.sampled_from([2.0, 4.0])),
                "sizing": draw(SIZING),
                "entry": draw(ENTRY),
                "exits": draw(EXITS),
            },
            "symbols": {symbol: draw(RULES) for symbol in SYMBOLS},
            "protections": protections,
        }
    )


def wild_markets(seeds: Sequence[int], begin: Sequence[int]) -> list[Market]:
    """Return one market for each seed, some of which begin late."""
    made = [market(seed, symbol) for seed, symbol in zip(seeds, SYMBOLS, strict=False)]
    return [Market(m.bars, m.first + late) for m, late in zip(made, begin, strict=False)]


def replayed(markets: Sequence[Market], chosen: Settings) -> Replayed:
    """Replay the run without ML."""
    shown = [evidence_table(m.bars, chosen.strategy) for m in markets]
    config = chosen.strategy
    rows, masks = [], []
    for m, table in zip(markets, shown, strict=True):
        at = np.flatnonzero(candidates(table, config))
        at = at[at >= m.first]
        rows.append(at)
        masks.append(technical_scores(table, config.points)[at] >= config.min_entry_score)
    return replay_of(markets, shown, rows, chosen).run(masks)


def check_same(markets: Sequence[Market], chosen: Settings) -> Replayed:
    """Check that the replay is the Engine's run, and return it."""
    tables = {m.bars.symbol: evidence_table(m.bars, chosen.strategy) for m in markets}
    ran = run_batch(markets, BatchViews(tables, chosen.strategy), chosen).execution
    found = replayed(markets, chosen)
    told = sorted(
        zip(found.symbol, found.decided_at, range(len(found)), strict=True), key=lambda t: t[:2]
    )
    trades = sorted(ran.trades, key=lambda t: (t.symbol, t.decided_at))
    assert [t[:2] for t in told] == [(t.symbol, t.decided_at) for t in trades]
    order = [t[2] for t in told]
    assert [str(ExitReason(r).name.lower()) for r in found.reason[order]] == [
        t.exit_reason for t in trades
    ]
    for name, column in (
        ("units", found.units),
        ("entry_price", found.entry_price),
        ("exit_price", found.exit_price),
        ("pnl", found.pnl),
        ("return_fraction", found.returns),
    ):
        scale = chosen.broker.cash if name == "pnl" else 1.0
        np.testing.assert_allclose(
            column[order],
            [getattr(t, name) for t in trades],
            rtol=1e-9,
            atol=1e-13 * scale,
            err_msg=name,
        )
    np.testing.assert_array_equal(found.equity.time, ran.equity.time)
    np.testing.assert_allclose(found.equity.equity, ran.equity.equity, rtol=1e-11)
    np.testing.assert_allclose(found.equity.cash, ran.equity.cash, rtol=1e-9, atol=1e-7)
    return found


@given(
    seeds=st.lists(st.integers(0, 10_000), min_size=1, max_size=3),
    begin=st.lists(st.integers(0, 120), min_size=3, max_size=3),
    chosen=any_settings(),
)
@settings(max_examples=15)
def test_the_replay_trades_what_the_engine_trades(
    seeds: list[int], begin: list[int], chosen: Settings
) -> None:
    check_same(wild_markets(seeds, begin), chosen)


CASES: dict[str, dict[str, Any]] = {
    "fraction": {"sizing": {"fraction": 0.4}},
    "risk": {"sizing": {"method": "risk", "risk": 0.01}, "exits": {"unit": "atr"}},
    "trailing": {"exits": {"trailing_stop": 0.4, "max_bars": 20}},
    "time": {"exits": {"take_profit": 9.0, "stop_loss": 9.0}},
    "whole cash": {"sizing": {"fraction": 1.0, "reserve_percent": 0.0}},
    "limit": {"entry": {"order": "limit", "offset_percent": 0.2, "valid_bars": 3}},
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("rule", [{}, {"amount_step": 0.5, "tick": 0.1, "min_notional": 900.0}])
def test_each_way_to_trade_is_replayed(case: str, rule: dict[str, float]) -> None:
    strategy = {"rsi_oversold": 60.0, "min_entry_score": 2.0, **CASES[case]}
    symbols = {symbol: rule for symbol in SYMBOLS if rule}
    chosen = load_settings(overrides={"strategy": strategy, "symbols": symbols})
    found = check_same(wild_markets([1, 2, 3], [0, 50, 100]), chosen)
    reasons = {ExitReason(number) for number in found.reason}
    assert len(found) > 60
    assert reasons >= {
        "trailing": {ExitReason.TRAILING_STOP},
        "time": {ExitReason.TIME_LIMIT},
    }.get(case, {ExitReason.STOP_LOSS, ExitReason.TAKE_PROFIT})
