"""Price and trades in the browser: the market's bars, the journal's rows, by pointer and keys."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

import run_backtest
from engine.report_html.candles import AFTER, BEFORE
from feeds.bars import PRICES, Bars
from tests.browsing import PHONE, run, said, text, texts, until
from tests.engine.report_html.reading import read
from tests.world import UNTIL, World

CANDLES = "const { x, open, high, low, close } = document.getElementById('price-chart').data[0];"
CHOSEN = "#price-trade h3"
MEMBERS = ("random_forest", "xgboost", "lstm", "logistic", "svm")


def open_trade(browser: Chrome, folder: Path, label: str, number: int) -> None:
    """Open the page at a trade."""
    page = folder / "report.html"
    read(browser, page)
    run(browser, f"location.hash = '#trade={label}-{number}'")
    until(browser, lambda: f"trade {number:,} of" in "".join(texts(browser, CHOSEN)))


def drawn_candles(browser: Chrome) -> pd.DataFrame:
    """Return the candles that the chart is drawn from."""
    return pd.DataFrame(run(browser, f"{CANDLES} return {{ x, open, high, low, close }}"))


def trades_of(folder: Path, label: str) -> pd.DataFrame:
    found = pd.read_csv(folder / label / "trades.csv")
    for name in ("decided_at", "opened_at", "closed_at"):
        found[name] = pd.to_datetime(found[name]).dt.tz_localize(None)
    return found


def market_of(world: World, symbol: str) -> Bars:
    (bars,) = (bars for bars in world.bars if bars.symbol == symbol)
    return bars[bars.index_from(UNTIL) :]


def press(browser: Chrome, *keys: str) -> None:
    """Press keys while the chart has the focus."""
    run(browser, "document.getElementById('price-chart').focus()")
    ActionChains(browser).send_keys(*keys).perform()


@pytest.mark.parametrize("number", [1, 7])
def test_a_trade_is_shown_among_its_very_bars(
    browser: Chrome, world: World, compared: Path, number: int
) -> None:
    open_trade(browser, compared, "on", number)
    trade = trades_of(compared, "on").iloc[number - 1]
    bars, found = market_of(world, trade["symbol"]), drawn_candles(browser)
    first = bars.index_from(found["x"].iloc[0].astype("datetime64[ms]"))
    rows = bars[first : first + len(found)]
    assert found["x"].tolist() == rows.time.astype(np.int64).tolist()
    for name in PRICES:
        assert found[name].tolist() == getattr(rows, name).tolist()
    decided, closed = (trade[name].to_datetime64() for name in ("decided_at", "closed_at"))
    assert rows.time[0] <= max(decided - BEFORE * rows.timeframe.delta, bars.time[0])
    assert rows.time[-1] >= closed + AFTER * rows.timeframe.delta
    assert len(rows) <= BEFORE + AFTER + trade["bars_held"] + 3


def test_the_whole_is_shown_in_candles_of_all_bars(
    browser: Chrome, world: World, compared: Path
) -> None:
    read(browser, compared / "report.html")
    found = drawn_candles(browser)
    symbol = text(browser, "#price-seen").split(",")[0]
    bars = market_of(world, symbol)
    assert found["high"].max() == bars.high.max()
    assert found["low"].min() == bars.low.min()
    assert found["open"].iloc[0] == bars.open[0]
    assert found["close"].iloc[-1] == bars.close[-1]
    assert f"{len(bars):,} bars" in text(browser, "#price-seen")


def test_the_panel_shows_the_row_of_the_journal(browser: Chrome, compared: Path) -> None:
    trades = trades_of(compared, "on")
    journal = pd.read_parquet(compared / "on" / "decisions.parquet")
    answered = journal[(journal["ml"] == "answered") & (journal["outcome"] == "entered")].iloc[0]
    same = trades["symbol"] == answered["symbol"]
    same &= trades["decided_at"] == answered["decided_at"].tz_localize(None)
    (at,) = np.flatnonzero(same)
    open_trade(browser, compared, "on", int(at) + 1)
    panel = text(browser, "#price-trade").replace("\N{MINUS SIGN}", "-")
    shown = rows_of(browser, ".score")
    rules = [name for name in journal.columns if name.startswith("points_")]
    assert len(rules) == 7
    for rule in rules:
        assert float(shown[rule.removeprefix("points_")][-1]) == answered[rule]
    assert float(shown["ML"][-1]) == answered["ml_points"]
    assert float(shown["score"][-1]) == answered["score"]
    assert shown["rsi"][0] == f"{answered['rsi']:.4g}"
    votes = rows_of(browser, ".votes")
    assert {name: float(row[0]) for name, row in votes.items()} == {
        name.replace("_", " "): round(answered[f"vote_{name}"], 3) for name in MEMBERS
    }
    assert f"{answered['probability']:.3f}: {answered['signal']}" in panel
    trade = trades.iloc[at]
    assert f"{trade['pnl']:,.2f} USDT ({100 * trade['return']:,.2f}\N{NO-BREAK SPACE}%)" in panel
    assert trade["exit_reason"].replace("_", " ") in panel
    assert f"{trade['decided_at']:%Y-%m-%d %H:%M}Z" in panel


def rows_of(browser: Chrome, table: str) -> dict[str, list[str]]:
    """Return the cells of a table's rows by their heading."""
    script = (
        f"return [...document.querySelectorAll('{table} tbody tr')]"
        ".map((row) => [...row.cells].map((cell) => cell.innerText))"
    )
    return {
        name: [cell.replace("\N{MINUS SIGN}", "-") for cell in cells]
        for name, *cells in run(browser, script)
    }


def test_stop_and_target_are_drawn_where_they_lay(browser: Chrome, compared: Path) -> None:
    trades, fills = trades_of(compared, "on"), pd.read_csv(compared / "on" / "fills.csv")
    hit = int(np.flatnonzero(trades["exit_reason"] == "take_profit")[0])
    open_trade(browser, compared, "on", hit + 1)
    exits = fills[(fills["units"] < 0) & (fills["symbol"] == trades["symbol"][hit])]
    closed = pd.to_datetime(exits["filled_at"]).dt.tz_localize(None) == trades["closed_at"][hit]
    lines = run(
        browser,
        "return document.getElementById('price-chart').layout.shapes"
        ".filter((shape) => shape.type === 'line').map((shape) => shape.y0)",
    )
    assert any(np.isclose(exits[closed]["aimed_price"].iloc[0], lines, rtol=1e-6))
    words = [note["text"].split()[0] for note in annotations(browser)]
    assert words == ["target", "entry", "stop", "time"]


def annotations(browser: Chrome) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = run(
        browser, "return document.getElementById('price-chart').layout.annotations ?? []"
    )
    return found


def test_keys_go_from_trade_to_trade(browser: Chrome, compared: Path) -> None:
    read(browser, compared / "report.html")
    whole = text(browser, "#price-seen")
    press(browser, "n")
    until(browser, lambda: texts(browser, CHOSEN))
    first = text(browser, CHOSEN)
    press(browser, "n")
    until(browser, lambda: text(browser, CHOSEN) != first)
    press(browser, "p")
    until(browser, lambda: text(browser, CHOSEN) == first)
    near = text(browser, "#price-seen")
    for key in (Keys.ARROW_RIGHT, Keys.ARROW_LEFT, "-", "+"):
        before = text(browser, "#price-seen")
        press(browser, key)
        assert text(browser, "#price-seen") != before, key
    assert near != whole
    press(browser, "a")
    assert text(browser, "#price-seen") == whole
    press(browser, Keys.ESCAPE)
    assert texts(browser, CHOSEN) == []


def test_other_keys_are_left_to_the_browser(browser: Chrome, compared: Path) -> None:
    read(browser, compared / "report.html")
    run(
        browser,
        "document.addEventListener('keydown', (event) => { window.kept = event.defaultPrevented })",
    )
    press(browser, Keys.TAB)
    assert run(browser, "return window.kept") is False
    assert run(browser, "return document.activeElement.id") != "price-chart"


def test_dragging_looks_closer_and_a_double_click_shows_all(
    browser: Chrome, compared: Path
) -> None:
    read(browser, compared / "report.html")
    whole = text(browser, "#price-seen")
    chart = browser.find_element(By.CSS_SELECTOR, "#price-chart .nsewdrag")
    run(browser, "document.getElementById('price-chart').scrollIntoView({ block: 'center' })")
    actions = ActionChains(browser).move_to_element_with_offset(chart, -200, 0)
    actions.click_and_hold().move_by_offset(100, 0).move_by_offset(100, 0).release().perform()
    until(browser, lambda: text(browser, "#price-seen") != whole)
    x = run(browser, f"{CANDLES} return x")
    seen = text(browser, "#price-seen")
    ActionChains(browser).double_click(chart).perform()
    until(browser, lambda: text(browser, "#price-seen") == whole)
    assert len(x) > 0
    assert seen.split(" bars")[0] != whole.split(" bars")[0]


@pytest.mark.parametrize(("button", "days"), [("1 day", 1), ("1 week", 7)], ids=["day", "week"])
def test_buttons_show_so_many_days(browser: Chrome, compared: Path, button: str, days: int) -> None:
    read(browser, compared / "report.html")
    pressed = click(browser, button)
    assert pressed.get_attribute("aria-pressed") == "true"
    first, last = text(browser, "#price-seen").split(", ", 1)[1].split(":  ")[0].split(" to ")
    span = pd.Timestamp(last.split("Z")[0]) - pd.Timestamp(first.removesuffix("Z"))
    assert abs(span - pd.Timedelta(days=days)) <= pd.Timedelta(minutes=1)


def click(browser: Chrome, name: str) -> Any:
    (button,) = browser.find_elements(By.XPATH, f"//section[@id='price']//button[.='{name}']")
    button.click()
    return button


NAMES = "return document.getElementById('price-chart').data.map((trace) => trace.name)"
MARKS = """
const { data } = document.getElementById('price-chart');
const [{ x, low, high }] = data;
return data.filter((each) => each.meta && each.mode === 'markers').map((each) => ({
  name: each.name,
  symbol: each.marker.symbol,
  y: each.y,
  low: each.x.map((moment) => low[x.indexOf(moment)] ?? null),
  high: each.x.map((moment) => high[x.indexOf(moment)] ?? null),
}));
"""


def test_the_run_of_the_verdict_is_shown_first_and_either_may_be(
    browser: Chrome, compared: Path
) -> None:
    read(browser, compared / "report.html")
    assert not [name for name in run(browser, NAMES) if name.startswith("ML-off")]
    assert [name for name in run(browser, NAMES) if name.startswith("ML-on")]
    for name, pressed in (("ML-off", "true"), ("ML-on", "false")):
        assert click(browser, name).get_attribute("aria-pressed") == pressed
    assert [name for name in run(browser, NAMES) if name.startswith("ML-off")]
    assert not [name for name in run(browser, NAMES) if name.startswith("ML-on")]


def test_the_trades_of_each_run_are_counted_for_themselves(browser: Chrome, compared: Path) -> None:
    read(browser, compared / "report.html")
    symbol = text(browser, "#price-seen").split(",")[0]
    off, on = (
        int((trades_of(compared, label)["symbol"] == symbol).sum()) for label in ("off", "on")
    )
    assert text(browser, "#price-seen").endswith(
        f"; ML-off {off:,} trades (not shown), ML-on {on:,} trades."
    )
    click(browser, "ML-off")
    assert text(browser, "#price-seen").endswith(f"; ML-off {off:,} trades, ML-on {on:,} trades.")


def test_many_entries_are_counted_below_the_prices(browser: Chrome, compared: Path) -> None:
    """Upwards those of one run, downwards those of the other; no mark lies among the candles."""
    read(browser, compared / "report.html", PHONE)
    symbol = text(browser, "#price-seen").split(",")[0]
    click(browser, "ML-off")
    script = (
        "return document.getElementById('price-chart').data.filter((each) => each.yaxis === 'y3')"
        ".map((each) => [each.type, each.name, each.y])"
    )
    (_, _, down), (kind, name, up) = run(browser, script)
    assert (kind, name) == ("bar", "ML-on entries")
    for label, counts in (("off", down), ("on", up)):
        whole = int((trades_of(compared, label)["symbol"] == symbol).sum())
        assert sum(counts) == (whole if label == "on" else -whole)
    assert max(down) < 0 < min(up)
    assert run(browser, MARKS) == []


def test_marks_differ_in_shape_and_cover_no_candle(browser: Chrome, compared: Path) -> None:
    open_trade(browser, compared, "on", 1)
    click(browser, "ML-off")
    marks = {mark["name"]: mark for mark in run(browser, MARKS)}
    assert len(marks) == len({mark["symbol"] for mark in marks.values()}) == 4
    assert marks["ML-on entry"]["y"]
    for name, mark in marks.items():
        for at, low, high in zip(mark["y"], mark["low"], mark["high"], strict=True):
            if low is not None:
                assert at < low if name.endswith("entry") else at > high


def test_a_score_says_what_it_had_to_reach(browser: Chrome, compared: Path) -> None:
    open_trade(browser, compared, "on", 1)
    shown = rows_of(browser, ".score")
    assert shown["score"][0] == "needs \N{GREATER-THAN OR EQUAL TO} 6.0, reached"
    assert float(shown["score"][1]) >= 6.0
    assert all(looked for name, (looked, _) in shown.items() if name != "rules together")


def test_another_market_shows_its_own_bars(browser: Chrome, world: World, compared: Path) -> None:
    read(browser, compared / "report.html")
    run(
        browser,
        "const select = document.getElementById('price-market'); select.value = '1';"
        "select.dispatchEvent(new Event('change'))",
    )
    until(browser, lambda: text(browser, "#price-seen").startswith("ETH/USDT"))
    assert drawn_candles(browser)["close"].iloc[-1] == market_of(world, "ETH/USDT").close[-1]


def test_a_trade_named_in_the_address_is_shown(browser: Chrome, compared: Path) -> None:
    page = (compared / "report.html").as_uri()
    read(browser, compared / "report.html")
    browser.get("about:blank")
    browser.get(f"{page}#trade=off-3")
    until(browser, lambda: "ML-off, trade 3 of" in "".join(texts(browser, CHOSEN)))


def test_a_trade_that_is_not_there_changes_nothing(browser: Chrome, compared: Path) -> None:
    read(browser, compared / "report.html")
    whole = text(browser, "#price-seen")
    run(browser, "location.hash = '#trade=on-99999'; location.hash = '#trade=held-1'")
    assert texts(browser, CHOSEN) == []
    assert text(browser, "#price-seen") == whole
    assert said(browser) == []


def test_candidate_bars_without_an_entry_say_why(browser: Chrome, compared: Path) -> None:
    open_trade(browser, compared, "on", 1)
    script = (
        "return document.getElementById('price-chart').data"
        ".filter((t) => t.name === 'ML-on candidates').flatMap((t) => t.text)"
    )
    ticks = run(browser, script)
    assert ticks
    assert all("score" in each for each in ticks)


def test_what_the_other_run_did_there_is_said(browser: Chrome, compared: Path) -> None:
    off, on = trades_of(compared, "off"), trades_of(compared, "on")
    keys = ["symbol", "decided_at"]
    kept = on.reset_index().merge(off.reset_index(), on=keys)
    row = kept.iloc[0]
    open_trade(browser, compared, "on", int(row["index_x"]) + 1)
    link = f"its trade {row['index_y'] + 1}"
    assert link in text(browser, "#price-trade")
    browser.find_element(By.LINK_TEXT, link).click()
    until(browser, lambda: text(browser, CHOSEN).startswith("ML-off, trade"))


def test_the_markets_stand_in_a_table_too(browser: Chrome, world: World, single: Path) -> None:
    read(browser, single / "report.html", PHONE)
    run(browser, "document.querySelector('#price details').open = true")
    shown = rows_of(browser, "#price details table")
    metrics = json.loads((single / "metrics.json").read_text())
    assert (
        sum(int(cells[-1].replace(",", "")) for cells in shown.values())
        == (metrics["runs"][0]["trades"])
    )
    for symbol, cells in shown.items():
        bars = market_of(world, symbol)
        assert cells[0] == f"{len(bars):,}"
        assert float(cells[4]) == bars.close[-1]


@pytest.fixture
def without_trades(world: World, tmp_path: Path) -> Path:
    """The folder of a run that did not trade."""
    config = tmp_path / "never.toml"
    config.write_text("[strategy]\nmin_entry_score = 99.0\n")
    words = ["--data", str(world.files[0]), "--ml", "off", "--config", str(config)]
    assert run_backtest.main([*words, "--out", str(tmp_path / "runs")]) == 0
    (folder,) = (tmp_path / "runs").iterdir()
    return folder


def test_a_run_without_trades_has_prices(browser: Chrome, without_trades: Path) -> None:
    read(browser, without_trades / "report.html")
    press(browser, "n")
    assert texts(browser, CHOSEN) == []
    assert "0 trades" in text(browser, "#price-seen")
    assert said(browser) == []
    assert run(browser, "return document.getElementById('trouble').hidden")
