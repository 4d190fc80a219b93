"""The audit of whole runs: the product's are alike up to the moment, a run that peeks is caught."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from engine.jobs.auditing.orders import OrdersAudited, Run, audit_orders, hybrid_run_of
from engine.jobs.hybrid_run import HybridRun, run_batch
from engine.jobs.markets import Market
from engine.jobs.settings import load_settings
from engine.records import Fill
from strategies.evidence import EvidenceTable, evidence_table
from strategies.views import BatchViews
from tests.engine.jobs.auditing.test_serving import Votes
from tests.makers import make_bars, with_hole

SETTINGS = load_settings(overrides={"strategy": {"min_entry_score": 5.0}})
MARKETS = (
    Market(make_bars(1500, seed=1), 400),
    Market(with_hole(make_bars(1500, seed=2, symbol="ETH/USDT"), 700, 40), 400),
)


def audited(run: Run, markets: Sequence[Market] = MARKETS, **how: Any) -> OrdersAudited:
    return audit_orders(markets, run, **{"moments": 4, "seed": 0, **how})


def rolled(table: EvidenceTable) -> EvidenceTable:
    """Return the evidence with the verdicts of the next bar."""
    return replace(table, holds={rule: np.roll(x, -1) for rule, x in table.holds.items()})


def peeking(markets: Sequence[Market]) -> HybridRun:
    tables = {m.bars.symbol: rolled(evidence_table(m.bars, SETTINGS.strategy)) for m in markets}
    return run_batch(markets, BatchViews(tables, SETTINGS.strategy), SETTINGS)


def filled_at_the_next_close(markets: Sequence[Market]) -> HybridRun:
    bars = {market.bars.symbol: market.bars for market in markets}
    ran = hybrid_run_of(SETTINGS, Votes())(markets)

    def later(fill: Fill) -> Fill:
        close = bars[fill.symbol].close
        return replace(fill, price=float(close[min(fill.bar + 1, len(close) - 1)]))

    fills = tuple(later(fill) for fill in ran.execution.fills)
    return replace(ran, execution=replace(ran.execution, fills=fills))


def test_the_product_trades_alike_up_to_the_moment() -> None:
    found = audited(hybrid_run_of(SETTINGS, Votes()), moments=8)
    assert found.leaks == []
    assert found.moments == 8
    assert found.decisions > 50
    assert found.fills > 20


@pytest.mark.parametrize("protections", [{"cooldown_bars": 20}, {"max_drawdown": 0.01}])
def test_so_it_does_with_protections(protections: dict[str, float]) -> None:
    settings = load_settings(
        overrides={"strategy": {"min_entry_score": 5.0}, "protections": protections}
    )
    assert audited(hybrid_run_of(settings, Votes())).leaks == []


def test_decisions_on_evidence_of_the_next_bar_are_caught() -> None:
    leaks = audited(peeking).leaks
    assert {leak.what for leak in leaks} >= {"decisions"}
    assert {leak.kind for leak in leaks} == {"altered", "cut"}
    assert all(leak.symbol in ("BTC/USDT", "ETH/USDT") for leak in leaks)


def test_fills_at_a_price_to_come_are_caught() -> None:
    leaks = audited(filled_at_the_next_close, moments=8).leaks
    assert {leak.what for leak in leaks} == {"fills"}
    assert "price: " in leaks[0].difference


def test_decisions_by_an_ensemble_that_looks_ahead_are_caught() -> None:
    leaks = audited(hybrid_run_of(SETTINGS, Votes(ahead=1)), moments=8).leaks
    assert {leak.what for leak in leaks} >= {"decisions"}


def test_a_run_without_trades_has_no_moments() -> None:
    settings = load_settings(overrides={"strategy": {"min_entry_score": 100.0}})
    found = audited(hybrid_run_of(settings, Votes()))
    assert (found.moments, found.decisions, found.fills, found.leaks) == (0, 0, 0, [])
