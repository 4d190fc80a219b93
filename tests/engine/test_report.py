from dataclasses import replace
from typing import Any

import pytest

from engine.records import Rejection
from engine.report import side_by_side
from engine.result import RunResult
from engine.tables import WIDTH
from tests.engine.run_makers import START, make_result

COMPARISON: dict[str, Any] = {
    "difference": {"win_rate": 0.125, "sharpe": None, "max_drawdown": -0.01},
    "average_entry_score": {"off": 6.25, "on": 7.5},
    "losing_entries": {"off": {"count": 1, "rate": 0.5}, "on": {"count": 0, "rate": None}},
    "groups": {
        "added": {"trades": 3, "win_rate": 1 / 3, "expectancy": -0.00125, "pnl": -1234.5},
        "removed": {"trades": 0, "win_rate": None, "expectancy": None, "pnl": 0.0},
        "kept": {"trades": 1, "win_rate": 1.0, "expectancy": 0.02, "pnl": 2.0},
    },
}


def pair(**changed: Any) -> list[RunResult]:
    return [make_result("off", **changed), make_result("on", ml_asked=1500, **changed)]


def cells(text: str, row: str) -> list[str]:
    """Return the cells of the first row that begins with `row`."""
    line = next(x for x in text.splitlines() if x.strip("| ").startswith(row))
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def test_runs_stand_side_by_side_with_their_difference() -> None:
    text = side_by_side(pair(), COMPARISON)
    assert cells(text, "Trades") == ["2", "2", "+0"]
    assert cells(text, "ML asked") == ["0", "1,500", "+1,500"]
    assert cells(text, "Win rate") == ["50.00%", "50.00%", "+12.50 pp"]
    assert cells(text, "Max drawdown ")[-1] == "-1.00 pp"
    assert cells(text, "Profit factor") == ["2.00", "2.00", "-"]


def test_what_was_not_traded_is_counted_once() -> None:
    part = Rejection(symbol="BTC/USDT", units=0.1, decided_at=START, reason="partial_cash")
    refused = replace(part, reason="cash")
    text = side_by_side(pair(rejections=[part, refused, part]), COMPARISON)
    assert cells(text, "Orders refused") == ["1", "1", "+0"]
    assert cells(text, "Entries reduced") == ["2", "2", "+0"]


def test_vetoes_are_shown_together_and_by_protection() -> None:
    runs = [
        make_result("off", vetoes={"cooldown": 3}),
        make_result("on", vetoes={"max_exposure": 1, "cooldown": 1}),
    ]
    text = side_by_side(runs, COMPARISON)
    assert cells(text, "Entries vetoed") == ["3", "2", "-1"]
    assert cells(text, "- by cooldown") == ["3", "1", "-2"]
    assert cells(text, "- by max_exposure") == ["0", "1", "+1"]
    unprotected = side_by_side(pair())
    assert cells(unprotected, "Entries vetoed") == ["0", "0"]
    assert "- by" not in unprotected


def test_one_run_is_one_column() -> None:
    text = side_by_side([make_result()])
    assert cells(text, "Total return") == ["0.10%"]
    assert "ML-off" in text
    assert "ML-on" not in text


def test_what_is_undefined_is_a_dash() -> None:
    assert cells(side_by_side([make_result()]), "Sharpe") == ["-"]


def test_a_comparison_shows_entries_and_groups() -> None:
    text = side_by_side(pair(), COMPARISON)
    assert cells(text, "Average entry score") == ["6.25", "7.50"]
    assert cells(text, "Losing rate") == ["50.00%", "-"]
    assert cells(text, "Added") == ["3", "33.33%", "-0.125%", "-1,234.50"]
    assert cells(text, "Removed") == ["0", "-", "-", "0.00"]


@pytest.mark.parametrize("stamp", ["SYNTHETIC", "IN-SAMPLE"])
def test_every_table_bears_the_stamp(stamp: str) -> None:
    flag = {"SYNTHETIC": "synthetic", "IN-SAMPLE": "in_sample"}[stamp]
    text = side_by_side(pair(**{flag: True}), COMPARISON)
    assert text.count(f"*** {stamp}: ") == 3
    assert stamp not in side_by_side(pair(), COMPARISON)


def test_a_silent_ensemble_is_said_out_loud() -> None:
    text = side_by_side([make_result("on", ml_asked=1200, ml_unavailable=7)])
    assert "*** ML UNAVAILABLE on 7 of 1,200 bars on which ML-on asked ***" in text


def test_the_text_is_plain_and_fits() -> None:
    text = side_by_side(pair(synthetic=True, in_sample=True), COMPARISON)
    assert text.isascii()
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= WIDTH
