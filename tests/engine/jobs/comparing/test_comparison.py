"""The comparison: which entries the ensemble made or only moved, gates, holding, intervals."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine.jobs.comparing.comparison import comparison
from engine.jobs.comparing.groups import entry_groups
from engine.jobs.comparing.references import held, held_json
from engine.jobs.markets import Market
from engine.result import RunResult
from feeds.costs import Costs
from tests.engine.jobs.reference_makers import ALONE, make_references, make_replayed
from tests.engine.markets import FREE
from tests.engine.run_makers import make_result, make_trade
from tests.makers import Candle, candles


def with_outcomes(label: str, outcomes: list[str]) -> RunResult:
    """Return a run that journals hourly bars with these outcomes and traded where it entered."""
    run = make_result(label)
    moments = pd.date_range("2024-01-01", periods=len(outcomes), freq="h").to_numpy(
        "datetime64[ms]"
    )
    trades = [
        replace(run.trades[0], decided_at=moment)
        for moment, outcome in zip(moments, outcomes, strict=True)
        if outcome == "entered"
    ]
    symbol = run.trades[0].symbol
    decisions = pd.DataFrame(
        {"symbol": symbol, "decided_at": moments, "outcome": outcomes, "score": 6.0}
    )
    return replace(run, trades=trades, decisions=decisions)


def counts(off: list[str], on: list[str]) -> dict[str, Any]:
    runs = with_outcomes("off", off), with_outcomes("on", on)
    groups = comparison(*runs, make_references(), ALONE)["groups"]
    return {name: group["trades"] for name, group in groups.items() if group["trades"]}


def test_an_entry_that_only_the_opinion_made_is_added_or_removed() -> None:
    assert counts(["score_below"], ["entered"]) == {"added": 1}
    assert counts(["entered"], ["score_below"]) == {"removed": 1}


def test_an_entry_that_the_other_run_wanted_too_has_only_moved() -> None:
    assert counts(["in_position"], ["entered"]) == {"moved_in": 1}
    assert counts(["rejected"], ["entered"]) == {"moved_in": 1}
    assert counts(["entered"], ["too_small"]) == {"moved_out": 1}


def test_an_entry_that_a_protection_stopped_in_one_run_has_only_moved() -> None:
    assert counts(["vetoed"], ["entered"]) == {"moved_in": 1}
    assert counts(["entered"], ["vetoed"]) == {"moved_out": 1}


def test_every_trade_is_in_one_group() -> None:
    off = ["entered", "entered", "entered", "score_below", "in_position"]
    on = ["entered", "score_below", "rejected", "entered", "entered"]
    assert counts(off, on) == {"kept": 1, "removed": 1, "moved_out": 1, "added": 1, "moved_in": 1}


@pytest.mark.parametrize("scored", [True, False])
def test_every_trade_is_in_one_group_where_several_were_decided_at_one_bar(scored: bool) -> None:
    off, on = make_result("off"), make_result("on")
    if not scored:
        off, on = (replace(run, decisions=run.decisions.iloc[:0]) for run in (off, on))
    else:
        off, on = (replace(r, decisions=r.decisions.assign(outcome="x")) for r in (off, on))
    off = replace(off, trades=[make_trade(pnl, bar=bar) for pnl, bar in ((1, 1), (2, 1), (4, 5))])
    made = ((8, 1), (16, 1), (32, 1), (64, 5), (128, 9), (256, 9))
    on = replace(on, trades=[make_trade(pnl, bar=bar) for pnl, bar in made])
    groups = entry_groups(off, on)
    assert list(groups["kept"].trades) == [0, 1, 3]
    for label, run in (("off", off), ("on", on)):
        own = [place for each in groups.values() if each.label == label for place in each.trades]
        both = groups["kept"].trades if label == "on" else [0, 1, 2]
        assert sorted({*own, *both}) == list(range(len(run.trades)))
        assert len(own) == len(set(own))
    found = comparison(off, on, make_references(), ALONE)["groups"]
    of_on = [found[name] for name in ("added", "moved_in", "kept")]
    assert sum(each["trades"] for each in of_on) == 6
    assert sum(each["pnl"] or 0.0 for each in of_on) == pytest.approx(504.0)
    of_off = [found[name] for name in ("removed", "moved_out")]
    assert sum(each["trades"] for each in of_off) + found["kept"]["trades"] == 3
    swapped = comparison(on, off, make_references(), ALONE)["groups"]
    assert sum(swapped[name]["trades"] for name in ("removed", "moved_out", "kept")) == 6


def test_the_random_gate_is_a_mean_with_a_band_over_its_seeds() -> None:
    runs = [make_replayed([0.01 * k, -0.01]) for k in range(1, 12)]
    on = with_outcomes("on", ["entered"] * 5)
    found = comparison(with_outcomes("off", ["entered"]), on, make_references(*runs), ALONE)[
        "random_gate"
    ]
    assert found["seeds"] == 11
    assert found["trades"] == {"mean": 2.0, "low": 2.0, "high": 2.0}
    assert found["expectancy"]["mean"] == pytest.approx(0.025)
    assert found["expectancy"]["low"] == pytest.approx(0.0025)
    assert found["profit_factor"]["mean"] == pytest.approx(6.0)
    # ML-on's metrics have an expectancy of 0.005: the means of two trades are 0, 0.005, 0.01, …
    assert found["share_of_seeds_below_on"] == pytest.approx(1 / 11)


def test_a_gate_that_never_trades_has_undefined_figures() -> None:
    runs = with_outcomes("off", ["entered"]), with_outcomes("on", ["entered"])
    found = comparison(*runs, make_references(), ALONE)
    assert found["volatility_gate"] == {
        "ranking": "volatility_20, wildest first, over the run",
        "trades": 0, "expectancy": None, "win_rate": None, "profit_factor": None,
        "total_return": 0.0, "max_drawdown": 0.0,
    }  # fmt: skip
    assert found["random_gate"]["share_of_seeds_below_on"] is None
    assert found["random_gate"]["win_rate"] == {"mean": None, "low": None, "high": None}


def test_holding_pays_its_costs_once_at_each_end() -> None:
    rows = [(100.0, 120.0, 90.0, 100.0), (100.0, 130.0, 80.0, 80.0), (80.0, 90.0, 70.0, 90.0)]
    costs = Costs(fee=0.01, half_spread=0.0, slippage=0.0, range_slippage=0.0)
    curve = held([Market(candles(rows), 0)], cash=1010.0, costs=costs)
    np.testing.assert_allclose(curve.equity, [1000.0, 800.0, 900.0 * 0.99])
    assert held_json(curve, 1010.0)["max_drawdown"] == pytest.approx(1.0 - 800.0 / 1010.0)


def flat(price: float) -> Candle:
    return (price, price, price, price)


def test_holding_puts_equal_parts_into_symbols_that_begin_at_other_times() -> None:
    early = candles([flat(10.0), flat(10.0), flat(20.0), flat(20.0)], symbol="A/USDT")
    late = candles([*map(flat, (5.0, 5.0, 5.0)), (5.0, 5.0, 1.0, 1.0)], symbol="B/USDT")
    curve = held([Market(early, 0), Market(late, 2)], cash=100.0, costs=FREE)
    assert curve.equity.tolist() == [100.0, 100.0, 150.0, 110.0]
    assert curve.cash.tolist() == [50.0, 50.0, 0.0, 110.0]
