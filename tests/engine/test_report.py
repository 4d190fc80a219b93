from dataclasses import replace
from typing import Any

import pytest

from engine.records import Rejection
from engine.report import side_by_side
from engine.result import RunResult
from engine.tables import WIDTH
from tests.engine.run_makers import START, make_result


def interval(value: float | None, low: float | None, high: float | None) -> dict[str, float | None]:
    return {"value": value, "low": low, "high": high}


def sure(trades: float | None, expectancy: float) -> dict[str, Any]:
    """Return the intervals of a run, or without trades those of a difference."""
    return {
        **({} if trades is None else {"trades": trades}),
        "expectancy": interval(expectancy, expectancy - 0.001, expectancy + 0.001),
        "win_rate": interval(0.5, 0.25, 0.75),
        "profit_factor": interval(1.5, None, None),
    }


def figures(trades: float | None) -> dict[str, float | None]:
    return {
        "trades": trades,
        "expectancy": -0.0005,
        "win_rate": 0.4,
        "profit_factor": None,
        "total_return": -0.125,
        "max_drawdown": 0.2,
    }


VERDICT = "No evidence that ML helps: " + "its expectancy is not shown to be above that " * 5
COMPARISON: dict[str, Any] = {
    "verdict": VERDICT,
    "ml_helps": False,
    "intervals": {
        "level": 0.95,
        "days": 1000,
        "block_days": 2.5,
        "draws": 2000,
        "runs": {
            name: sure(1234.0, -0.0125) for name in ("off", "on", "random_gate", "volatility_gate")
        },
        "pairs": {
            f"on_less_{name}": sure(None, 0.0005)
            for name in ("off", "random_gate", "volatility_gate")
        },
    },
    "sharpe": {"probabilistic": 0.25, "deflated": None, "trials": 7},
    "random_gate": {
        "seeds": 100,
        **{name: {"mean": v, "low": v, "high": v} for name, v in figures(1200.4).items()},
        "share_of_seeds_below_on": 0.875,
    },
    "volatility_gate": {"ranking": "atr_fraction, wildest first, by month", **figures(1250)},
    "buy_and_hold": {"total_return": 1.5, "max_drawdown": 0.75, "sharpe": 0.5},
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
    whole = side_by_side(pair(), COMPARISON)
    text = whole[whole.index("| Run ") :]
    assert cells(text, "Trades") == ["2", "2", "+0"]
    assert cells(text, "ML asked") == ["0", "1,500", "+1,500"]
    assert cells(text, "Win rate ") == ["50.00%", "50.00%", "+12.50 pp"]
    assert cells(text, "Largest drawdown ")[-1] == "-1.00 pp"
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


def test_a_comparison_begins_with_its_verdict() -> None:
    lines = side_by_side(pair(), COMPARISON).splitlines()
    assert " ".join(lines[: lines.index("")]) == VERDICT.strip()


def test_figures_stand_with_their_intervals() -> None:
    text = side_by_side(pair(), COMPARISON)
    win_rate = "50.0 [25.0, 75.0]"
    assert cells(text, "Volatility gate") == ["-1.250 [-1.350, -1.150]", win_rate, "1.50"]
    assert cells(text, "On less off") == ["0.050 [-0.050, 0.150]", win_rate, "1.50"]
    assert "2,000 draws of 1,000 days, in blocks of 2.5 days on average" in text


def test_gates_and_holding_are_columns() -> None:
    text = side_by_side(pair(), COMPARISON)
    beside = text[text.index("| Beside") :]
    assert cells(beside, "Trades") == ["1,200 [1,200, 1,200]", "1,250", "-"]
    assert cells(beside, "Total return, %") == ["-12.5 [-12.5, -12.5]", "-12.5", "150.0"]
    assert cells(beside, "Profit factor") == ["-", "-", "-"]
    said = " ".join(text.split())
    assert "100 shuffles of ML-on's opinions" in said
    assert "above that of 88% of them" in said
    assert "a probability of 0.250; allowing for 7 configurations tried on these bars, of -" in said


def test_two_figures_have_two_names() -> None:
    """The profit factor of returns is not that of money, nor the pooled gate that of the means."""
    text = side_by_side(pair(), COMPARISON)
    of_returns, of_money = text[: text.index("| Beside")], text[text.index("| Beside") :]
    assert "| Profit factor of returns |" in of_returns
    assert "Random gate, pooled" in of_returns
    assert "Profit factor of returns" not in of_money[: of_money.index("intervals:")]
    assert "| Random gate, mean [90%] |" in of_money
    assert "| Buy and hold, after costs |" in of_money


def test_no_line_is_wider_than_the_terminal() -> None:
    assert max(map(len, side_by_side(pair(), COMPARISON).splitlines())) <= WIDTH


def test_a_plain_strategy_that_runs_alone_is_called_by_its_class() -> None:
    config = {"strategy": {"file": "/here/mine.py:Crossover", "params": {}}}
    alone = side_by_side([make_result("off", config=config)])
    assert "| Crossover |" in alone
    assert "ML-off" not in alone
    both = side_by_side([make_result(label, config=config) for label in ("off", "on")])
    assert "|   ML-off |    ML-on |" in both


def test_what_is_undefined_is_a_dash() -> None:
    assert cells(side_by_side([make_result()]), "Sharpe ratio") == ["-"]


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
    assert text.count(f"*** {stamp}: ") == 5
    assert stamp not in side_by_side(pair(), COMPARISON)


def test_a_silent_ensemble_is_said_out_loud() -> None:
    text = side_by_side([make_result("on", ml_asked=1200, ml_unavailable=7)])
    assert "*** ML UNAVAILABLE on 7 of 1,200 bars on which ML-on asked ***" in text


def test_the_text_is_plain_and_fits() -> None:
    text = side_by_side(pair(synthetic=True, in_sample=True), COMPARISON)
    assert text.isascii()
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= WIDTH
