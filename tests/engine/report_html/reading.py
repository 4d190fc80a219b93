"""A browser that reads the page of a run."""

from pathlib import Path

from selenium.webdriver import Chrome

from tests.browsing import DESKTOP, open_page, run, until


def read(browser: Chrome, page: Path, size: tuple[int, int] = DESKTOP, **features: str) -> None:
    """Open the page from disk, for someone who prefers so; wait until everything is drawn."""
    open_page(browser, page.as_uri(), size, **features)
    until(browser, lambda: run(browser, "return document.documentElement.dataset.drawn"))
