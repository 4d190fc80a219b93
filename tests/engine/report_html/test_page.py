"""The page of a run in Debian's Chromium: complete, quiet, quick, the same figures as the files."""

import json
import re
from pathlib import Path

import pytest
from selenium.webdriver import Chrome

from engine.report_html.verdict import FIGURES
from engine.report_html.words import typeset
from tests.browsing import DESKTOP, PHONE, run, said, text
from tests.engine.report_html.reading import read
from tests.world import World

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


def test_only_the_scripts_of_the_page_may_run(browser: Chrome, compared: Path) -> None:
    read(browser, compared / "report.html")
    allowed = run(browser, "return document.querySelector('meta[http-equiv]').content")
    assert "script-src 'sha256-" in allowed
    assert "script-src 'unsafe-inline'" not in allowed
    strange = (
        "const made = document.createElement('script');"
        "made.textContent = 'document.documentElement.dataset.strange = 1';"
        "document.head.append(made);"
        "return document.documentElement.dataset.strange ?? null"
    )
    assert run(browser, strange) is None
    assert any("Content Security Policy" in line for line in said(browser))


def test_the_page_does_not_tell_where_things_lie_on_the_machine(
    compared: Path, world: World
) -> None:
    words = re.sub(
        "<script.*?</script>", "", (compared / "report.html").read_text(), flags=re.DOTALL
    )
    assert "--feature-importance" in words
    for place in (*world.files, world.bundle, compared):
        assert place.is_absolute()
        assert place.name in words
        assert str(place.parent) not in words


def test_the_figures_on_top_are_those_of_the_metrics(browser: Chrome, compared: Path) -> None:
    metrics = json.loads((compared / "metrics.json").read_text())
    read(browser, compared / "report.html")
    assert text(browser, ".sentence") == typeset(metrics["comparison"]["verdict"])
    for of in metrics["runs"]:
        for name, show in FIGURES.items():
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


def test_no_table_of_costs_lies_beyond_its_edge_on_a_desk(browser: Chrome, compared: Path) -> None:
    read(browser, compared / "report.html", DESKTOP)
    too_wide = (
        "[...document.querySelectorAll('#costs .scroll')].map((s) => s.scrollWidth - s.clientWidth)"
    )
    assert run(browser, f"return {too_wide}") == [0, 0]


def test_a_wide_table_keeps_its_first_column_on_a_phone(browser: Chrome, compared: Path) -> None:
    read(browser, compared / "report.html", PHONE)
    script = (
        "const scroll = document.querySelector('[data-table=beside]').closest('.scroll');"
        "const head = () => scroll.querySelector('tbody th').getBoundingClientRect().left;"
        "const hidden = scroll.scrollWidth - scroll.clientWidth, before = head();"
        "scroll.scrollLeft = hidden;"
        "return [hidden, scroll.scrollLeft, Math.abs(head() - before)]"
    )
    hidden, moved, shift = run(browser, script)
    assert hidden > 0
    assert moved > 0
    assert shift < 1


def test_every_section_can_be_gone_to_on_a_phone(browser: Chrome, compared: Path) -> None:
    read(browser, compared / "report.html", PHONE)
    rights = "[...document.querySelectorAll('nav a')].map((a) => a.getBoundingClientRect().right)"
    assert max(run(browser, f"return {rights}")) <= PHONE[0]


def test_no_number_on_the_page_is_written_as_on_the_console(
    browser: Chrome, compared: Path
) -> None:
    read(browser, compared / "report.html")
    told = text(browser, "#verdict") + text(browser, "#difference") + text(browser, "#costs p")
    assert re.findall(r"\d ?%", told) == []
    assert re.findall(r"(?<![\w-])-\d", told) == []
