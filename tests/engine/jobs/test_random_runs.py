"""Random markets, random settings: the account adds up, sizes fit, protections hold.

Each property is checked against the run's records told anew (`retold`), not against the code that
decided; of a size only the wallet is told anew, its arithmetic has tests of its own.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.jobs.hybrid_run import HybridRun, run_batch
from engine.jobs.markets import Market
from engine.jobs.settings import Settings, load_settings
from engine.protections import Protection
from feeds.bars import PRICES
from strategies.evidence import evidence_table
from strategies.views import BatchViews
from tests.engine.jobs.retold import CLOSE, Retold
from tests.makers import make_bars, with_hole

WARMUP = 400
SYMBOLS = ("A/USDT", "B/USDT", "C/USDT")


def market(seed: int, symbol: str) -> Market:
    """Return some days of a wild walk, with filled bars and a hole near the end."""
    bars = make_bars(WARMUP + 400, seed, symbol=symbol, timeframe="15m", volatility=0.006)
    hole = len(bars) - 30 - seed % 50
    filled = np.random.default_rng(seed).random(len(bars)) < 0.05
    filled[[0, hole + 8]] = False  # a segment begins with a real bar
    columns = {name: getattr(bars, name).copy() for name in PRICES}
    for i in np.flatnonzero(filled):
        for column in columns.values():
            column[i] = columns["close"][i - 1]
    volume = np.where(filled, 0.0, bars.volume)
    bars = replace(bars, **columns, filled=filled, volume=volume)
    return Market(with_hole(bars, at=hole, missing=8), WARMUP)


@dataclass(frozen=True, slots=True)
class Ran:
    """A run and what it was made of."""

    markets: list[Market]
    settings: Settings
    run: HybridRun
    told: Retold


def run_of(seeds: Sequence[int], chosen: Settings) -> Ran:
    """Trade one market for each seed."""
    markets = [market(seed, symbol) for seed, symbol in zip(seeds, SYMBOLS, strict=False)]
    tables = {m.bars.symbol: evidence_table(m.bars, chosen.strategy) for m in markets}
    run = run_batch(markets, BatchViews(tables, chosen.strategy), chosen)
    return Ran(markets, chosen, run, Retold(markets, chosen, run))


def some(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


COSTS = st.sampled_from([0.0, 0.0005, 0.002])
SIZING = st.fixed_dictionaries(
    {
        "method": st.sampled_from(["fraction", "risk"]),
        "fraction": st.sampled_from([0.05, 0.25, 0.4, 0.7, 1.0]),
        "risk": st.sampled_from([0.0005, 0.002, 0.01, 0.1]),
        "reserve_percent": st.sampled_from([0.0, 0.5, 10.0]),
    }
)
ENTRY = st.just({"order": "market"}) | st.fixed_dictionaries(
    {
        "order": st.just("limit"),
        "offset_percent": st.sampled_from([0.0, 0.1, 1.0]),
        "valid_bars": st.integers(1, 12),
    }
)
EXITS = st.fixed_dictionaries(
    {
        "unit": st.sampled_from(["percent", "atr"]),
        "take_profit": st.floats(0.3, 3.0),
        "stop_loss": st.floats(0.3, 3.0),
        "trailing_stop": some(st.floats(0.3, 2.0)),
        "max_bars": st.integers(1, 30),
    }
)
RULES = st.fixed_dictionaries(
    {
        "amount_step": st.sampled_from([0.0, 0.001, 0.5, 5.0]),
        "tick": st.sampled_from([0.0, 0.01, 0.1]),
        "min_notional": st.sampled_from([0.0, 10.0, 900.0]),
    }
)
PROTECTIONS = st.fixed_dictionaries(
    {
        "max_drawdown": some(st.floats(0.005, 0.1)),
        "daily_loss_limit": some(st.floats(0.002, 0.05)),
        "max_losses_in_a_row": some(st.integers(1, 6)),
        "losing_streak_pause_bars": some(st.integers(1, 60)),
        "cooldown_bars": some(st.integers(1, 30)),
        "max_open_positions": some(st.integers(1, 3)),
        "max_exposure": some(st.floats(0.05, 1.0)),
    }
)


@st.composite
def all_settings(draw: st.DrawFn) -> Settings:
    """Draw settings under which nearly every other bar is an entry."""
    protections = draw(PROTECTIONS)
    if protections["max_losses_in_a_row"] is None:
        protections["losing_streak_pause_bars"] = None
    return load_settings(
        overrides={
            "broker": {
                "fee": draw(COSTS),
                "half_spread": draw(COSTS),
                "slippage": draw(COSTS),
                "range_slippage": draw(st.sampled_from([0.0, 0.03, 0.2])),
                "maker_fee": draw(some(COSTS)),
            },
            "strategy": {
                "rsi_oversold": 60.0,
                "min_entry_score": 2.0,
                "sizing": draw(SIZING),
                "entry": draw(ENTRY),
                "exits": draw(EXITS),
            },
            "symbols": {symbol: draw(RULES) for symbol in SYMBOLS},
            "protections": protections,
        }
    )


# ------------------------------------------------------------------ what must hold of every run


def check_the_account_adds_up_at_every_close(ran: Ran) -> None:
    execution, cash = ran.run.execution, ran.settings.broker.cash
    length = ran.markets[0].bars.timeframe.delta
    fills = sorted(execution.fills, key=lambda fill: fill.filled_at)
    held = {m.bars.symbol: 0.0 for m in ran.markets}
    price = dict.fromkeys(held, 0.0)
    close = {
        m.bars.symbol: dict(zip(m.bars.closed_at, m.bars.close, strict=True)) for m in ran.markets
    }
    for now, money, equity in zip(
        execution.equity.time, execution.equity.cash, execution.equity.equity, strict=True
    ):
        while fills and fills[0].filled_at + length <= now:
            fill = fills.pop(0)
            cash -= fill.units * fill.price + fill.fee
            held[fill.symbol] += fill.units
        price |= {symbol: found[now] for symbol, found in close.items() if now in found}
        worth = sum(units * price[symbol] for symbol, units in held.items())
        assert cash >= -1e-6
        assert money == pytest.approx(cash, rel=1e-9, abs=1e-6)
        assert equity == pytest.approx(cash + worth, rel=1e-9)
    assert fills == []


def check_fees_and_profits_add_up(ran: Ran) -> None:
    execution, costs = ran.run.execution, ran.settings.costs
    by_limit = {"take_profit": [costs.limit_fee]}
    if ran.settings.strategy.entry.order == "limit":
        by_limit["entry"] = [costs.limit_fee, costs.fee]
    for fill in execution.fills:
        fees = [abs(fill.units) * fill.price * f for f in by_limit.get(fill.reason, [costs.fee])]
        assert min(abs(fill.fee - fee) for fee in fees) <= 1e-9 * fill.fee
    assert sum(t.fees for t in execution.trades) == pytest.approx(
        sum(f.fee for f in execution.fills), rel=1e-9
    )
    gained = execution.equity.equity[-1] - ran.settings.broker.cash
    assert sum(t.pnl for t in execution.trades) == pytest.approx(gained, abs=1e-5)


def check_every_decision_is_counted_once(ran: Ran) -> None:
    execution, outcome = (
        ran.run.execution,
        [row["outcome"] for row in ran.told.rows],
    )
    reduced = sum(r.reason == "partial_cash" for r in execution.rejections)
    assert outcome.count("entered") == len(execution.trades)
    assert outcome.count("rejected") + outcome.count("too_small") == (
        len(execution.rejections) - reduced
    )
    assert outcome.count("vetoed") == sum(ran.run.vetoes.values())
    assert "ordered" not in outcome
    keys = {(r.symbol, r.decided_at) for r in execution.rejections}
    assert len(keys) == len(execution.rejections)


def check_sizes_are_those_of_the_account_at_their_close(ran: Ran) -> None:
    retold = ran.told
    sent = {(s.symbol, s.decided_at): s.units for s in retold.sent}
    for row in retold.rows:
        key = row["symbol"], np.datetime64(row["decided_at"], "ms")
        if row["outcome"] not in {"entered", "rejected", "too_small"}:
            continue
        size, step = retold.size(row), ran.settings.rules_of(row["symbol"]).amount_step
        assert sent.get(key, 0.0) == pytest.approx(size.units, rel=1e-6, abs=1.01 * step)
        if not step:
            assert _none(row.get("shortfall")) == size.reason
            missing = _none(row.get("missing_units")) or 0.0
            assert missing == pytest.approx(size.missing, rel=1e-6, abs=1e-6)


def check_no_entry_passes_a_protection(ran: Ran) -> None:
    retold = ran.told
    for row in retold.rows:
        if row["outcome"] in {"entered", "rejected"}:
            over = {name: retold.excess(name, row) for name in Protection}
            assert {name for name, by in over.items() if by > CLOSE} == set()


def check_every_veto_names_the_first_that_stands_in_the_way(ran: Ran) -> None:
    retold = ran.told
    for row in retold.rows:
        if row["outcome"] == "vetoed":
            earlier = list(Protection)[: list(Protection).index(row["veto"])]
            assert retold.excess(Protection(row["veto"]), row) > -CLOSE
            assert [name for name in earlier if retold.excess(name, row) > CLOSE] == []
            assert retold.size(row).units > 0.0


def _none(value: Any) -> Any:
    """Return None for what a table shows as undefined."""
    return None if value is None or value != value else value  # noqa: PLR0124  NaN


CHECKS: tuple[Callable[[Ran], None], ...] = (
    check_the_account_adds_up_at_every_close,
    check_fees_and_profits_add_up,
    check_every_decision_is_counted_once,
    check_sizes_are_those_of_the_account_at_their_close,
    check_no_entry_passes_a_protection,
    check_every_veto_names_the_first_that_stands_in_the_way,
)


@given(seeds=st.lists(st.integers(0, 10_000), min_size=1, max_size=3), chosen=all_settings())
@settings(max_examples=20)
def test_a_random_run_keeps_every_promise(seeds: list[int], chosen: Settings) -> None:
    ran = run_of(seeds, chosen)
    for check in CHECKS:
        check(ran)


# ------------------------------------------------------------------ that the checks can fail

ONE_OF_EACH: dict[Protection, dict[str, Any]] = {
    Protection.MAX_DRAWDOWN: {"max_drawdown": 0.01},
    Protection.DAILY_LOSS: {"daily_loss_limit": 0.005},
    Protection.LOSING_STREAK: {"max_losses_in_a_row": 2, "losing_streak_pause_bars": 12},
    Protection.COOLDOWN: {"cooldown_bars": 4},
    Protection.MAX_OPEN_POSITIONS: {"max_open_positions": 1},
    Protection.MAX_EXPOSURE: {"max_exposure": 0.3},
}


def run_with(protections: dict[str, Any]) -> Ran:
    chosen = load_settings(
        overrides={
            "strategy": {"rsi_oversold": 60.0, "min_entry_score": 2.0},
            "protections": protections,
        }
    )
    return run_of([0, 1, 2], chosen)


@cache
def unprotected() -> Ran:
    return run_with({})


@pytest.mark.parametrize("name", Protection)
def test_each_protection_vetoes_what_would_pass_without_it(name: Protection) -> None:
    free, held = unprotected(), run_with(ONE_OF_EACH[name])
    told = Retold(free.markets, free.settings, free.run, held.settings.protections)
    entered = [row for row in told.rows if row["outcome"] == "entered"]
    assert max(told.excess(name, row) for row in entered) > CLOSE
    assert held.run.vetoes.keys() == {str(name)}
    assert len(held.run.execution.trades) < len(free.run.execution.trades)
    for check in CHECKS:
        check(held)
