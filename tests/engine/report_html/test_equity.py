"""The accounts on the page: as deep as the metrics say, on one axis of time, by keyboard."""

import json
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome, Keys
from selenium.webdriver.common.by import By

from engine.labels import HELD
from engine.report_html.verdict import FIGURES, MARKS
from engine.report_html.words import NBSP, fraction, from_to
from engine.statistics.figures import MEASURED, RANGES
from tests.browsing import PHONE, run, said, texts, until
from tests.engine.report_html.reading import read

CHART = "document.querySelector('[data-chart=equity]')"
MOST_POINTS = 3_000


def metrics_of(folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / "metrics.json").read_text())
    return document


def lines(browser: Chrome) -> dict[str, dict[str, list[float]]]:
    """Return what is drawn: by axis, then by the title of the line."""
    script = f"return {CHART}.data.map((t) => [t.yaxis ?? 'y', t.name, Array.from(t.y)])"
    found: dict[str, dict[str, list[float]]] = {}
    for axis, name, values in run(browser, script):
        found.setdefault(axis, {})[name] = values
    return found


def press(browser: Chrome, selector: str) -> None:
    """Press a button as someone without a mouse does."""
    run(browser, f"document.querySelector('#equity {selector}').focus()")
    browser.switch_to.active_element.send_keys(Keys.ENTER)


def time_shown(browser: Chrome) -> list[float]:
    script = f"return {CHART}._fullLayout.xaxis.range.map((each) => new Date(each).getTime())"
    ends: list[float] = run(browser, script)
    return ends


def cells(browser: Chrome, account: str) -> list[str]:
    return texts(browser, f"[data-table=equity] [data-account={account}] td")


def test_the_deepest_drawdown_shown_is_that_of_the_metrics(browser: Chrome, compared: Path) -> None:
    document = metrics_of(compared)
    read(browser, compared / "report.html")
    below = lines(browser)["y2"]
    off, on = (each["metrics"] for each in document["runs"])
    gate, held = (document["comparison"][name] for name in ("volatility_gate", "buy_and_hold"))
    told = {"ML-off": off, "ML-on": on, "Volatility gate": gate, HELD: held}
    assert below.keys() == told.keys()
    for title, figures in told.items():
        assert -min(below[title]) == pytest.approx(figures["max_drawdown"], abs=1e-6), title


def test_lines_end_at_the_total_return_and_stay_few(browser: Chrome, compared: Path) -> None:
    document = metrics_of(compared)
    read(browser, compared / "report.html")
    drawn = lines(browser)
    for each in document["runs"]:
        end = drawn["y"][f"ML-{each['ml']}"][-1]
        assert end / 10_000.0 - 1.0 == pytest.approx(each["metrics"]["total_return"], abs=1e-6)
    for axis, by_title in drawn.items():
        assert sum(map(len, by_title.values())) <= MOST_POINTS, axis
    assert drawn["y3"].keys() == {"ML-off", "ML-on"}
    assert all(0.0 <= share <= 1.0 for shares in drawn["y3"].values() for share in shares)


def test_the_band_is_that_of_the_random_gate_and_says_its_share(
    browser: Chrome, compared: Path
) -> None:
    gate = metrics_of(compared)["comparison"]["random_gate"]
    read(browser, compared / "report.html")
    drawn = lines(browser)["y"]
    low, high = (
        drawn["Random gate, 90\N{NO-BREAK SPACE}% of shuffles, low"],
        drawn["Random gate, 90\N{NO-BREAK SPACE}% of shuffles, high"],
    )
    assert all(one <= other for one, other in zip(low, high, strict=True))
    for values, end in ((low, "low"), (high, "high")):
        assert values[-1] / 10_000.0 - 1.0 == pytest.approx(gate["total_return"][end], abs=1e-6)
    (caption,) = texts(browser, "#equity figcaption")
    assert f"90\N{NO-BREAK SPACE}% of the {gate['seeds']} accounts of the random gate" in caption


def test_the_table_says_what_the_metrics_say(browser: Chrome, compared: Path) -> None:
    document = metrics_of(compared)
    read(browser, compared / "report.html")
    told = {each["ml"]: each["metrics"] for each in document["runs"]}
    told["held"] = document["comparison"]["buy_and_hold"]
    told["volatility"] = document["comparison"]["volatility_gate"]
    for account, figures in told.items():
        shown = cells(browser, account)
        assert shown[1:3] == [
            fraction(figures["total_return"], 1),
            fraction(figures["max_drawdown"], 1),
        ]
        assert shown[4] == fraction(figures.get("exposure"), 1)


@pytest.mark.parametrize(
    ("line", "title"),
    [("held", HELD), ("band", "Random gate, 90\N{NO-BREAK SPACE}% of shuffles, low")],
)
def test_lines_come_and_go_by_keyboard(
    browser: Chrome, compared: Path, line: str, title: str
) -> None:
    read(browser, compared / "report.html")
    button = browser.find_element(By.CSS_SELECTOR, f"[data-line={line}]")
    press(browser, f"[data-line={line}]")
    until(browser, lambda: title not in lines(browser)["y"])
    assert button.get_attribute("aria-pressed") == "false"
    press(browser, f"[data-line={line}]")
    until(browser, lambda: title in lines(browser)["y"])
    assert button.get_attribute("aria-pressed") == "true"
    assert said(browser) == []


def test_the_scale_is_logarithmic_when_asked(browser: Chrome, compared: Path) -> None:
    read(browser, compared / "report.html")
    scale = f"return {CHART}._fullLayout.yaxis.type"
    assert run(browser, scale) == "linear"
    press(browser, "[data-scale]")
    until(browser, lambda: run(browser, scale) == "log")
    press(browser, "[data-scale]")
    until(browser, lambda: run(browser, scale) == "linear")


def test_one_part_of_the_time_is_looked_at_in_all_three(browser: Chrome, compared: Path) -> None:
    read(browser, compared / "report.html")
    begin, end = time_shown(browser)
    press(browser, "[data-move=closer]")
    until(browser, lambda: time_shown(browser) != [begin, end])
    closer = time_shown(browser)
    assert closer[1] - closer[0] == pytest.approx((end - begin) / 2, rel=1e-6)
    axes = f"return {CHART}.data.map((trace) => trace.xaxis ?? 'x')"
    assert set(run(browser, axes)) == {"x"}
    for _ in range(4):
        press(browser, "[data-move=later]")
    until(browser, lambda: time_shown(browser)[1] == pytest.approx(end, abs=1000))
    press(browser, "[data-move=whole]")
    until(browser, lambda: time_shown(browser) == pytest.approx([begin, end], abs=1000))
    assert said(browser) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_single_run_stands_beside_holding(browser: Chrome, single: Path, scheme: str) -> None:
    (off,) = metrics_of(single)["runs"]
    read(browser, single / "report.html", PHONE, prefers_color_scheme=scheme)
    drawn = lines(browser)
    assert drawn["y"].keys() == {"ML-off", HELD}
    assert -min(drawn["y2"]["ML-off"]) == pytest.approx(off["metrics"]["max_drawdown"], abs=1e-6)
    held = drawn["y"][HELD][-1] / 10_000.0 - 1.0
    # What it pays at both ends is all that it lacks.
    assert held == pytest.approx(off["metrics"]["buy_and_hold"], abs=0.005)
    assert held < off["metrics"]["buy_and_hold"]
    assert said(browser) == []


def test_the_intervals_of_a_comparison_are_those_of_its_runs(compared: Path) -> None:
    document = metrics_of(compared)
    for each in document["runs"]:
        of_pair = document["comparison"]["intervals"]["runs"][each["ml"]]
        for figure in ("expectancy", "win_rate", "profit_factor"):
            assert each["intervals"][figure] == of_pair[figure]


def test_the_intervals_on_top_are_those_of_the_metrics(browser: Chrome, single: Path) -> None:
    (off,) = metrics_of(single)["runs"]
    read(browser, single / "report.html")
    for name in ("total_return", "win_rate", "sharpe", "max_drawdown"):
        interval, show = off["intervals"][name], FIGURES[name]
        (shown,) = texts(browser, f"[data-run=off] [data-figure={name}] dd.note")
        mark = f"{NBSP}{MARKS[name]}" if name in MARKS else ""
        ends = from_to(show(interval["low"]), show(interval["high"]))
        assert shown == f"95{NBSP}%: {ends}{mark}"
        assert interval["value"] == pytest.approx(off["metrics"][name], rel=1e-12)


def test_footnotes_say_what_is_special_about_marked_intervals(
    browser: Chrome, single: Path
) -> None:
    read(browser, single / "report.html")
    said_of = {
        "profit_factor": "the interval is of returns",
        "sharpe": f"held it in about 90{NBSP}% of samples",
        "max_drawdown": "no interval but a range",
    }
    assert said_of.keys() == MARKS.keys() == {"profit_factor", *MEASURED, *RANGES}
    for name, what in said_of.items():
        (note,) = texts(browser, f"[data-footnote={name}]")
        assert note.startswith(f"{MARKS[name]} ")
        assert what in note


def test_the_interval_of_the_profit_factor_says_that_it_is_of_returns(
    browser: Chrome, single: Path
) -> None:
    (off,) = metrics_of(single)["runs"]
    read(browser, single / "report.html")
    interval, show = off["intervals"]["profit_factor"], FIGURES["profit_factor"]
    (shown,) = texts(browser, "[data-run=off] [data-figure=profit_factor] dd.note")
    ends = from_to(show(interval["low"]), show(interval["high"]))
    assert shown == f"95{NBSP}%: {ends}{NBSP}{MARKS['profit_factor']}"
    (note,) = texts(browser, "[data-footnote=profit_factor]")
    assert f"around {show(interval['value'])} (" in note


def test_holding_comes_to_the_same_in_the_verdict_and_in_the_table(
    browser: Chrome, single: Path
) -> None:
    read(browser, single / "report.html")
    told = texts(browser, "#equity [data-account=held] td")[1]
    (sentence,) = texts(browser, ".sentence")
    assert sentence.endswith(f"holding would have come to {told}, after costs, too.")
