"""Months compound to the total return; their colours leave the figures readable."""

import datetime as dt
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from selenium.webdriver import Chrome

from engine.equity import EquityCurve
from engine.metrics import total_return
from engine.report_html.months import MonthlyReturns, months
from engine.report_html.words import DASH, fraction
from tests.browsing import PHONE, run, texts
from tests.engine.report_html.reading import read
from tests.engine.report_html.test_smallest import LIVE, report_of
from tests.engine.report_html.test_smallest import idle as idle_run

CASH = 1000.0
READABLE = 4.5  # contrast of text, by the rules of accessibility (WCAG 2, AA)


def account(start: str, hours: int, seed: int) -> EquityCurve:
    rng = np.random.default_rng(seed)
    equity = np.asarray(CASH * np.exp(np.cumsum(rng.normal(0.0, 0.01, hours))), np.float64)
    time = np.datetime64(start, "ms") + (np.arange(hours) + 1) * np.timedelta64(3_600_000, "ms")
    return EquityCurve(time, equity, equity, np.zeros(hours))


@given(
    seed=st.integers(0, 2**32 - 1),
    hours=st.integers(1, 24 * 800),
    start=st.dates(dt.date(2020, 1, 1), dt.date(2030, 1, 1)),
)
def test_months_compound_to_the_total_return(seed: int, hours: int, start: object) -> None:
    curve = account(str(start), hours, seed)
    found = MonthlyReturns.of(curve, CASH)
    path = np.append(CASH, curve.equity)
    assert math.prod(1.0 + found.returns) - 1.0 == pytest.approx(total_return(path), abs=1e-9)
    assert (np.diff(found.month) == np.timedelta64(1, "M")).all()


def test_a_month_ends_at_midnight_in_utc() -> None:
    """What closes at midnight belongs to the month that is over; only January is whole."""
    curve = account("2024-01-01", 24 * 32 + 5, 1)
    found = MonthlyReturns.of(curve, CASH)
    assert found.month.astype(str).tolist() == ["2024-01", "2024-02"]
    assert found.part.tolist() == [False, True]
    assert found.held.tolist() == [31, 2]
    assert found.returns[0] == pytest.approx(curve.equity[24 * 31 - 1] / CASH - 1.0)
    assert found.returns[1] == pytest.approx(curve.equity[-1] / curve.equity[24 * 31 - 1] - 1.0)


def test_the_year_shown_is_the_total_return_of_the_metrics(browser: Chrome, compared: Path) -> None:
    """The runs of the world lie within one year."""
    document = json.loads((compared / "metrics.json").read_text())
    read(browser, compared / "report.html")
    told = {each["ml"]: each["metrics"]["total_return"] for each in document["runs"]}
    told["held"] = document["comparison"]["buy_and_hold"]["total_return"]
    for name, value in told.items():
        row = texts(browser, f"[data-table=months] [data-account={name}] td")
        assert len(row) == 13
        assert row[-1] == fraction(value, 1)


def test_months_outside_the_run_without_trades_and_in_part_can_be_told_apart() -> None:
    """January in part, nothing in February, March in part, and no more."""
    curve = account("2024-01-21", 24 * 11, 1)
    hours = curve.time[-1] + (np.arange(24 * 31) + 1) * np.timedelta64(3_600_000, "ms")
    idle = np.full(len(hours), curve.equity[-1])
    time, equity = np.append(curve.time, hours), np.append(curve.equity, idle)
    equity[24 * 40 :] *= 1.1
    run_ = replace(idle_run(), equity=EquityCurve(time, equity, equity, np.zeros(len(time))))
    html = months(report_of(run_, LIVE)).html
    assert html.count(">not in the run<") == 9
    assert "in 11 of 31 days" in html
    assert "in 2 of 31 days" in html
    assert html.count(f">{DASH}<") == 1
    assert "in which nothing was traded or held" in html


def test_on_a_phone_every_month_is_on_the_screen(browser: Chrome, compared: Path) -> None:
    read(browser, compared / "report.html", PHONE)
    ends = run(
        browser,
        "return [...document.querySelectorAll('[data-table=months] td')]"
        ".map((cell) => [cell.getBoundingClientRect().left, cell.getBoundingClientRect().right])",
    )
    assert len(ends) >= 39
    assert min(left for left, _ in ends) >= 0
    assert max(right for _, right in ends) <= PHONE[0]
    told = "getComputedStyle(document.querySelector('[data-month=Feb]'), '::before').content"
    assert run(browser, f"return {told}") == '"Feb"'


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_figures_stay_readable_on_their_colours(
    browser: Chrome, compared: Path, scheme: str
) -> None:
    read(browser, compared / "report.html", prefers_color_scheme=scheme)
    found = run(
        browser,
        """
        const paper = getComputedStyle(document.getElementById('months')).backgroundColor;
        const pixel = document.createElement('canvas').getContext('2d');
        const seen = (...colours) => {
          for (const colour of colours) { pixel.fillStyle = colour; pixel.fillRect(0, 0, 1, 1); }
          return [...pixel.getImageData(0, 0, 1, 1).data].slice(0, 3);
        };
        return [...document.querySelectorAll('td.heat')].map((cell) => {
          const style = getComputedStyle(cell);
          return [seen(paper, style.backgroundColor), seen(style.color)];
        });
        """,
    )
    assert len(found) >= 6
    assert any(behind != found[0][0] for behind, _ in found)
    assert min(contrast(behind, text) for behind, text in found) >= READABLE


def contrast(one: list[int], other: list[int]) -> float:
    """Return the contrast of two colours, from 1 to 21."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def luminance(colour: list[int]) -> float:
    parts = np.array(colour) / 255.0
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ np.array([0.2126, 0.7152, 0.0722]))
