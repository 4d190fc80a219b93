"""The page in Debian's Chromium, before a real state: what a person sees, hears and reaches."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.common.by import By

from engine.dashboard.server import Dashboard
from engine.paper.records import MomentRecord
from engine.paper.state import PaperState
from tests.browsing import (
    DESKTOP,
    PHONE,
    run,
    said,
    text,
    texts,
    until,
)
from tests.engine.dashboard.conftest import SYMBOLS
from tests.engine.dashboard.looking import look
from tests.engine.dashboard.session_makers import MEMBERS, Recorded

TOKEN = "correct-horse-battery-staple"  # noqa: S105  of a test


def first_held(recorded: Recorded) -> int:
    """Return after how many moments something is held, and much has been traded before."""
    held = (i for i, record in enumerate(recorded.records) if record.position_value > 0)
    return 1 + next(i for i in held if i > 600)


def worth(record: MomentRecord) -> str:
    return f"{record.cash + record.position_value:,.2f}"


@pytest.fixture(scope="module")
def begun(recorded: Recorded, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a session that has traded for some hours."""
    path = tmp_path_factory.mktemp("begun") / "paper.sqlite"
    recorded.begin(path, first_held(recorded)).close()
    return path


@pytest.fixture
def state(begun: Path, tmp_path: Path) -> Iterator[PaperState]:
    shutil.copy(begun, tmp_path)
    with PaperState.resume(tmp_path / begun.name) as state:
        yield state


@pytest.fixture
def url(state: PaperState, tmp_path: Path) -> Iterator[str]:
    with Dashboard(tmp_path / "paper.sqlite", port=0) as dashboard:
        yield dashboard.url


def inked(browser: Chrome, selector: str) -> int:
    """Return how many pixels of a canvas are drawn on."""
    return int(run(browser, f"""
        const canvas = document.querySelector("{selector} canvas");
        const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
        return data.filter((value, i) => i % 4 === 3 && value > 0).length;
    """))  # fmt: skip


def asked_for(browser: Chrome) -> list[str]:
    """Return the addresses that the page asked for."""
    log = browser.get_log("performance")  # type: ignore[no-untyped-call]  # selenium's
    messages = [json.loads(line["message"])["message"] for line in log]
    return [
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_every_section_is_there_without_a_word_on_the_console(
    browser: Chrome, url: str, size: tuple[int, int], scheme: str
) -> None:
    look(browser, url, size, prefers_color_scheme=scheme)
    until(browser, lambda: inked(browser, "#chart") > 2000 and inked(browser, "#equity") > 300)
    assert texts(browser, "#stamps strong") == ["REHEARSAL", "SYNTHETIC"]
    assert texts(browser, "#account dt") == ["Equity", "Cash", "Trades", "Drawdown", "ML"]
    assert len(texts(browser, "#positions li.card")) >= 1
    assert len(texts(browser, "#orders li.card")) >= 2
    assert len(texts(browser, "#decisions > li")) == 12
    assert len(texts(browser, "#trades li.card")) >= 3
    assert "connected" in text(browser, "#health")
    assert texts(browser, "#markets button") == list(SYMBOLS)
    assert "warm-up is complete" in text(browser, "#events")
    assert text(browser, "#watching") != ""
    wide = run(browser, "return document.documentElement.scrollWidth")
    assert wide <= size[0]
    ground = run(browser, "return getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(246, 244, 239)", "dark": "rgb(15, 18, 21)"}[scheme]
    assert said(browser) == []


def test_no_other_host_is_asked(browser: Chrome, url: str) -> None:
    look(browser, url)
    hosts = {urlsplit(address).netloc for address in asked_for(browser)}
    assert hosts == {urlsplit(url).netloc}


def test_a_session_before_its_first_bar_is_shown_and_begins(
    browser: Chrome, recorded: Recorded, tmp_path: Path
) -> None:
    path = tmp_path / "new.sqlite"
    with recorded.begin(path, 0) as state, Dashboard(path, port=0) as dashboard:
        look(browser, dashboard.url)
        assert "No candidate bar so far" in text(browser, "#decisions")
        assert text(browser, "#equity-readout") == "no moment so far"
        state.commit(recorded.records[0])
        until(browser, lambda: text(browser, "#equity-readout").startswith("2022-01-01"))
        assert said(browser) == []
        browser.get("about:blank")


def test_a_moment_is_shown_when_it_is_committed(
    browser: Chrome, url: str, state: PaperState, recorded: Recorded
) -> None:
    look(browser, url)
    first = first_held(recorded)
    upcoming = recorded.records[first : first + 120]
    ending = next(
        i for i, each in enumerate(upcoming) if len(each.fills) and not each.position_value
    )
    trades = text(browser, "#account div:nth-child(3) dd")
    before = text(browser, "#bar time")
    opened = browser.find_element(By.CSS_SELECTOR, ".decision")
    opened.find_element(By.TAG_NAME, "summary").click()
    for record in upcoming[: ending + 1]:
        state.commit(record)
    last = upcoming[ending]
    until(browser, lambda: text(browser, "#account dd") == worth(last))
    until(browser, lambda: "Nothing is held." in text(browser, "#positions"))
    assert text(browser, "#bar time") > before
    assert int(text(browser, "#account div:nth-child(3) dd")) > int(trades)
    # What someone reads does not close while new decisions come.
    browser.find_element(By.ID, "more").click()
    assert opened.get_attribute("open") is not None
    assert said(browser) == []


def test_a_page_that_nobody_saw_catches_up(
    browser: Chrome, url: str, state: PaperState, recorded: Recorded
) -> None:
    look(browser, url)
    first = first_held(recorded)
    hidden = (
        "Object.defineProperty(document, 'hidden', {{value: {}, configurable: true}});"
        "document.dispatchEvent(new Event('visibilitychange'))"
    )
    run(browser, hidden.format("true"))
    for record in recorded.records[first : first + 40]:
        state.commit(record)
    run(browser, hidden.format("false"))
    last = recorded.records[first + 39]
    until(browser, lambda: text(browser, "#account dd") == worth(last))
    assert said(browser) == []


def test_it_goes_on_after_the_dashboard_was_away(
    browser: Chrome, state: PaperState, recorded: Recorded, tmp_path: Path
) -> None:
    with Dashboard(tmp_path / "paper.sqlite", port=0) as dashboard:
        look(browser, dashboard.url)
        port = urlsplit(dashboard.url).port
    until(browser, lambda: text(browser, "#link-text").startswith("not connected"))
    first = first_held(recorded)
    for record in recorded.records[first : first + 5]:
        state.commit(record)
    last = recorded.records[first + 4]
    with Dashboard(tmp_path / "paper.sqlite", port=port or 0):
        until(browser, lambda: text(browser, "#link-text") == "live")
        until(browser, lambda: text(browser, "#account dd") == worth(last))  # fmt: skip
        browser.get("about:blank")


def open_entered(browser: Chrome) -> Any:
    """Open the newest entry on which the ensemble answered, and return it."""
    if browser.find_element(By.ID, "more").is_displayed():
        browser.find_element(By.ID, "more").click()
    entries = browser.find_elements(By.CSS_SELECTOR, ".decision[data-tone=good]")
    (newest, *_) = [entry for entry in entries if entry.find_elements(By.CSS_SELECTOR, ".vote")]
    newest.find_element(By.TAG_NAME, "summary").click()
    return newest


def test_a_decision_opens_to_its_points_and_votes(browser: Chrome, url: str) -> None:
    look(browser, url)
    entry = open_entered(browser)
    rows = entry.find_elements(By.CSS_SELECTOR, "tbody tr")
    assert [row.text.split()[0] for row in rows] == [
        "rsi", "bollinger", "volume", "pattern", "macd", "stochastic", "support", "ensemble",
        "score",
    ]  # fmt: skip
    votes = [
        vote.text.splitlines()[0] for vote in entry.find_elements(By.CSS_SELECTOR, ".votes li")
    ]
    assert votes == [*(name.replace("_", " ") for name in MEMBERS), "together"]
    meter = entry.find_element(By.CSS_SELECTOR, ".meter").get_attribute("aria-label") or ""
    assert meter.startswith("score ")
    assert meter.endswith(" of 6.5 that an entry needs")


def test_another_symbol_is_chosen_from_the_list_or_the_panel(browser: Chrome, url: str) -> None:
    look(browser, url)
    prices = dict(zip(SYMBOLS, texts(browser, "#markets .price"), strict=True))
    browser.find_element(By.ID, "symbol").send_keys("SOL")
    until(browser, lambda: text(browser, "#last strong") == prices["SOL/USDT"])
    browser.find_elements(By.CSS_SELECTOR, "#markets button")[1].click()
    until(browser, lambda: text(browser, "#last strong") == prices["ETH/USDT"])
    assert browser.find_element(By.ID, "symbol").get_attribute("value") == "ETH/USDT"
    assert "symbol=ETH%2FUSDT" in browser.current_url
    browser.find_element(By.ID, "only").click()
    until(browser, lambda: set(texts(browser, ".decision .symbol")) == {"ETH/USDT"})
    assert said(browser) == []


def test_everything_is_reached_by_keyboard_and_can_be_seen_to_be(browser: Chrome, url: str) -> None:
    look(browser, url)
    reached, outlined = [], []
    for _ in range(40):
        ActionChains(browser).send_keys(Keys.TAB).perform()
        reached.append(run(browser, "return document.activeElement.id"))
        outlined.append(
            run(browser, "return getComputedStyle(document.activeElement).outlineStyle")
        )
        if run(browser, "return document.activeElement.closest('.events') !== null"):
            break
    order = ["symbol", "back", "forth", "out", "in", "latest", "chart", "equity", "only"]
    assert [name for name in reached if name in order] == order
    assert {"more", "markets", "trades"} <= set(reached)
    assert set(outlined) <= {"solid", "auto"}


def test_the_chart_is_read_out_bar_by_bar(browser: Chrome, url: str) -> None:
    look(browser, url)
    chart = browser.find_element(By.ID, "chart")
    latest = text(browser, "#bar time")
    chart.send_keys(Keys.ARROW_LEFT)
    chart.send_keys(Keys.ARROW_LEFT)
    spoken = browser.find_element(By.ID, "spoken")
    assert (spoken.get_attribute("textContent") or "").startswith(text(browser, "#bar time"))
    assert text(browser, "#bar time") < latest
    chart.send_keys(Keys.HOME)
    until(browser, lambda: any("/api/bars" in address for address in asked_for(browser)))
    chart.send_keys(Keys.END)
    assert text(browser, "#bar time") == latest
    assert said(browser) == []


def test_every_control_and_region_has_a_name(browser: Chrome, url: str) -> None:
    look(browser, url)
    tree = browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    roles = {"button", "combobox", "checkbox", "region", "application", "image", "link", "list"}
    nameless = [
        node["role"]["value"]
        for node in tree
        if not node.get("ignored")
        and node["role"]["value"] in roles - {"list"}
        and not node.get("name", {}).get("value")
    ]
    assert nameless == []
    found = {node["role"]["value"] for node in tree if not node.get("ignored")}
    assert roles - {"link"} <= found
    assert {"main", "banner"} <= found


def test_nothing_moves_for_those_who_asked_for_that(browser: Chrome, url: str) -> None:
    look(browser, url, prefers_reduced_motion="reduce")
    run(browser, "document.querySelector('#link').dataset.tone = 'bad'")
    assert run(browser, "return document.getAnimations().length") == 0


INKS, GROUNDS = ("ink", "muted", "rise", "fall", "accent", "warn"), ("panel", "paper")


def contrast(one: str, other: str) -> float:
    """Return how far two colours stand apart, as WCAG reckons it."""
    low, high = sorted((lightness(one), lightness(other)))
    return (high + 0.05) / (low + 0.05)


def lightness(colour: str) -> float:
    parts = [int(colour.strip()[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(browser: Chrome, url: str, scheme: str) -> None:
    look(browser, url, prefers_color_scheme=scheme)
    values = {
        name: run(browser, f"return getComputedStyle(document.body).getPropertyValue('--{name}')")
        for name in (*INKS, *GROUNDS)
    }
    worst = min(contrast(values[ink], values[ground]) for ink in INKS for ground in GROUNDS)
    assert worst >= 4.5  # WCAG AA


def test_the_token_is_asked_for_and_does_not_stay(
    browser: Chrome, state: PaperState, tmp_path: Path
) -> None:
    with Dashboard(tmp_path / "paper.sqlite", port=0, token=TOKEN) as dashboard:
        browser.delete_all_cookies()
        browser.get(dashboard.url)
        until(browser, lambda: browser.find_element(By.ID, "token").is_displayed())
        browser.find_element(By.ID, "token").send_keys("wrong" + Keys.ENTER)
        until(browser, lambda: text(browser, "#sign-in-error") == "That is not the token.")
        assert texts(browser, "#account dt") == []
        browser.find_element(By.ID, "token").send_keys(Keys.CONTROL + "a")
        browser.find_element(By.ID, "token").send_keys(TOKEN + Keys.ENTER)
        until(browser, lambda: text(browser, "#link-text") == "live")
        assert run(browser, "return document.cookie") == ""
        assert TOKEN not in run(browser, "return document.documentElement.outerHTML")
        browser.get("about:blank")


def test_a_link_may_bring_the_token_which_leaves_the_address_bar(
    browser: Chrome, state: PaperState, tmp_path: Path
) -> None:
    with Dashboard(tmp_path / "paper.sqlite", port=0, token=TOKEN) as dashboard:
        browser.delete_all_cookies()
        browser.get("about:blank")
        for kind in ("browser", "performance"):
            browser.get_log(kind)  # type: ignore[no-untyped-call]  # selenium's
        browser.get(f"{dashboard.url}#token={TOKEN}")
        until(browser, lambda: text(browser, "#link-text") == "live")
        assert TOKEN not in browser.current_url
        assert [url for url in asked_for(browser) if TOKEN in url.split("#")[0]] == []
        assert said(browser) == []
        browser.get("about:blank")
