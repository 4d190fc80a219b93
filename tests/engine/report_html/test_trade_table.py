"""The trades in Debian's Chromium: the table, what is saved of it, charts, a lot of trades."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from selenium.webdriver import Chrome, Keys
from selenium.webdriver.common.by import By

import engine.report_html.page as page_module
from engine.report_html.breakdowns import breakdowns
from engine.report_html.page import page
from engine.report_html.report import Report
from engine.report_html.trade_columns import trade_table
from engine.report_html.trades import MOST_DOTS, trades
from engine.report_html.words import fraction, money
from engine.run_folder import _write_tables
from tests.browsing import DESKTOP, PHONE, run, said, text, texts, until
from tests.engine.report_html.page_scripts import called
from tests.engine.report_html.reading import read
from tests.engine.report_html.trade_makers import report_of, run_of, trade_of
from tests.engine.run_makers import make_trade

A_PAGE = 25
MANY = 20_000


@pytest.fixture(scope="module")
def metrics(compared: Path) -> dict[str, Any]:
    document = json.loads((compared / "metrics.json").read_text())
    return {each["ml"]: each for each in document["runs"]}


def kept(folder: Path, label: str = "on") -> pd.DataFrame:
    return pd.read_csv(folder / label / "trades.csv", keep_default_na=False)


_HEADS = "[...document.querySelectorAll('[data-column]')].map((each) => each.dataset.column)"


def column(browser: Chrome, name: str) -> list[str]:
    """Return what the table shows in a column."""
    found: list[str] = run(
        browser,
        f"const place = {_HEADS}.indexOf({name!r}); return [...document.querySelectorAll("
        "'[data-table=trades] tbody tr')].map((row) => row.cells[place].innerText)",
    )
    return found


def choose(browser: Chrome, name: str, value: str) -> None:
    """Fill in a filter."""
    run(
        browser,
        f"const field = document.querySelector('[data-filter={name}]'); field.value = {value!r}; "
        "field.dispatchEvent(new Event('input'));",
    )


def press(browser: Chrome, selector: str) -> None:
    run(browser, f"document.querySelector({selector!r}).click()")


def saved(browser: Chrome, folder: Path) -> bytes:
    """Press the button and return the file that the browser saves."""
    before = set(folder.iterdir())
    browser.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder)}
    )
    press(browser, "[data-save]")
    # While it saves, the browser keeps another file beside it.
    until(browser, lambda: {p.suffix for p in set(folder.iterdir()) - before} == {".csv"})
    (file,) = set(folder.iterdir()) - before
    return file.read_bytes()


def made_page(folder: Path, report: Report, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write the page of a report with the section of trades alone."""
    monkeypatch.setattr(page_module, "SECTIONS", (trades,))
    file = folder / "report.html"
    file.write_text(page(report), encoding="utf-8")
    return file


def test_the_totals_are_those_of_the_metrics(
    browser: Chrome, compared: Path, metrics: dict[str, Any]
) -> None:
    read(browser, compared / "report.html")
    rows = {
        name: texts(browser, f"#trades [data-table=totals] [data-figure={name}] td")
        for name in ("trades", "win_rate", "expectancy", "fees_paid")
    }
    for place, label in enumerate(("off", "on")):
        own = metrics[label]
        assert rows["trades"][place] == f"{own['trades']:,}"
        assert rows["win_rate"][place] == fraction(own["metrics"]["win_rate"], 1)
        assert rows["expectancy"][place] == fraction(own["metrics"]["expectancy"], 3)
        assert rows["fees_paid"][place] == money(own["metrics"]["fees_paid"])


@pytest.mark.parametrize("label", ["off", "on"])
def test_the_sums_over_all_rows_are_those_of_the_metrics(
    browser: Chrome, compared: Path, metrics: dict[str, Any], label: str
) -> None:
    read(browser, compared / "report.html")
    press(browser, f"[data-show={label}]")
    own = metrics[label]
    count, figures = f"{own['trades']:,}", own["metrics"]
    assert text(browser, "[data-summary]") == (
        f"ML-{label}: {count} of {count} trades; win rate {fraction(figures['win_rate'], 1)}, "
        f"expectancy {fraction(figures['expectancy'], 3)}, "
        f"net profit {money(figures['expectancy_quote'] * own['trades'])}, "
        f"fees {money(figures['fees_paid'])}."
    )


@pytest.mark.parametrize("label", ["off", "on"])
def test_what_is_saved_of_all_trades_is_the_file_of_the_folder(
    browser: Chrome, compared: Path, tmp_path: Path, label: str
) -> None:
    read(browser, compared / "report.html")
    press(browser, f"[data-show={label}]")
    assert saved(browser, tmp_path) == (compared / label / "trades.csv").read_bytes()


def test_what_is_saved_is_what_is_shown(browser: Chrome, compared: Path, tmp_path: Path) -> None:
    whole = kept(compared)
    read(browser, compared / "report.html")
    choose(browser, "symbol", "1")
    choose(browser, "result", "won")
    press(browser, "[data-column=pnl] button")
    symbol = sorted(whole["symbol"].unique())[1]
    own = whole[(whole["symbol"] == symbol) & (whole["pnl"] > 0)]
    assert 0 < len(own) < len(whole)
    lines = (compared / "on" / "trades.csv").read_text().splitlines()
    order = own.sort_values("pnl", kind="stable").index
    expected = [lines[0], *(lines[place + 1] for place in order)]
    assert saved(browser, tmp_path).decode().splitlines() == expected


def test_a_reason_that_would_take_the_file_apart_is_quoted_as_in_the_folder(
    browser: Chrome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reasons = ['a, "b"', "two\nlines", "and\r\nso", '"', ",", "plain", " spaced "]
    made = run_of([trade_of(exit_reason=each) for each in reasons])
    _write_tables(made, tmp_path)
    written = (tmp_path / "trades.csv").read_bytes()
    read(browser, made_page(tmp_path, report_of(made), monkeypatch))
    folder = tmp_path / "saved"
    folder.mkdir()
    found = saved(browser, folder)
    assert found == written
    rows = list(csv.DictReader(found.decode().splitlines(keepends=True)))
    assert [row["exit_reason"] for row in rows] == reasons


def test_numbers_are_written_as_python_writes_them(browser: Chrome) -> None:
    browser.get("about:blank")
    values = np.frombuffer(np.random.default_rng(7).bytes(16_000), np.float64).tolist()
    values += [0.0, 1.0, -1.5, 1e-5, 0.0001, -0.00012, 1e15, 1e16, 123456789012345.6, 0.1 + 0.2]
    values = [value for value in values if np.isfinite(value)]
    found = called(browser, "csv", "given.map(pythonText).join(' ')", values)
    assert found.split(" ") == [repr(value) for value in values]


def test_a_column_is_sorted_both_ways_and_says_so(browser: Chrome, compared: Path) -> None:
    whole = kept(compared)
    read(browser, compared / "report.html")
    for way, ascending in (("ascending", True), ("descending", False)):
        press(browser, "[data-column=return] button")
        best = whole["return"].sort_values(ascending=ascending, kind="stable")[:A_PAGE]
        assert column(browser, "return") == [fraction(value, 3) for value in best]
        told = "document.querySelectorAll('[aria-sort]')"
        sorted_ = run(browser, f"return [...{told}].map((e) => e.dataset.column + e.ariaSort)")
        assert sorted_ == [f"return{way}"]


def test_every_column_can_be_sorted(browser: Chrome, compared: Path) -> None:
    read(browser, compared / "report.html")
    count = text(browser, "[data-summary]")
    for label in ("off", "on"):
        press(browser, f"[data-show={label}]")
        names = run(browser, f"return {_HEADS}")
        for name in names:
            press(browser, f"[data-column={name}] button")
            assert len(column(browser, name)) == A_PAGE
    assert text(browser, "[data-summary]") == count
    assert said(browser) == []


def test_the_table_is_sorted_and_filtered_by_keyboard_alone(
    browser: Chrome, compared: Path
) -> None:
    read(browser, compared / "report.html")
    run(browser, "document.querySelector('[data-column=bars_held] button').focus()")
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    assert column(browser, "bars_held")[0] == str(kept(compared)["bars_held"].min())
    field = browser.find_element(By.CSS_SELECTOR, "[data-filter=text]")
    field.send_keys("TAKE")
    assert set(column(browser, "reason")) == {"take profit"}


def test_a_filter_shows_what_fits_and_sums_it(browser: Chrome, compared: Path) -> None:
    whole = kept(compared)
    reasons = sorted(set(whole["exit_reason"]) | set(kept(compared, "off")["exit_reason"]))
    read(browser, compared / "report.html")
    choose(browser, "reason", str(reasons.index("stop_loss")))
    own = whole[whole["exit_reason"] == "stop_loss"]
    assert text(browser, "[data-summary]").startswith(
        f"ML-on: {len(own):,} of {len(whole):,} trades; "
        f"win rate {fraction(float((own['pnl'] > 0).mean()), 1)}"
    )
    choose(browser, "text", "nothing has this")
    assert text(browser, "[data-summary]") == f"ML-on: 0 of {len(whole):,} trades."
    assert column(browser, "reason") == []
    assert text(browser, "[data-page]") == "Page 1 of 1"


def test_every_word_of_a_text_must_fit(browser: Chrome, compared: Path) -> None:
    whole = kept(compared)
    day = whole["opened_at"].iloc[len(whole) // 2][:10]
    read(browser, compared / "report.html")
    choose(browser, "text", f"{day} stop_loss")
    own = whole[whole["opened_at"].str.startswith(day) & (whole["exit_reason"] == "stop_loss")]
    assert text(browser, "[data-summary]").startswith(f"ML-on: {len(own):,} of")


def test_a_group_of_entries_has_as_many_trades_as_the_metrics_say(
    browser: Chrome, compared: Path
) -> None:
    document = json.loads((compared / "metrics.json").read_text())
    groups = document["comparison"]["groups"]
    read(browser, compared / "report.html")
    for label, names in (("off", ("removed", "moved_out")), ("on", ("added", "moved_in", "kept"))):
        press(browser, f"[data-show={label}]")
        for name in names:
            choose(browser, "group", str(list(groups).index(name)))
            assert text(browser, "[data-summary]").startswith(
                f"ML-{label}: {groups[name]['trades']:,} of"
            )


def test_the_pages_hold_every_trade_once(browser: Chrome, compared: Path) -> None:
    whole = kept(compared)
    read(browser, compared / "report.html")
    pages = -(-len(whole) // A_PAGE)
    seen = column(browser, "place")
    for number in range(2, pages + 1):
        press(browser, "[data-turn=on]")
        assert text(browser, "[data-page]") == f"Page {number} of {pages}"
        seen += column(browser, "place")
    assert seen == [f"{number:,}" for number in range(1, len(whole) + 1)]
    assert run(browser, "return document.querySelector('[data-turn=on]').disabled")
    press(browser, "[data-turn=first]")
    assert column(browser, "place")[0] == "1"


def test_a_trade_leads_to_the_prices(browser: Chrome, compared: Path) -> None:
    read(browser, compared / "report.html")
    link = "#trades [data-table=trades] tbody tr:nth-child(3) a"
    for _ in range(2):  # the second time as well, when the address is there already
        run(browser, "scrollTo(0, document.body.scrollHeight)")
        press(browser, link)
        assert run(browser, "return location.hash") == "#trade=on-3"
        until(
            browser,
            lambda: (
                run(
                    browser,
                    "return Math.abs(document.getElementById('price').getBoundingClientRect().top)",
                )
                < DESKTOP[1]
            ),
        )


def test_the_bars_of_the_charts_are_the_bands_of_the_tables(
    browser: Chrome, compared: Path, metrics: dict[str, Any]
) -> None:
    read(browser, compared / "report.html")
    names = run(
        browser,
        "return [...document.querySelectorAll('[data-breakdown]')]"
        ".map((each) => each.dataset.breakdown)",
    )
    assert names == ["hour", "weekday", "score", "probability", "holding", "exit", "symbol"]
    for name in names:
        drawn = run(
            browser,
            f"return document.querySelector('[data-chart=by-{name}]').data"
            ".map((bars) => bars.customdata.map((each) => each[0]))",
        )
        for counts, label in zip(drawn[::-1], ("on", "off"), strict=False):
            assert sum(counts) == metrics[label]["trades"]
    counts = run(
        browser,
        "return document.querySelector('[data-chart=spread]').data"
        ".map((bars) => bars.customdata.reduce((sum, each) => sum + each[0], 0))",
    )
    assert counts == [metrics["off"]["trades"], metrics["on"]["trades"]]


def test_on_a_phone_the_table_scrolls_within_its_box(browser: Chrome, compared: Path) -> None:
    read(browser, compared / "report.html", PHONE)
    box = "document.querySelector('[data-table=trades]').parentElement"
    wide, shown = run(browser, f"return [{box}.scrollWidth, {box}.clientWidth]")
    assert wide > shown
    assert shown <= PHONE[0]
    assert run(browser, f"return [{box}.tabIndex, {box}.role]") == [0, "region"]


def test_a_single_run_has_no_choice_of_runs(browser: Chrome, single: Path) -> None:
    read(browser, single / "report.html")
    assert texts(browser, "#trades [data-show]") == []
    assert text(browser, "[data-summary]").startswith("ML-off: ")
    assert said(browser) == []


@pytest.mark.parametrize("count", [0, 1])
def test_hardly_a_trade(
    browser: Chrome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    report = report_of(run_of([make_trade()] * count))
    read(browser, made_page(tmp_path, report, monkeypatch))
    assert said(browser) == []
    assert text(browser, "#trades [data-figure=trades] td") == str(count)
    if count:
        assert column(browser, "place") == ["1"]


def test_a_lot_of_trades_stay_at_hand(
    browser: Chrome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(5)
    pnl = rng.normal(size=MANY).tolist()
    report = report_of(run_of([make_trade(each, bar=bar) for bar, each in enumerate(pnl)]))
    file = made_page(tmp_path, report, monkeypatch)
    assert file.stat().st_size < 4_000_000
    read(browser, file)
    assert len(breakdowns(trade_table(report))) == 4
    dots = "document.querySelector('[data-chart=way-off]')"
    assert run(browser, f"return {dots} === null")  # no bars, no way
    assert MOST_DOTS <= 3_000
    press(browser, "[data-column=pnl] button")
    assert column(browser, "pnl")[0] == money(min(pnl))
    rows = "document.querySelectorAll('#trades [data-table=trades] tbody tr').length"
    assert run(browser, f"return {rows}") == A_PAGE
    choose(browser, "text", "take")
    assert text(browser, "[data-summary]").startswith(
        f"ML-off: {sum(each > 0 for each in pnl):,} of {MANY:,}"
    )
