"""Training rows of the strategy: asked where it asks, labelled as its own exits end."""

from typing import Any

import numpy as np
import pytest

from engine.jobs.hybrid_run import run_batch
from engine.jobs.markets import Market
from engine.jobs.settings import Settings, load_settings
from engine.jobs.training_rows import training_rows, training_source
from feeds.bars import Bars
from ml.labels import horizon_labels
from strategies.evidence import candidates, evidence_table
from strategies.views import BatchViews
from tests.makers import make_bars, with_hole

EXITS: dict[str, dict[str, Any]] = {
    "percent": {"take_profit": 0.6, "stop_loss": 0.4, "max_bars": 6},
    "atr": {"unit": "atr", "take_profit": 2.0, "stop_loss": 1.5, "max_bars": 9},
    "trailing": {"take_profit": 3.0, "stop_loss": 0.5, "trailing_stop": 0.3, "max_bars": 20},
    "trailing atr": {
        "unit": "atr",
        "take_profit": 4.0,
        "stop_loss": 1.5,
        "trailing_stop": 0.8,
        "max_bars": 20,
    },
}


def settings_with(**changed: Any) -> Settings:
    return load_settings(None, changed)


@pytest.fixture(scope="module")
def bars() -> Bars:
    return with_hole(make_bars(6000, seed=5, volatility=0.003), at=3500, missing=40)


def test_candidates_are_the_bars_on_which_the_strategy_asks(bars: Bars) -> None:
    settings = settings_with()
    source = training_source(bars, settings)
    np.testing.assert_array_equal(
        source.population, candidates(evidence_table(bars, settings.strategy), settings.strategy)
    )
    assert 0 < source.asked.sum() < source.population.sum() < len(bars) / 4
    assert not (source.asked & ~source.population).any()


def test_population_all_asks_every_real_bar(bars: Bars) -> None:
    settings = settings_with(training={"population": "all"})
    source = training_source(bars, settings)
    assert source.population.all()
    np.testing.assert_array_equal(source.asked, training_source(bars, settings_with()).asked)
    rows = training_rows([bars], settings)
    usable = horizon_labels(bars).valid & (bars.bars_before() >= 400)
    assert len(rows) == usable.sum()


def test_the_horizon_label_takes_its_settings(bars: Bars) -> None:
    settings = settings_with(training={"lookahead": 9, "profit_threshold": 0.01})
    expected = horizon_labels(bars, lookahead=9, profit_threshold=0.01)
    np.testing.assert_array_equal(training_source(bars, settings).labels.value, expected.value)


WAITING = {"order": "limit", "offset_percent": 0.2, "valid_bars": 7}


@pytest.mark.parametrize(
    ("entry", "tick"),
    [({}, 0.0), ({}, 0.05), ({"order": "limit"}, 0.0), (WAITING, 0.05)],
    ids=["market", "market on ticks", "limit", "waiting on ticks"],
)
@pytest.mark.parametrize("exits", EXITS.values(), ids=EXITS.keys())
def test_the_barrier_label_says_how_the_brokers_trade_ends(
    bars: Bars, exits: dict[str, Any], entry: dict[str, Any], tick: float
) -> None:
    settings = settings_with(
        broker={"range_slippage": 0.05, "maker_fee": 0.0002},
        training={"label": "barrier"},
        strategy={"entry": entry, "exits": exits, "min_entry_score": 2.0},
        symbols={"BTC/USDT": {"tick": tick}},
    )
    labels = training_source(bars, settings).labels
    tables = {bars.symbol: evidence_table(bars, settings.strategy)}
    views = BatchViews(tables, settings.strategy)
    execution = run_batch([Market(bars, 400)], views, settings).execution
    settled = [t for t in execution.trades if t.exit_reason != "segment_end"]
    at = np.searchsorted(bars.closed_at, [t.decided_at for t in settled])
    assert {t.pnl > 0 for t in settled} == {True, False}
    assert len(settled) > 35
    assert labels.valid[at].all()
    assert labels.value[at].tolist() == [int(t.pnl > 0) for t in settled]
    returns = [t.return_fraction for t in settled]
    np.testing.assert_allclose(labels.outcome[at], returns, rtol=0, atol=1e-12)
    closed_at = np.array([t.closed_at for t in settled]) + bars.timeframe.delta
    np.testing.assert_array_equal(labels.known_at[at], closed_at)
    np.testing.assert_array_equal(bars.time[labels.entry[at]], [t.opened_at for t in settled])
    unfilled = [r.decided_at for r in execution.rejections if r.reason == "unfilled"]
    assert bool(unfilled) == bool(entry)
    assert not labels.valid[np.searchsorted(bars.closed_at, unfilled)].any()


def test_the_payoff_label_is_the_barrier_label_that_counts_by_what_was_won_or_lost(
    bars: Bars,
) -> None:
    exits = {"unit": "atr", "take_profit": 3.0, "stop_loss": 3.0, "max_bars": 36}
    strategy = {"exits": exits, "min_entry_score": 2.0}
    settings = settings_with(training={"label": "payoff"}, strategy=strategy)
    barrier = settings_with(training={"label": "barrier"}, strategy=strategy)
    source, same = training_source(bars, settings), training_source(bars, barrier)
    np.testing.assert_array_equal(source.labels.value, same.labels.value)
    assert same.weight is None
    assert source.weight is not None
    views = BatchViews({bars.symbol: evidence_table(bars, settings.strategy)}, settings.strategy)
    trades = run_batch([Market(bars, 400)], views, settings).execution.trades
    settled = [t for t in trades if t.exit_reason != "segment_end"]
    at = np.searchsorted(bars.closed_at, [t.decided_at for t in settled])
    came_to = np.abs([t.return_fraction for t in settled])
    assert len(settled) > 10
    np.testing.assert_allclose(source.weight[at], np.minimum(came_to, 0.05), rtol=1e-9)
