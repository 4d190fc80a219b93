"""The page of a run in Debian's Chromium: complete, quiet, quick, the same figures as the files."""

import json
from pathlib import Path

import pytest
from selenium.webdriver import Chrome

from engine.report_html.verdict import FIGURES
from tests.browsing import DESKTOP, PHONE, run, said, text
from tests.engine.report_html.reading import read

MOST_BYTES = 8_000_000
SECTIONS = [
    "verdict",
    "price",
    "equity",
    "difference",
    "trades",
    "model",
    "months",
    "costs",
    "data",
    "making",
]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_every_section_is_there_and_the_console_is_quiet(
    browser: Chrome, compared: Path, size: tuple[int, int], scheme: str
) -> None:
    read(browser, compared / "report.html", size, prefers_color_scheme=scheme)
    assert run(browser, "return [...document.querySelectorAll('section')].map((s) => s.id)") == (
        SECTIONS
    )
    assert said(browser) == []
    assert run(browser, "return document.getElementById('trouble').hidden")
    wide = run(browser, "return document.documentElement.scrollWidth")
    assert wide <= size[0]


def test_the_page_is_one_file_that_asks_nobody(browser: Chrome, compared: Path) -> None:
    page = compared / "report.html"
    assert page.stat().st_size < MOST_BYTES
    read(browser, page)
    asked = [
        json.loads(line["message"])["message"]
        for line in browser.get_log("performance")  # type: ignore[no-untyped-call]  # selenium's
    ]
    urls = [
        each["params"]["request"]["url"]
        for each in asked
        if each["method"] == "Network.requestWillBeSent"
    ]
    assert {url.split(":")[0] for url in urls} <= {"file", "data", "blob"}, urls


def test_the_figures_on_top_are_those_of_the_metrics(browser: Chrome, compared: Path) -> None:
    metrics = json.loads((compared / "metrics.json").read_text())
    read(browser, compared / "report.html")
    assert text(browser, ".sentence") == metrics["comparison"]["verdict"]
    for of in metrics["runs"]:
        for name, (_, show) in FIGURES.items():
            shown = text(browser, f"[data-run={of['ml']}] [data-figure={name}] dd")
            assert shown == show(of["metrics"][name])


def test_what_is_simulated_is_said_in_red(browser: Chrome, compared: Path) -> None:
    read(browser, compared / "report.html")
    assert text(browser, ".stamp") == "SYNTHETIC"
    colour = "return getComputedStyle(document.querySelector('.warning')).color"
    assert run(browser, colour) == "rgb(179, 38, 30)"


def test_a_single_run_has_a_page_too(browser: Chrome, single: Path) -> None:
    read(browser, single / "report.html")
    assert said(browser) == []
    assert "ML-off" in text(browser, ".sentence")
