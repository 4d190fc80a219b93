"""The cost sweep on the page is that of the metrics; what breaks even is said in words."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome

from engine.cost_sweep import cost_sweep
from engine.report_html.costs import costs
from engine.report_html.report import Report
from engine.report_html.words import fraction, money, number
from engine.result import RunResult
from engine.run_folder import to_json
from tests.browsing import run, said, text, texts
from tests.engine.report_html.reading import read
from tests.engine.run_makers import make_result, make_trade

BROKER = {
    "cash": 1000.0,
    "fee": 0.001,
    "maker_fee": None,
    "half_spread": 0.0001,
    "slippage": 0.0001,
    "range_slippage": 0.02,
}


def words_of(result: RunResult) -> str:
    """Return what the section says of a run."""
    document = to_json([result], None, {}, None)
    report = Report(
        name="run", created_at="", document=document, results=[result], markets={}, request={}
    )
    return costs(report).html


def runs_of(folder: Path) -> list[dict[str, Any]]:
    document = json.loads((folder / "metrics.json").read_text())
    runs: list[dict[str, Any]] = document["runs"]
    return runs


def test_the_table_is_the_sweep_of_the_metrics(browser: Chrome, compared: Path) -> None:
    read(browser, compared / "report.html")
    for each in runs_of(compared):
        rows = texts(browser, f"[data-table=sweep] [data-run={each['ml']}] tr:not(.group)")
        assert [row.split("\t") for row in rows] == [
            [
                fraction(step["fee"], 3),
                fraction(step["expectancy"], 3),
                fraction(step["win_rate"], 1),
                number(step["profit_factor"], 2),
                money(step["pnl"]),
            ]
            for step in each["cost_sweep"]
        ]
        own = texts(browser, f"[data-table=sweep] [data-run={each['ml']}] tr.own th")
        assert own == [fraction(0.001, 3)]


def test_the_chart_draws_the_same_steps(browser: Chrome, compared: Path) -> None:
    read(browser, compared / "report.html")
    drawn = run(
        browser,
        "return document.querySelector('[data-chart=costs]').data"
        ".map((t) => [t.name, Array.from(t.x), Array.from(t.y)])",
    )
    lines = {name: (fees, values) for name, fees, values in drawn}
    for each in runs_of(compared):
        steps = each["cost_sweep"]
        assert lines[f"ML-{each['ml']}"] == (
            [step["fee"] for step in steps],
            [step["expectancy"] for step in steps],
        )
    even = [each["break_even_fee"] for each in runs_of(compared) if each["break_even_fee"]]
    assert lines.get("Break-even fee", ([], []))[0] == even
    assert said(browser) == []


def test_what_was_paid_is_what_the_metrics_say(browser: Chrome, single: Path) -> None:
    (off,) = runs_of(single)
    read(browser, single / "report.html")
    assert text(browser, "[data-table=paid] [data-run=off] td") == money(
        off["metrics"]["fees_paid"]
    )


def test_where_the_money_of_a_mean_trade_went_adds_up(browser: Chrome, compared: Path) -> None:
    read(browser, compared / "report.html")
    words = text(browser, "#costs > p")
    for each in runs_of(compared):
        before = each["expectancy_before_fees"]
        assert f"came to {fraction(each['expectancy_before_costs'], 3)} at the prices" in words
        assert f"fees {fraction(before - each['metrics']['expectancy'], 3)}, which left" in words


@pytest.mark.parametrize(
    ("pnl", "aimed", "says"),
    [
        (
            [2.0, -1.0],
            0.008,
            "% a side, or at costs of 0.800\N{NO-BREAK SPACE}% a round trip in all",
        ),
        (
            [-0.3, -0.4],
            0.001,
            "breaks even at costs of 0.100\N{NO-BREAK SPACE}% a round trip, and loses even with",
        ),
        ([-2.0, -1.0], -0.001, "loses even without any cost"),
        ([], None, "made no trade"),
    ],
)
def test_what_breaks_even_is_said_in_words(
    pnl: list[float], aimed: float | None, says: str
) -> None:
    """`aimed`: the mean return at the prices aimed at."""
    trades = [make_trade(each, bar=place) for place, each in enumerate(pnl)]
    sweep = replace(cost_sweep(trades, [], 0.001), before_costs=aimed)
    metrics = replace(make_result().metrics, expectancy=None if aimed is None else -0.001)
    result = make_result(trades=trades, sweep=sweep, metrics=metrics, config={"broker": BROKER})
    words = words_of(result)
    assert says in words
    if sweep.break_even_fee is not None:
        assert f"breaks even at a fee of {fraction(sweep.break_even_fee, 3)} a side" in words
