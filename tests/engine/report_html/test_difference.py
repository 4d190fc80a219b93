"""Where the difference comes from: the groups, the bridge and the intervals of the metrics."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from selenium.webdriver import Chrome

from engine.jobs.comparing.comparison import comparison
from engine.jobs.comparing.groups import entry_groups
from engine.plain import plain
from engine.report_html.difference import GROUPS, MOST_STEPS, bridge, difference
from engine.report_html.report import Report
from engine.report_html.sureness import sharpe_words
from engine.report_html.words import fraction, money
from engine.result import RunResult
from tests.browsing import DESKTOP, PHONE, run, said, texts
from tests.engine.jobs.reference_makers import ALONE, make_references
from tests.engine.report_html.page_scripts import called
from tests.engine.report_html.reading import read
from tests.engine.run_makers import make_result, make_trade


def make_report(off: RunResult, on: RunResult) -> Report:
    compared = comparison(off, on, make_references(), ALONE)
    document: dict[str, Any] = {
        "runs": [
            {"ml": each.label, "trades": len(each.trades), "metrics": each.metrics.to_dict()}
            for each in (off, on)
        ],
        "comparison": compared,
    }
    return Report(
        name="made",
        created_at="",
        document=plain(document),
        results=[off, on],
        markets={},
        groups=entry_groups(off, on),
        request={},
    )


def with_trades(label: str, bars: list[int], **changed: Any) -> RunResult:
    trades = [make_trade(float(bar % 3 - 1), bar=bar) for bar in bars]
    run = make_result(label)
    decisions = run.decisions.assign(outcome="entered")
    return replace(run, trades=trades, decisions=decisions, **changed)


@pytest.fixture(scope="module")
def metrics(compared: Path) -> Any:
    return json.loads((compared / "metrics.json").read_text())


def test_the_groups_shown_are_those_of_the_metrics(
    browser: Chrome, compared: Path, metrics: Any
) -> None:
    read(browser, compared / "report.html")
    for name, group in metrics["comparison"]["groups"].items():
        row = texts(browser, f"#difference [data-group={name}] > *")
        assert row == [
            GROUPS[name].title,
            f"{group['trades']:,}",
            fraction(group["win_rate"], 1),
            fraction(group["expectancy"], 3),
            money(group["pnl"]),
        ]


def test_each_line_ends_at_the_profit_of_its_group(
    browser: Chrome, compared: Path, metrics: Any
) -> None:
    read(browser, compared / "report.html")
    ends = run(
        browser,
        "return document.querySelector('[data-chart=groups]').data"
        ".map((line) => [line.name, line.y[line.y.length - 1]])",
    )
    groups = metrics["comparison"]["groups"]
    assert {title: pytest.approx(end, abs=0.01) for title, end in ends} == {
        GROUPS[name].title: group["pnl"] for name, group in groups.items() if group["trades"]
    } | {GROUPS[name].title: 0.0 for name, group in groups.items() if not group["trades"]}


def test_the_bridge_leads_from_the_profit_of_one_run_to_that_of_the_other(
    browser: Chrome, compared: Path, metrics: Any
) -> None:
    read(browser, compared / "report.html")
    contents = run(browser, "return JSON.parse(document.getElementById('contents').textContent)")
    (data,) = [each["data"] for each in contents if each["name"] == "difference"]
    first, *between, last = (step["value"] for step in data["bridge"])
    for run_, profit in zip(metrics["runs"], (first, last), strict=True):
        own = run_["trades"] * run_["metrics"]["expectancy_quote"]
        assert profit == pytest.approx(own)
    assert first + sum(between) == pytest.approx(last)


def test_the_bridge_holds_where_several_trades_were_decided_at_one_bar() -> None:
    off, on = with_trades("off", [1, 2, 2, 3]), with_trades("on", [2, 2, 2, 3, 3, 5, 5])
    steps = [step["value"] for step in bridge(make_report(off, on))]
    assert sum(steps[:-1]) == pytest.approx(steps[-1])
    groups = entry_groups(off, on)
    assert list(groups["kept"].trades) == [0, 1, 3]
    assert sum(len(each.trades) for each in groups.values() if each.label == "on") == 7


@pytest.mark.parametrize(
    ("run_", "at", "told"),
    [
        ("on", 0, "ML-off entered here too: its trade 2#trade=off-2"),
        ("on", 1, "ML-off entered here too: its trade 3#trade=off-3"),
        ("on", 2, "ML-off entered here too, but fewer times."),
        ("off", 2, "ML-on entered here too: its trade 2#trade=on-2"),
        ("off", 0, "ML-on did not enter here"),
    ],
)
def test_a_trade_leads_to_its_twin_among_several_at_one_bar(
    browser: Chrome, run_: str, at: int, told: str
) -> None:
    browser.get("about:blank")
    given = {
        "runs": [
            {
                "label": label,
                "name": f"ML-{label}",
                "numbers": {"decided_at": bars, "market": [0] * len(bars)},
            }
            for label, bars in (("off", [1, 2, 2, 3]), ("on", [2, 2, 2, 3]))
        ],
        "run": ["off", "on"].index(run_),
        "at": at,
    }
    expression = (
        "(() => { const run = given.runs[given.run], numbers = {}; "
        "for (const name in run.numbers) numbers[name] = run.numbers[name][given.at]; "
        "const found = others({ run, at: given.at, numbers }, given); "
        "return found.map((each) => each.textContent.replace(/[.]$/, "
        "each.querySelector('a')?.hash ?? '.')).join('|'); })()"
    )
    assert called(browser, "price_trade", expression, given).startswith(told)


def test_the_same_intervals_stand_in_the_table_and_in_the_chart(
    browser: Chrome, compared: Path, metrics: Any
) -> None:
    read(browser, compared / "report.html")
    pairs = metrics["comparison"]["intervals"]["pairs"]
    for name, factor in (("expectancy", 100.0), ("win_rate", 100.0), ("profit_factor", 1.0)):
        rows = texts(browser, f"#difference [data-table=intervals] [data-figure={name}]")
        assert len(rows) == len(pairs)
        drawn = run(
            browser,
            f"return document.querySelector('[data-chart=forest-{name}]').data.map((row) => "
            "[row.x[0], row.x[0] - row.error_x.arrayminus[0], row.x[0] + row.error_x.array[0]])",
        )
        told = [
            [pair[name][end] * factor for end in ("value", "low", "high")]
            for pair in pairs.values()
            if pair[name]["low"] is not None
        ]
        np.testing.assert_allclose(drawn, told)
        low, high = run(
            browser,
            f"return document.querySelector('[data-chart=forest-{name}]')._fullLayout.xaxis.range",
        )
        assert low <= 0.0 <= high


def test_an_interval_above_zero_is_called_so() -> None:
    off, on = with_trades("off", [1, 4]), with_trades("on", [1, 4])
    report = make_report(off, on)
    pairs = report.document["comparison"]["intervals"]["pairs"]
    for pair, ends in zip(pairs.values(), [(0.001, 0.003), (-0.003, -0.001), (-1, 1)], strict=True):
        low, high = ends
        pair["expectancy"] = {"value": (low + high) / 2, "low": low, "high": high}
    section = difference(report)
    assert section is not None
    order = ["ML-on is above", "ML-on is below", "no difference shown"]
    places = [section.html.index(words) for words in order]
    assert places == sorted(places)


def test_only_the_figure_that_decides_is_said_to_show_something() -> None:
    report = make_report(with_trades("off", [1, 4]), with_trades("on", [1, 4]))
    for pair in report.document["comparison"]["intervals"]["pairs"].values():
        for name in ("expectancy", "win_rate", "profit_factor"):
            pair[name] = {"value": 0.002, "low": 0.001, "high": 0.003}
    section = difference(report)
    assert section is not None
    assert section.html.count("<strong>ML-on is above</strong>") == 3
    assert section.html.count("ML-on is above") == 3
    assert section.html.count("lies above zero") == 6
    assert [each["name"] for each in section.data["forests"] if each["decides"]] == ["expectancy"]


def test_groups_of_a_plain_strategy_are_told_by_who_held_what() -> None:
    off, on = with_trades("off", [0, 1, 2]), with_trades("on", [1, 2])
    scored = difference(make_report(off, on))
    nothing = off.decisions.iloc[:0]
    plain_runs = (replace(run, decisions=nothing) for run in (off, on))
    told = difference(make_report(*plain_runs))
    assert scored is not None
    assert told is not None
    assert "score" in scored.html
    assert "only ML-on entered, while ML-off held nothing" in told.html
    assert "points added" not in told.html
    assert "score" not in told.html


def test_what_was_removed_is_told_as_what_was_spared() -> None:
    off, on = with_trades("off", [0, 1, 2]), with_trades("on", [1, 2])
    below = on.decisions.assign(decided_at=off.trades[0].decided_at, outcome="score_below")
    report = make_report(off, replace(on, decisions=below))
    assert report.document["comparison"]["groups"]["removed"]["pnl"] == -1.0
    section = difference(report)
    assert section is not None
    assert "spared a loss of 1.00" in section.html


def test_two_runs_without_any_trade_have_a_section() -> None:
    off, on = with_trades("off", []), with_trades("on", [])
    section = difference(make_report(off, on))
    assert section is not None
    assert [step["value"] for step in bridge(make_report(off, on))] == [0.0] * 6


def test_many_trades_make_few_points() -> None:
    bars = list(range(10_000))
    section = difference(make_report(with_trades("off", bars), with_trades("on", bars)))
    assert section is not None
    assert section.arrays["kept.profit"]["length"] == MOST_STEPS + 2


def test_a_single_run_has_no_difference() -> None:
    run_ = with_trades("off", [1])
    report = make_report(run_, with_trades("on", [1]))
    alone = replace(report, document={**report.document, "comparison": {}}, groups={})
    assert difference(alone) is None


def test_the_sharpe_ratio_is_said_in_words() -> None:
    few = {"probabilistic": None, "deflated": None, "trials": 1}
    assert "too few days" in sharpe_words(few)
    sure = sharpe_words({"probabilistic": 0.99995, "deflated": 0.5, "trials": 3})
    assert "more than 99.9\N{NO-BREAK SPACE}%" in sure
    assert "3 configurations" in sure
    assert "50.0\N{NO-BREAK SPACE}%" in sure


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_nothing_is_wider_than_the_window(
    browser: Chrome, compared: Path, size: tuple[int, int]
) -> None:
    read(browser, compared / "report.html", size)
    assert said(browser) == []
    assert run(browser, "return document.documentElement.scrollWidth") <= size[0]
