"""A trailing stop from the settings to the fill: where `first_exit` says, tick by tick."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.jobs.hybrid_run import HybridRun, run_batch, run_stream
from engine.jobs.markets import Market
from engine.jobs.settings import Settings, load_settings
from feeds.bars import PRICES, Bars
from feeds.exit_reasons import ExitReason
from feeds.exits import Exits, first_exit
from feeds.ticks import tick_down, tick_up
from strategies.evidence import evidence_table
from strategies.views import BatchViews, WindowViews
from tests.makers import make_bars, with_hole

WARMUP = 400


def wild(seed: int) -> Bars:
    """Return a walk with jumps at opens, filled bars and a hole."""
    bars = make_bars(WARMUP + 320, seed, volatility=0.005)
    rng = np.random.default_rng(seed)
    columns = {name: getattr(bars, name).copy() for name in PRICES}
    jump = np.where(rng.random(len(bars)) < 0.1, np.exp(rng.normal(0.0, 0.008, len(bars))), 1.0)
    columns["open"] *= jump
    columns["high"] = np.maximum(columns["high"], columns["open"])
    columns["low"] = np.minimum(columns["low"], columns["open"])
    filled = rng.random(len(bars)) < 0.05
    filled[[0, 698]] = False
    for i in np.flatnonzero(filled):
        for column in columns.values():
            column[i] = columns["close"][i - 1]
    return with_hole(replace(bars, **columns, filled=filled), at=690, missing=8)


def settings_of(exits: dict[str, Any], tick: float, slippage: float = 0.0) -> Settings:
    return load_settings(
        overrides={
            "broker": {"slippage": slippage},
            "strategy": {"rsi_oversold": 60.0, "min_entry_score": 2.0, "exits": exits},
            "symbols": {"BTC/USDT": {"tick": tick}},
        }
    )


def traded(bars: Bars, chosen: Settings) -> HybridRun:
    tables = {bars.symbol: evidence_table(bars, chosen.strategy)}
    return run_batch([Market(bars, WARMUP)], BatchViews(tables, chosen.strategy), chosen)


EXITS = st.fixed_dictionaries(
    {
        "unit": st.sampled_from(["percent", "atr"]),
        "take_profit": st.floats(0.5, 6.0),
        "stop_loss": st.floats(0.2, 2.0),
        "trailing_stop": st.floats(0.1, 2.0),
        "max_bars": st.integers(1, 40),
    }
)


@given(
    seed=st.integers(0, 10_000),
    exits=EXITS,
    tick=st.sampled_from([0.0, 0.01, 0.1, 0.5]),
    slippage=st.sampled_from([0.0, 0.001]),
)
@settings(max_examples=25)
def test_a_trade_with_a_trailing_stop_ends_where_first_exit_says(
    seed: int, exits: dict[str, Any], tick: float, slippage: float
) -> None:
    bars, chosen = wild(seed), settings_of(exits, tick, slippage)
    ran = traded(bars, chosen)
    fills, trades = ran.execution.fills, ran.execution.trades
    atr = dict(zip(ran.decisions["decided_at"], ran.decisions["atr_fraction"], strict=True))
    seen = np.array([atr[t.decided_at] for t in trades])
    away = [np.full(len(trades), f) for f in chosen.strategy.exits.fractions(seen)]
    paid = np.array([t.entry_price for t in trades])
    expected = first_exit(
        bars,
        np.array([f.bar for f in fills[0::2]], np.int64),
        Exits(
            target=tick_up(paid * (1.0 + away[1]), tick),
            stop=tick_down(paid * (1.0 - away[0]), tick),
            trail=away[2],
            max_bars=np.full(len(trades), exits["max_bars"]),
            tick=tick,
        ),
    )
    assert [f.bar for f in fills[1::2]] == expected.bar.tolist()
    assert [f.aimed_price for f in fills[1::2]] == expected.price.tolist()
    ended = [ExitReason(int(reason)).name.lower() for reason in expected.reason]
    assert [t.exit_reason for t in trades] == [f.reason for f in fills[1::2]] == ended


@pytest.mark.parametrize("unit", ["percent", "atr"])
@pytest.mark.parametrize("tick", [0.0, 0.1])
def test_a_trailing_stop_follows_bar_by_bar_as_in_the_backtest(unit: str, tick: float) -> None:
    exits = {"unit": unit, "take_profit": 5.0, "stop_loss": 0.8, "trailing_stop": 0.6}
    chosen, bars = settings_of({**exits, "max_bars": 40}, tick), wild(3)
    at_once = traded(bars, chosen)
    one_by_one = run_stream([Market(bars, WARMUP)], WindowViews(chosen.strategy), chosen)
    followed = [f for f in at_once.execution.fills if f.reason == "trailing_stop"]
    assert len(followed) > 10
    # WindowViews reach the ATR by another window, which may move a price in its last bits.
    for one, other in zip(one_by_one.execution.fills, at_once.execution.fills, strict=True):
        assert (one.bar, one.reason) == (other.bar, other.reason)
        assert one.price == pytest.approx(other.price, rel=1e-9)
    if tick:
        on_tick = [f.aimed_price for f in followed if f.aimed_price != bars.open[f.bar]]
        assert on_tick
        np.testing.assert_allclose(np.round(np.array(on_tick) / tick) * tick, on_tick, rtol=1e-12)


def test_without_a_trailing_stop_no_fill_is_one() -> None:
    exits = {"take_profit": 1.0, "stop_loss": 0.8, "max_bars": 40}
    reasons = {t.exit_reason for t in traded(wild(3), settings_of(exits, 0.0)).execution.trades}
    assert {"stop_loss", "take_profit"} <= reasons
    assert "trailing_stop" not in reasons
