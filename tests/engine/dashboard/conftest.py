"""A recorded session, and a browser to look at it with."""

import shutil
from collections.abc import Iterator

import pytest
from selenium.webdriver import Chrome

from tests.engine.dashboard.browsing import start_browser
from tests.engine.dashboard.session_makers import Recorded, record_session

SYMBOLS = ("BTC/USDT", "ETH/USDT", "SOL/USDT")


@pytest.fixture(scope="session")
def recorded() -> Recorded:
    """A day of three simulated markets, traded by the real engine."""
    return record_session(SYMBOLS)


@pytest.fixture(scope="session")
def browser() -> Iterator[Chrome]:
    """Debian's Chromium without a window."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("no browser: Debian has it as chromium and chromium-driver (.ci/run)")
    started = start_browser(chromium, driver)
    try:
        yield started
    finally:
        started.quit()
