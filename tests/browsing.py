"""A browser that looks at our pages, as a person would."""

from collections.abc import Callable
from typing import Any

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.wait import WebDriverWait

PATIENCE = 30.0  # seconds; the machine is shared

DESKTOP, PHONE = (1280, 900), (390, 844)


def start_browser(chromium: str, driver: str) -> Chrome:
    """Return a browser that keeps a log of its console and of what it asks for."""
    options = ChromeOptions()
    options.binary_location = chromium
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    for argument in (
        "--headless=new",
        "--no-sandbox",  # in a container it has no rights to make one
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--disable-component-update",
        "--no-first-run",
    ):
        options.add_argument(argument)
    return Chrome(options, Service(driver))


def open_page(browser: Chrome, url: str, size: tuple[int, int] = DESKTOP, **features: str) -> None:
    """Open a page, in a window of a size, for someone who prefers so."""
    browser.get("about:blank")
    for kind in ("browser", "performance"):
        browser.get_log(kind)  # type: ignore[no-untyped-call]  # selenium's
    width, height = size
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": size == PHONE},
    )
    media = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": media})
    browser.get(url)


def until(browser: Chrome, holds: Callable[[], Any]) -> None:
    """Wait until something holds."""
    WebDriverWait(browser, PATIENCE, poll_frequency=0.05).until(lambda _: holds())


def text(browser: Chrome, selector: str) -> str:
    """Return the text of the first element, as a reader sees it."""
    return texts(browser, selector)[0]


def texts(browser: Chrome, selector: str) -> list[str]:
    """Return the texts of all elements, at one moment: the page may change at any other."""
    found: list[str] = run(
        browser,
        f"return [...document.querySelectorAll({selector!r})].map((each) => each.innerText)",
    )
    return found


def run(browser: Chrome, script: str) -> Any:
    """Return what a script returns in the page."""
    return browser.execute_script(script)


def said(browser: Chrome) -> list[str]:
    """Return what the console said since the page was opened, recommendations left out."""
    lines = browser.get_log("browser")  # type: ignore[no-untyped-call]  # selenium's
    return [line["message"] for line in lines if line["level"] != "DEBUG"]
