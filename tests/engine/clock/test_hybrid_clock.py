"""The hybrid strategy by every road: the same orders, trades, money and journal."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.clock import ClockReport
from engine.jobs.markets import BarFiles, Market, cut
from engine.jobs.settings import Settings, load_settings
from engine.jobs.sizing_rule import size_rule
from feeds.bars import Bars
from strategies.crypto_scalping import CryptoScalpingStrategy
from strategies.evidence import evidence_table
from strategies.views import BatchViews, NoEnsemble, WindowViews, ask
from tests.engine.clock.actor import Act, Actor
from tests.engine.clock.cases import params_of
from tests.engine.clock.witness import Notes, Seen, Terms, check_roads
from tests.engine.jobs.test_replay import any_settings, wild_markets

DEFAULTS = load_settings()
READY = np.datetime64("2023-03-01", "ms"), np.datetime64("2023-06-01", "ms")


class WitnessedHybrid(CryptoScalpingStrategy):
    """The hybrid strategy, and notes of all that it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.notes = Notes(self)

    def notify_order(self, order: Any) -> None:
        self.notes.order(order)
        super().notify_order(order)

    def notify_trade(self, trade: Any) -> None:
        self.notes.trade(trade)

    def stop(self) -> None:
        self.notes.write("stop")


def terms_of(markets: Sequence[Market], chosen: Settings) -> Terms:
    """Return the terms of a run of the hybrid strategy."""
    return Terms(
        markets=[(market.bars, market.first) for market in markets],
        costs=chosen.costs,
        rules=chosen.symbols,
        protections=chosen.protections,
        cash=chosen.broker.cash,
    )


def hybrid(
    markets: Sequence[Market], chosen: Settings, views: Any = None
) -> tuple[Seen, ClockReport]:
    """Check that the hybrid strategy does the same by every road; ML-off if no views."""
    tables = {m.bars.symbol: evidence_table(m.bars, chosen.strategy) for m in markets}
    shown = views or BatchViews(tables, chosen.strategy)

    def params(broker: Any, veto: Any) -> Mapping[str, Any]:
        rule = size_rule(chosen)

        def size_of(data: Any, stop: float, limit: float | None) -> Any:
            terms = broker.terms_of(data, limit, by_limit=limit is not None)
            return rule(terms, stop, broker.getvalue(), broker.free_cash())

        config = chosen.strategy
        return {"config": config, "views": shown, "size_of": size_of, "veto": veto}

    return check_roads(terms_of(markets, chosen), WitnessedHybrid, params)


@given(
    seeds=st.lists(st.integers(0, 10_000), min_size=1, max_size=3),
    begin=st.lists(st.integers(0, 120), min_size=3, max_size=3),
    chosen=any_settings(),
)
@settings(max_examples=10)
def test_the_hybrid_strategy_does_the_same_by_every_road(
    seeds: list[int], begin: list[int], chosen: Settings
) -> None:
    seen, report = hybrid(wild_markets(seeds, begin), chosen)
    assert report.kind == "sparse"
    assert len(seen.journal) > 0


def test_an_ensemble_that_is_asked_changes_nothing_about_the_clock() -> None:
    chosen = load_settings(overrides={"strategy": {"rsi_oversold": 45.0, "min_entry_score": 3.0}})
    markets = wild_markets([1, 2], [0, 60])
    tables = {m.bars.symbol: evidence_table(m.bars, chosen.strategy) for m in markets}
    asked = ask(tables, chosen.strategy, NoEnsemble("not loaded"))
    seen, report = hybrid(markets, chosen, BatchViews(tables, chosen.strategy, asked))
    assert report.run < report.moments
    assert len(seen.trades) > 3


def test_views_of_windows_are_run_bar_by_bar_and_show_the_same() -> None:
    chosen = load_settings(overrides={"strategy": {"rsi_oversold": 45.0, "min_entry_score": 3.0}})
    _, report = hybrid(wild_markets([1], [0]), chosen, WindowViews(chosen.strategy))
    assert report.run == report.moments


# -------------------------------------------------------------------- real bars


def real_markets(folder: Path, *names: str) -> list[Market]:
    """Return some months of each symbol; an outage of the exchange lies within."""
    files = [folder / f"binance_{name}-USDT_5m.parquet" for name in names]
    start, end = READY
    read = BarFiles(tuple(files)).read(DEFAULTS.data)
    return [cut(bars, start=start, end=end, warmup_bars=400) for bars in read]


@pytest.mark.real_data
@pytest.mark.slow
def test_the_defaults_do_the_same_on_months_of_real_bars(real_bars_dir: Path) -> None:
    seen, report = hybrid(real_markets(real_bars_dir, "BTC", "DOGE"), DEFAULTS)
    assert report.run < report.moments / 5
    assert len(seen.trades) > 10
    assert len(seen.journal) > 300


def brackets_of(bars: Bars, first: int, seed: int) -> dict[tuple[str, int], list[Act]]:
    """Return an entry for every hundred bars or so, in several ways."""
    rng = np.random.default_rng(seed)
    ways = [
        Act(kind="bracket", stop=0.006, target=0.009, units=-0.3, hold=36),
        Act(kind="bracket", stop=0.01, target=0.02, units=-0.3, trail=0.008),
        Act(kind="limit_bracket", away=0.002, stop=0.006, target=0.006, units=-0.3, valid_bars=12),
        Act(kind="bracket", stop=0.01, target=0.01, units=-0.3, side=-1, leave=0.004),
    ]
    at = np.flatnonzero(rng.random(len(bars)) < 0.01)
    return {(bars.symbol, int(bar)): [ways[rng.integers(4)]] for bar in at if bar >= first}


@pytest.mark.real_data
@pytest.mark.slow
def test_brackets_do_the_same_on_months_of_real_bars(real_bars_dir: Path) -> None:
    markets = real_markets(real_bars_dir, "ETH", "XRP")
    plan: dict[tuple[str, int], list[Act]] = {}
    for seed, market in enumerate(markets):
        plan |= brackets_of(market.bars, market.first, seed)
    seen, report = check_roads(terms_of(markets, DEFAULTS), Actor, params_of(plan))
    assert len(seen.trades) > 200
    assert report.run < report.moments / 3
