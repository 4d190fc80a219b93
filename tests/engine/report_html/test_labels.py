"""One name for each figure, and another for every other: on the console and on the page."""

import json
from collections import Counter
from dataclasses import fields
from pathlib import Path

import pytest
from selenium.webdriver import Chrome

from engine import labels
from engine.jobs.comparing.gates import RANKINGS
from engine.labels import ranking_words
from engine.metrics import Metrics
from engine.report import METRICS
from engine.report_html.verdict import FIGURES as ON_TOP
from tests.browsing import texts
from tests.engine.report_html.reading import read


def test_every_metric_has_a_name_of_its_own() -> None:
    names = {field.name for field in fields(Metrics)}
    assert set(METRICS) <= names <= set(labels.FIGURES)
    counts = Counter([*labels.FIGURES.values(), labels.PROFIT_FACTOR_OF_RETURNS, labels.HELD])
    assert [name for name, count in counts.items() if count > 1] == []


def test_two_figures_of_the_random_gate_have_two_names() -> None:
    assert labels.RANDOM_MEAN != labels.RANDOM_POOLED


def test_the_page_calls_figures_as_the_console_does(browser: Chrome, compared: Path) -> None:
    """The tables of the page that have a row or a heading for each figure."""
    read(browser, compared / "report.html")
    on_top = texts(browser, "#verdict dl[data-run=off] dt")
    assert on_top == [METRICS[name][0] for name in ON_TOP]
    beside = ("expectancy", "win_rate", "profit_factor", "total_return", "max_drawdown", "sharpe")
    assert texts(browser, "[data-table=beside] tbody th") == [
        labels.FIGURES["trades"],
        *(METRICS[name][0] for name in beside),
    ]
    together = texts(browser, "#trades table:first-of-type tbody th")
    assert "Most losses in a row" in together
    assert set(together[:9]) <= set(labels.FIGURES.values())


def test_the_gate_is_told_in_words_as_it_stands_in_the_metrics(
    browser: Chrome, compared: Path
) -> None:
    ranking = json.loads((compared / "metrics.json").read_text())["comparison"]["volatility_gate"][
        "ranking"
    ]
    read(browser, compared / "report.html")
    (told, *_) = [
        each for each in texts(browser, "#difference p") if "picked with hindsight" in each
    ]
    assert ranking_words(ranking) in told


def test_every_ranking_is_told_in_words_of_its_own() -> None:
    told = {ranking_words(str(each)) for each in RANKINGS}
    assert len(told) == len(RANKINGS)
    assert not any("_" in each for each in told)


@pytest.mark.parametrize("unknown", ["", "by the moon", "moon, fullest first, by month"])
def test_a_ranking_of_another_version_is_told_as_it_stands(unknown: str) -> None:
    assert ranking_words(unknown) == unknown
