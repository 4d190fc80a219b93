"""The comparison: which entries the ensemble made, and which only moved."""

from dataclasses import replace
from typing import Any

import pandas as pd

from engine.jobs.compare import comparison
from engine.result import RunResult
from tests.engine.run_makers import make_result


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
    groups = comparison(with_outcomes("off", off), with_outcomes("on", on))["groups"]
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
