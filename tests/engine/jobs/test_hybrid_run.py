"""The hybrid strategy on the Engine: sizing among several entries, outcomes in the journal."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from engine.jobs.hybrid_run import HybridRun, run_batch
from engine.jobs.markets import Market
from engine.jobs.settings import Settings, load_settings
from strategies.evidence import evidence_table
from strategies.views import BatchViews
from tests.makers import make_bars


def run(settings: Settings, *symbols: str) -> HybridRun:
    """Trade the same random walk under each name: all enter at the same moments."""
    bars = make_bars(4000, seed=3)
    markets = [Market(replace(bars, symbol=symbol), 400) for symbol in symbols]
    tables = {m.bars.symbol: evidence_table(m.bars, settings.strategy) for m in markets}
    return run_batch(markets, BatchViews(tables, settings.strategy), settings)


def sized(**sizing: object) -> Settings:
    return load_settings(overrides={"strategy": {"sizing": sizing, "min_entry_score": 5.0}})


def protected(**protections: object) -> Settings:
    strategy = {"min_entry_score": 5.0}
    return load_settings(overrides={"strategy": strategy, "protections": protections})


def test_entries_of_one_moment_share_the_cash_instead_of_refusing_each_other() -> None:
    settings = sized(fraction=0.6)
    alone, together = run(settings, "A/USDT"), run(settings, "A/USDT", "B/USDT", "C/USDT")
    assert len(alone.execution.trades) > 10
    assert {r.reason for r in together.execution.rejections} == {"partial_cash", "no_cash"}
    first, second = together.execution.fills[0], together.execution.fills[1]
    assert first.decided_at == second.decided_at
    assert second.units < first.units


def test_an_entry_of_which_the_cash_pays_a_part_is_traded_and_says_what_is_missing() -> None:
    settings = sized(fraction=0.6)
    ran = run(settings, "A/USDT", "B/USDT")
    rows = ran.decisions[ran.decisions["outcome"] == "entered"].to_dict("records")
    whole, part = rows[:2]
    bought = {f.symbol: f.units for f in ran.execution.fills[:2]}
    (record, *_) = ran.execution.rejections
    assert whole["decided_at"] == part["decided_at"]
    assert (whole["symbol"], pd.isna(whole["shortfall"])) == ("A/USDT", True)
    assert (part["symbol"], part["shortfall"]) == ("B/USDT", "partial_cash")
    assert (record.symbol, record.reason) == ("B/USDT", "partial_cash")
    assert record.units == part["missing_units"]
    assert bought["B/USDT"] + record.units == pytest.approx(bought["A/USDT"])


def test_an_order_that_was_reduced_and_then_refused_is_one_record() -> None:
    ran = run(sized(fraction=0.6, reserve_percent=0.0), "A/USDT", "B/USDT")
    reduced = ran.decisions["shortfall"] == "partial_cash"
    refused = ran.decisions["rejection"] == "cash"
    assert (reduced & refused).any()
    keys = [(r.symbol, r.decided_at) for r in ran.execution.rejections]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    ("rule", "reason"),
    [({"min_notional": 1e5}, "min_notional"), ({"amount_step": 1e3}, "amount_step")],
)
def test_a_plan_too_small_for_the_exchange_says_which_rule(
    rule: dict[str, float], reason: str
) -> None:
    settings = load_settings(
        overrides={"strategy": {"min_entry_score": 5.0}, "symbols": {"A/USDT": rule}}
    )
    ran = run(settings, "A/USDT")
    assert ran.execution.fills == ()
    assert {r.reason for r in ran.execution.rejections} == {reason}
    small = ran.decisions[ran.decisions["outcome"] == "too_small"]
    assert len(small) == len(ran.execution.rejections) > 10
    assert set(small["shortfall"]) == {reason}
    assert small["missing_units"].tolist() == [r.units for r in ran.execution.rejections]


def test_the_whole_cash_can_be_asked_for_although_the_open_is_above_the_close() -> None:
    assert run(sized(fraction=1.0, reserve_percent=0.0), "A/USDT").execution.rejections
    assert not run(sized(fraction=1.0), "A/USDT").execution.rejections


@pytest.mark.parametrize("method", ["fraction", "risk"])
def test_each_order_of_the_journal_became_a_trade_or_was_refused(method: str) -> None:
    ran = run(
        sized(method=method, reserve_percent=0.0, fraction=1.0, risk=0.02), "A/USDT", "B/USDT"
    )
    outcome = ran.decisions["outcome"].value_counts()
    assert outcome["entered"] == len(ran.execution.trades) > 0
    refused = outcome.get("rejected", 0) + outcome.get("too_small", 0)
    reduced = sum(r.reason == "partial_cash" for r in ran.execution.rejections)
    assert refused == len(ran.execution.rejections) - reduced > 0
    assert "ordered" not in outcome
    assert min(t.units * t.entry_price for t in ran.execution.trades) > 0.001
    entered = ran.decisions[ran.decisions["outcome"] == "entered"]
    assert np.isclose(entered["pnl"].sum(), sum(t.pnl for t in ran.execution.trades))


def test_risk_sizing_loses_about_the_risk_at_the_stop() -> None:
    ran = run(sized(method="risk", risk=0.004), "A/USDT")
    stopped = [t for t in ran.execution.trades if t.exit_reason == "stop_loss"]
    equity = dict(zip(ran.execution.equity.time, ran.execution.equity.equity, strict=True))
    losses = [-t.pnl / equity[t.decided_at] for t in stopped]
    assert np.median(losses) == pytest.approx(0.004, rel=0.1)


def test_a_veto_is_in_the_journal_and_is_counted() -> None:
    free, held = run(protected(), "A/USDT"), run(protected(cooldown_bars=50), "A/USDT")
    vetoed = held.decisions[held.decisions["outcome"] == "vetoed"]
    assert held.vetoes == {"cooldown": len(vetoed)}
    assert set(vetoed["veto"]) == {"cooldown"}
    assert len(vetoed) > 5
    assert (vetoed["score"] >= 5.0).all()
    assert held.decisions["veto"].notna().sum() == len(vetoed)
    assert free.vetoes == {}
    assert "veto" not in free.decisions
    assert len(held.execution.trades) < len(free.execution.trades)


def test_a_veto_leaves_score_and_filter_alone() -> None:
    free, held = run(protected(), "A/USDT"), run(protected(max_drawdown=0.001), "A/USDT")
    assert held.decisions["outcome"].eq("vetoed").sum() > 5
    columns = ["decided_at", "score", "technical_points", "rsi"]
    pd.testing.assert_frame_equal(held.decisions[columns], free.decisions[columns])


def test_a_halt_leaves_open_positions_their_exits() -> None:
    ran = run(protected(max_drawdown=0.003), "A/USDT", "B/USDT")
    halted = ran.decisions.loc[ran.decisions["outcome"] == "vetoed", "decided_at"].min()
    closed_later = [t for t in ran.execution.trades if t.closed_at >= halted]
    assert {t.exit_reason for t in closed_later} <= {"take_profit", "stop_loss", "time_limit"}
    assert not [t for t in ran.execution.trades if t.decided_at >= halted]


def test_vetoes_are_counted_by_the_first_that_stands_in_the_way() -> None:
    pause = {"max_losses_in_a_row": 3, "losing_streak_pause_bars": 20}
    both = run(protected(cooldown_bars=50, **pause), "A/USDT", "B/USDT")
    assert list(both.vetoes) == ["losing_streak", "cooldown"]
    assert sum(both.vetoes.values()) == both.decisions["outcome"].eq("vetoed").sum()


def test_an_entry_that_could_not_be_bought_is_not_counted_as_vetoed() -> None:
    settings = load_settings(
        overrides={
            "strategy": {"min_entry_score": 5.0},
            "symbols": {"A/USDT": {"min_notional": 1e5}},
            "protections": {"max_exposure": 0.0001},
        }
    )
    ran = run(settings, "A/USDT")
    assert ran.vetoes == {}
    assert set(ran.decisions["outcome"]) == {"too_small", "score_below"}


def test_each_run_remembers_only_itself() -> None:
    settings = protected(max_losses_in_a_row=2, max_drawdown=0.02, daily_loss_limit=0.004)
    first, second = run(settings, "A/USDT"), run(settings, "A/USDT")
    assert first.vetoes == second.vetoes != {}
    assert first.execution.fills == second.execution.fills


def waiting(**entry: object) -> Settings:
    entry |= {"order": "limit"}
    return load_settings(overrides={"strategy": {"entry": entry, "min_entry_score": 5.0}})


def test_a_limit_that_waits_in_vain_is_a_record_and_keeps_its_symbol_until_then() -> None:
    ran = run(waiting(offset_percent=0.8, valid_bars=6), "A/USDT")
    rows = ran.decisions.set_index("decided_at")
    unfilled = rows[rows["outcome"] == "rejected"]
    assert set(unfilled["rejection"]) == {"unfilled"}
    assert len(unfilled) == len(ran.execution.rejections) > 5
    bar = pd.Timedelta(minutes=5)
    waited = [rows.loc[at + bar : at + 5 * bar, "outcome"].tolist() for at in unfilled.index]
    assert {outcome for each in waited for outcome in each} == {"in_position"}


def test_a_waiting_entry_can_be_followed_on_the_close_at_which_it_ends() -> None:
    ran = run(waiting(offset_percent=5.0, valid_bars=1), "A/USDT")
    at = ran.decisions["decided_at"].to_numpy("datetime64[ms]")
    bars_apart = np.diff(at) // np.timedelta64(5, "m")
    assert ran.execution.fills == ()
    assert "in_position" not in set(ran.decisions["outcome"])
    assert bars_apart.min() == 1


def test_waiting_entries_count_as_positions_and_their_cash_is_spoken_for() -> None:
    far = {"order": "limit", "offset_percent": 3.0, "valid_bars": 40}
    strategy = {"min_entry_score": 5.0, "entry": far, "sizing": {"fraction": 0.6}}
    symbols = ("A/USDT", "B/USDT")
    free = run(load_settings(overrides={"strategy": strategy}), *symbols)
    held = run(
        load_settings(overrides={"strategy": strategy, "protections": {"max_open_positions": 1}}),
        *symbols,
    )
    assert (free.decisions["shortfall"] == "partial_cash").any()
    assert held.vetoes["max_open_positions"] > 0
    assert set(held.decisions.query("outcome == 'vetoed'")["symbol"]) == {"B/USDT"}
